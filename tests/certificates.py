"""Keys and certificate requests as a gateway makes them, and as it must not."""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from schemas.certificate import request_text

TlsKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_request(common_name: str, key: TlsKey | None = None) -> str:
    """Return a request as PEM; under a new P-256 key unless one is given."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return sign_request(name, key or ec.generate_private_key(ec.SECP256R1()))


def sign_request(name: x509.Name, key: TlsKey) -> str:
    """Return a request for a whole subject."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """A gateway's own key, which vouches for its requests."""

    gateway_id: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        """The raw public key in hexadecimal."""
        return self.key.public_key().public_bytes_raw().hex()

    def body(self, csr: str | None = None, nonce: str = "") -> dict[str, str]:
        """Return what is posted: at an enrolment without a nonce, for a renewal with one."""
        csr = csr or make_request(self.gateway_id)
        text = request_text(self.gateway_id, bytes.fromhex(nonce), csr)
        body = {"csr": csr, "signature": self.key.sign(text).hex()}
        return {**body, "nonce": nonce} if nonce else body
