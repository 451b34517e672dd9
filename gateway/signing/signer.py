"""The gateway's Ed25519 key: made once, used to seal envelopes."""

from gateway.signing import ed25519
from gateway.signing.holder import FileHolder, KeyHolder
from schemas import envelope as envelope_format
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.envelope import Envelope
from schemas.keys import key_id_of


class Signer:
    """Gives out the public key and signed envelopes; who holds the private one is its holder."""

    def __init__(self, key: ed25519.PrivateKey | KeyHolder) -> None:
        holder = FileHolder(key) if isinstance(key, ed25519.PrivateKey) else key
        self.holder: KeyHolder = holder
        self.public_key = holder.public_key
        self.key_id = key_id_of(self.public_key)
        self._protected = encode_protected(envelope_format.content_type(), self.key_id)

    def become(self, other: "Signer") -> None:
        """Hold the key of ``other`` from now on: the stream goes on under it."""
        vars(self).update(vars(other))  # At once: another thread may read the key's id.

    @property
    def ready(self) -> bool:
        """Whether it is worth asking for a signature now; a token may be out."""
        return self.holder.ready

    @property
    def fault(self) -> str:
        """Why there was no signature the last time; empty: there was."""
        return self.holder.fault

    def sign_envelope(self, envelope: Envelope, sensor_rows: bytes | None = None) -> bytes:
        """Return ``envelope`` as the COSE_Sign1 message that travels.

        ``sensor_rows`` is the encoding of its sensor table, where that is known.

        Raises:
            UnavailableError: The key's holder cannot sign now.
        """
        payload = envelope_format.encode_payload(envelope, sensor_rows)
        signature = self.holder.sign(bytes_to_sign(self._protected, payload))
        return encode_sign1(self._protected, payload, signature)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``, which says for itself what it is for.

        Raises:
            UnavailableError: The key's holder cannot sign now.
        """
        return self.holder.sign(text)


def new_signer() -> Signer:
    """Return a signer with a new key, which is in no file yet."""
    return Signer(ed25519.generate())
