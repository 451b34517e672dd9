"""Certificates are told before they end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.cli.doctor.finding import Verdict
from gateway.cli.doctor.network import check_certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def write_certificate(path: Path, begins: datetime, ends: datetime) -> Path:
    """Write a certificate that signs itself."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, None)
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("from_days", "to_days", "verdict", "words"),
    [
        (-10, 300, Verdict.OK, "300 days"),
        (-10, 7, Verdict.WARNING, "7 days"),
        (-10, -1, Verdict.PROBLEM, "ended"),
        (1, 300, Verdict.PROBLEM, "holds from"),
    ],
)
def test_age_of_a_certificate(
    tmp_path: Path, from_days: int, to_days: int, verdict: Verdict, words: str
) -> None:
    """Good, soon over, over, and not yet begun."""
    path = write_certificate(
        tmp_path / "ca.pem", NOW + timedelta(days=from_days), NOW + timedelta(days=to_days)
    )
    found = check_certificate(path, NOW)
    assert found.verdict is verdict
    assert words in found.what


def test_what_is_no_certificate(tmp_path: Path) -> None:
    """A missing file, and one with something else in it."""
    assert check_certificate(tmp_path / "absent.pem", NOW).verdict is Verdict.PROBLEM
    (tmp_path / "text.pem").write_text("hello", "utf-8")
    assert "holds none" in check_certificate(tmp_path / "text.pem", NOW).what
