"""The gateway's Ed25519 key: made once, used to seal envelopes."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from schemas import envelope as envelope_format
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.envelope import Envelope
from schemas.keys import key_id_of


class Signer:
    """Holds the private key; gives out the public one and signed envelopes."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id_of(self.public_key)
        self._protected = encode_protected(envelope_format.content_type(), self.key_id)

    def become(self, other: "Signer") -> None:
        """Hold the key of ``other`` from now on: the stream goes on under it."""
        vars(self).update(vars(other))  # At once: another thread may read the key's id.

    def private_pem(self) -> bytes:
        """Return the private key as PKCS #8 PEM, for its file only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign_envelope(self, envelope: Envelope) -> bytes:
        """Return ``envelope`` as the COSE_Sign1 message that travels."""
        payload = envelope_format.encode_payload(envelope)
        signature = self._key.sign(bytes_to_sign(self._protected, payload))
        return encode_sign1(self._protected, payload, signature)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``, which says for itself what it is for."""
        return self._key.sign(text)


def new_signer() -> Signer:
    """Return a signer with a new key, which is in no file yet."""
    return Signer(Ed25519PrivateKey.generate())
