"""Which requests get a certificate, for how long, and which nonces are good."""

from base64 import b64decode, b64encode
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from backend.certificates.rules import (
    NONCE_LIFE,
    NONCE_RANDOM_BYTES,
    check_request,
    is_fresh,
    make_nonce,
    validity,
)
from backend.errors import InvalidError
from schemas.certificate import CSR_CHARACTERS_MAX
from tests.builders import NOW
from tests.certificates import make_request, sign_request

SECRET = "s" * 16
RANDOM = bytes(NONCE_RANDOM_BYTES)


def _two_names() -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "gw-1"),
            x509.NameAttribute(NameOID.COMMON_NAME, "backend"),
        ]
    )


def _forged(csr: str) -> str:
    """Return ``csr`` with another signature than its key's."""
    lines = csr.strip().splitlines()
    der = bytearray(b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    return "\n".join([lines[0], b64encode(bytes(der)).decode(), lines[-1], ""])


def test_request_of_the_gateway_itself_is_good() -> None:
    """What comes out is the key that asked."""
    key = ec.generate_private_key(ec.SECP256R1())

    assert check_request(make_request("gw-1", key), "gw-1") == key.public_key()


@pytest.mark.parametrize(
    ("csr", "field"),
    [
        (make_request("gw-2"), "csr.subject"),
        (make_request("backend"), "csr.subject"),
        (sign_request(x509.Name([]), ec.generate_private_key(ec.SECP256R1())), "csr.subject"),
        (sign_request(_two_names(), ec.generate_private_key(ec.SECP256R1())), "csr.subject"),
        (make_request("gw-1", rsa.generate_private_key(65_537, 2_048)), "csr.key"),
        (make_request("gw-1", ec.generate_private_key(ec.SECP256K1())), "csr.key"),
        (make_request("gw-1", ec.generate_private_key(ec.SECP384R1())), "csr.key"),
        (_forged(make_request("gw-1")), "csr.signature"),
        ("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n", "csr"),
        ("\N{SNOWMAN}", "csr"),
        ("x" * (CSR_CHARACTERS_MAX + 1), "csr"),
    ],
)
def test_any_other_request_is_refused(csr: str, field: str) -> None:
    """Another's name, two names, another kind of key, another's signature, no request at all."""
    with pytest.raises(InvalidError) as refused:
        check_request(csr, "gw-1")
    assert refused.value.detail["field"] == field


def test_certificate_never_outlives_its_authority() -> None:
    """It would be refused from then on anyway; the holder must know when to renew."""
    ends = NOW + timedelta(days=10)

    assert validity(NOW, timedelta(days=90), ends)[1] == ends
    with pytest.raises(InvalidError):
        validity(ends, timedelta(days=90), ends)


@given(st.floats(min_value=0.001, max_value=24 * 397))
def test_certificate_begins_a_little_earlier_and_never_by_much(hours: float) -> None:
    """A broker's clock may be behind; of a short life the margin is a small part."""
    life = timedelta(hours=hours)
    begins, ends = validity(NOW, life, NOW + timedelta(days=3_650))

    assert ends - NOW == life
    assert timedelta(0) <= NOW - begins <= min(timedelta(hours=1), life / 20)


def test_nonce_is_known_again_for_its_gateway_and_its_time() -> None:
    """Nothing is kept of it until it is used."""
    nonce = make_nonce(SECRET, "gw-1", NOW, RANDOM)

    assert is_fresh(SECRET, "gw-1", nonce, NOW + NONCE_LIFE)
    assert not is_fresh(SECRET, "gw-1", nonce, NOW + NONCE_LIFE + timedelta(seconds=1))
    assert not is_fresh(SECRET, "gw-2", nonce, NOW)
    assert not is_fresh("t" * 16, "gw-1", nonce, NOW)


@given(st.binary(max_size=64))
def test_nonce_of_anybody_else_is_not_good(nonce: bytes) -> None:
    """Whatever its length, and whatever time it claims."""
    assert not is_fresh(SECRET, "gw-1", nonce, NOW)
