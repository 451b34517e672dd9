"""The certificate authority: its key in the state folder, and what it signs.

Not here: which request deserves a certificate (``rules``), and what becomes of one (``service``).
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backend.certificates.errors import AuthorityExistsError
from backend.certificates.rules import validity
from backend.certificates.types import Certificate
from backend.errors import ConfigurationError

KEY_FILE: Final = "ca.key"
CERTIFICATE_FILE: Final = "ca.crt"
AUTHORITY_NAME: Final = "Pledgewatch broker CA"
AUTHORITY_LIFE: Final = timedelta(days=3_650)
SERVER_LIFE: Final = timedelta(days=397)  # What TLS clients accept of public authorities.
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
_OTHERS: Final = 0o077
_SIGNATURE: Final = "digital_signature"
_AUTHORITY: Final = ("key_cert_sign", "crl_sign")
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Authority:
    """Signs with its own key; gateways and the broker trust its certificate."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificates: Sequence[x509.Certificate]
    ) -> None:
        """Take the key, and its certificate before others that gateways trust besides."""
        self._key = key
        self.certificate = certificates[0]
        self.pem = "".join(_pem(each) for each in certificates)

    @classmethod
    def make(cls, state_dir: Path, now: datetime) -> Self:
        """Make the authority, once.

        Raises:
            AuthorityExistsError: There is one.
            ConfigurationError: The folder cannot be written.
        """
        if (state_dir / KEY_FILE).exists():
            raise AuthorityExistsError(state_dir / KEY_FILE)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(AUTHORITY_NAME, key.public_key(), now, now + AUTHORITY_LIFE)
        certificate = (
            builder.issuer_name(_name(AUTHORITY_NAME))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(*_AUTHORITY), critical=True)
            .sign(key, hashes.SHA256())
        )
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(state_dir / CERTIFICATE_FILE, _pem(certificate).encode(), private=False)
            # Last: without its key there is no authority.
            write_file(state_dir / KEY_FILE, private_pem(key), private=True)
        except OSError as error:
            raise ConfigurationError(f"{state_dir}: {error.strerror or error}") from error
        return cls(key, [certificate])

    @classmethod
    def load(cls, state_dir: Path) -> Self | None:
        """Return the authority in ``state_dir``; None when there is none.

        Raises:
            ConfigurationError: Its files cannot be used, or others may read the key.
        """
        path = state_dir / KEY_FILE
        if not path.exists():
            return None
        if path.stat().st_mode & _OTHERS:
            raise ConfigurationError(f"{path} may be read by others: chmod 600 it")
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
            found = x509.load_pem_x509_certificates((state_dir / CERTIFICATE_FILE).read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{state_dir}: no authority: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{path} holds no elliptic-curve key")
        if found[0].public_key() != key.public_key():
            raise ConfigurationError(f"{path} is not the key of {CERTIFICATE_FILE} beside it")
        return cls(key, found)

    @property
    def ends(self) -> datetime:
        """When the authority itself ends, and all that it signed with it."""
        return self.certificate.not_valid_after_utc

    def issue_client(
        self,
        common_name: str,
        public_key: ec.EllipticCurvePublicKey,
        now: datetime,
        life: timedelta,
    ) -> x509.Certificate:
        """Return a certificate that its holder may come to a server with, and no more."""
        begins, ends = validity(now, life, self.ends)
        builder = _builder(common_name, public_key, begins, ends)
        return self._sign(builder, ExtendedKeyUsageOID.CLIENT_AUTH)

    def issue_server(
        self, names: Sequence[str], public_key: ec.EllipticCurvePublicKey, now: datetime
    ) -> x509.Certificate:
        """Return a certificate for the broker under these host names and IP addresses."""
        begins, ends = validity(now, SERVER_LIFE, self.ends)
        builder = _builder(names[0], public_key, begins, ends).add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
        return self._sign(builder, ExtendedKeyUsageOID.SERVER_AUTH)

    def revocations(
        self, certificates: Iterable[Certificate], now: datetime, life: timedelta
    ) -> bytes:
        """Return the list of what is revoked, as PEM, good for ``life``."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + life)
            .add_extension(self._authority_key(), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for each in certificates:
            if each.revoked_at is not None:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(each.serial, 16))
                    .revocation_date(each.revoked_at)
                    .build()
                )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _sign(
        self, builder: x509.CertificateBuilder, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        return (
            builder.issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(_SIGNATURE), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(self._authority_key(), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _authority_key(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8 PEM, for its file only."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_file(path: Path, data: bytes, *, private: bool) -> None:
    """Write a file whole or not at all; a private one is readable by its owner only.

    Raises:
        OSError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(partial, flags, _PRIVATE if private else _PUBLIC)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    common_name: str, public_key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in usages for usage in _USAGES})


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
