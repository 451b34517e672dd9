"""The gateway's client certificate: asked for, checked, kept and renewed.

Its key is made here, is new with each certificate, and leaves this machine never. The Ed25519 key
that seals envelopes vouches for each request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.errors import StateError, UntrustedError
from gateway.signing import Signer, save_private
from gateway.uplink.backend_api import post_json
from gateway.uplink.enrolment import Enrolment, GivenCertificate, save_enrolment
from gateway.uplink.tls_files import BACKEND_CA_FILE, BROKER_CA_FILE, BUNDLE_FILE, backend_ca
from schemas.certificate import NONCE_BYTES, request_text

RENEW_AT: Final = 2 / 3  # Of its life: the last third is for whatever goes wrong.


class GivenNonce(msgspec.Struct, frozen=True, kw_only=True):
    """What a renewal has to be signed with."""

    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From when until when a certificate holds."""

    begins: datetime
    ends: datetime

    @property
    def renewal(self) -> datetime:
        """When it is to be renewed."""
        return self.begins + (self.ends - self.begins) * RENEW_AT

    @property
    def life(self) -> timedelta:
        """How long it holds in all."""
        return self.ends - self.begins


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRequest:
    """A request for a certificate, and the key that it is for."""

    gateway_id: str
    key: ec.EllipticCurvePrivateKey
    csr_pem: str

    @classmethod
    def make(cls, gateway_id: str) -> Self:
        """Return a request under a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway_id)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        pem = request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return cls(gateway_id=gateway_id, key=key, csr_pem=pem.decode("ascii"))

    def body(self, signer: Signer, nonce: bytes = b"") -> dict[str, str]:
        """Return what is posted: the request, and that this gateway makes it.

        Raises:
            UnavailableError: The gateway's key cannot sign now.
        """
        text = request_text(self.gateway_id, nonce, self.csr_pem)
        return {"csr": self.csr_pem, "signature": signer.sign(text).hex()}


def keep_certificate(state_dir: Path, request: TlsRequest, given: GivenCertificate) -> Validity:
    """Keep what the backend answered to ``request``, in place of what there was.

    Raises:
        UntrustedError: It is not for this request's name and key, or not of that authority.
        StateError: The folder cannot be written.
    """
    try:
        made = x509.load_pem_x509_certificate(given.certificate.encode())
        authority = x509.load_pem_x509_certificates(given.ca.encode())[0]
        made.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise UntrustedError(f"certificate: {error or 'the signature is forged'}") from error
    if made.public_key() != request.key.public_key():
        raise UntrustedError("certificate: it is for another key")
    names = [part.value for part in made.subject]
    if names != [request.gateway_id]:
        raise UntrustedError(f"certificate: it is for {names}, must be for {request.gateway_id!r}")
    key = request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    save_private(state_dir / BROKER_CA_FILE, given.ca.encode(), "certificate")
    save_private(state_dir / BUNDLE_FILE, made.public_bytes(Encoding.PEM) + key, "certificate")
    return _validity(made)


def keep_enrolment(
    state_dir: Path, enrolment: Enrolment, request: TlsRequest, ca_file: str | None
) -> None:
    """Keep an enrolment, its certificate, and whom to believe to be the backend's API.

    A certificate of an earlier enrolment is gone with it: it was revoked by this one.

    Raises:
        UntrustedError: The certificate is not what ``request`` asked for.
        StateError: A file cannot be read or written.
    """
    try:
        if ca_file is not None:
            save_private(state_dir / BACKEND_CA_FILE, Path(ca_file).read_bytes(), "certificate")
        else:
            (state_dir / BACKEND_CA_FILE).unlink(missing_ok=True)
        if enrolment.certificate is None:
            (state_dir / BUNDLE_FILE).unlink(missing_ok=True)
        else:
            keep_certificate(state_dir, request, enrolment.certificate)
    except OSError as error:
        raise StateError(f"state folder {state_dir}: {error.strerror or error}") from error
    save_enrolment(state_dir, msgspec.structs.replace(enrolment, certificate=None))


def load_validity(state_dir: Path) -> Validity | None:
    """Return how long the kept certificate holds; None when there is none.

    Raises:
        StateError: The file cannot be read, or holds none.
    """
    path = state_dir / BUNDLE_FILE
    try:
        return _validity(x509.load_pem_x509_certificates(path.read_bytes())[0])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"certificate {path}: {error}") from error


def renew_certificate(
    state_dir: Path, backend_url: str, gateway_id: str, signer: Signer
) -> Validity:
    """Ask the backend for the next certificate and keep it.

    Raises:
        ConfigError: ``backend_url`` is not a web address.
        UnavailableError: The backend cannot be reached, or the key cannot sign; try again.
        UntrustedError: It refused, or its answer makes no sense.
        StateError: The folder cannot be written.
    """
    ca_file = backend_ca(state_dir)
    path = f"/api/gateways/{gateway_id}/certificate"
    try:
        answer = post_json(backend_url, f"{path}-nonces", {}, ca_file=ca_file)
        nonce = bytes.fromhex(msgspec.json.decode(answer, type=GivenNonce).nonce)
        if len(nonce) != NONCE_BYTES:
            raise UntrustedError(f"nonce: {len(nonce)} bytes, must be {NONCE_BYTES}")
        request = TlsRequest.make(gateway_id)
        body = {**request.body(signer, nonce), "nonce": nonce.hex()}
        answer = post_json(backend_url, path, body, ca_file=ca_file)
        given = msgspec.json.decode(answer, type=GivenCertificate)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UntrustedError(f"certificate: {error}") from error
    return keep_certificate(state_dir, request, given)


def _validity(certificate: x509.Certificate) -> Validity:
    return Validity(begins=certificate.not_valid_before_utc, ends=certificate.not_valid_after_utc)
