"""What the gateway keeps of an answer with a certificate, and when it would renew it."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.errors import StateError, UntrustedError
from gateway.uplink.certificate import TlsRequest, keep_certificate, load_validity
from gateway.uplink.enrolment import GivenCertificate
from gateway.uplink.tls_files import BROKER_CA_FILE, BUNDLE_FILE, bundle_sha256
from tests.builders import NOW

GATEWAY = "gw-1"
CA_KEY = ec.generate_private_key(ec.SECP256R1())
LIFE = timedelta(days=90)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, signed_by: ec.EllipticCurvePrivateKey = CA_KEY
) -> str:
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("ca"))
        .public_key(key)
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + LIFE)
        .sign(signed_by, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode("ascii")


def _given(certificate: str) -> GivenCertificate:
    return GivenCertificate(certificate=certificate, ca=_certificate("ca", CA_KEY.public_key()))


def test_certificate_is_kept_with_its_key_in_one_private_file(tmp_path: Path) -> None:
    """So that a renewal changes both at once; it is due at two thirds of the life."""
    request = TlsRequest.make(GATEWAY)
    kept = keep_certificate(
        tmp_path, request, _given(_certificate(GATEWAY, request.key.public_key()))
    )

    assert kept == load_validity(tmp_path)
    assert kept.renewal == NOW + timedelta(days=60)
    assert (tmp_path / BUNDLE_FILE).stat().st_mode & 0o777 == 0o600
    text = (tmp_path / BUNDLE_FILE).read_text(encoding="ascii")
    assert "BEGIN CERTIFICATE" in text
    assert "BEGIN PRIVATE KEY" in text
    assert "PRIVATE" not in (tmp_path / BROKER_CA_FILE).read_text(encoding="ascii")


@pytest.mark.parametrize("fault", ["key", "name", "authority", "nonsense"])
def test_answer_that_is_not_for_this_request_changes_nothing(tmp_path: Path, fault: str) -> None:
    """Another key, another name, another authority's signature, no certificate: refused."""
    request = TlsRequest.make(GATEWAY)
    own, other = request.key.public_key(), ec.generate_private_key(ec.SECP256R1())
    certificate = {
        "key": _certificate(GATEWAY, other.public_key()),
        "name": _certificate("gw-2", own),
        "authority": _certificate(GATEWAY, own, other),
        "nonsense": "?",
    }[fault]

    with pytest.raises(UntrustedError):
        keep_certificate(tmp_path, request, _given(certificate))
    assert bundle_sha256(tmp_path) is None
    assert load_validity(tmp_path) is None


def test_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    """Somebody must act: the daemon cannot."""
    (tmp_path / BUNDLE_FILE).write_text("?", encoding="ascii")
    with pytest.raises(StateError, match=BUNDLE_FILE):
        load_validity(tmp_path)
