"""Makes messages that the codecs would never make, each signed as if it were in order."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas import command, digest, envelope, receipt
from schemas.cose import bytes_to_sign, encode_sign1
from schemas.keys import key_id_of
from tests.conformance.vectors import (
    Json,
    command_from,
    digest_from,
    envelope_from,
    receipt_from,
)

EDDSA = -8


@dataclass(frozen=True, slots=True)
class Case:
    """A message that is refused: for which reason, at which field."""

    name: str
    message: bytes
    why: str
    field: str
    about: str = ""
    zero_bytes_appended: int = 0


class Forge:
    """A key, a content type, and a valid payload to deviate from."""

    def __init__(self, owner: str, content_type: str, content: Json) -> None:
        self.seed = sha256(f"pledgewatch test vectors, {owner}".encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)
        self._content_type = content_type
        self.content = content

    def payload(self, content: Json | None = None) -> bytes:
        """Return the payload that says ``content``."""
        said = self.content if content is None else content
        if self._content_type == receipt.content_type():
            return receipt.encode_payload(receipt_from(said))
        if self._content_type == command.content_type():
            return command.encode_payload(command_from(said))
        if self._content_type == digest.content_type():
            return digest.encode_payload(digest_from(said))
        return envelope.encode_payload(envelope_from(said))

    def of(self, content: Json) -> bytes:
        """Return the signed message that says ``content``."""
        return self.message(self.payload(content))

    def message(self, payload: bytes, protected: bytes | None = None) -> bytes:
        """Return ``payload`` signed, under the right header or ``protected``."""
        header = self._header({}) if protected is None else protected
        signature = self._key.sign(bytes_to_sign(header, payload))
        return encode_sign1(header, payload, signature)

    def headed(self, labels: dict[int, Any], *, without: int | None = None) -> bytes:
        """Return the valid payload under a header changed in ``labels``."""
        return self.message(self.payload(), self._header(labels, without))

    def parts(
        self,
        payload: bytes,
        *,
        unprotected: dict[int, Any] | None = None,
        cut: int = 0,
        extra: list[Any] | None = None,
    ) -> bytes:
        """Return the message with other unprotected labels, a cut signature or more parts."""
        header = self._header({})
        signature = self._key.sign(bytes_to_sign(header, payload))
        parts = [header, unprotected or {}, payload, signature[: len(signature) - cut]]
        return cbor2.dumps(cbor2.CBORTag(18, [*parts, *(extra or [])]))

    def with_fields(
        self, change: Callable[[list[Any]], list[Any]], content: Json | None = None
    ) -> bytes:
        """Return the signed message whose payload array went through ``change``."""
        return self.message(cbor2.dumps(change(cbor2.loads(self.payload(content)))))

    def changed(self, index: int, item: object) -> bytes:
        """Return the signed message whose payload field ``index`` is ``item``."""
        return self.with_fields(lambda fields: [*fields[:index], item, *fields[index + 1 :]])

    def _header(self, labels: dict[int, Any], without: int | None = None) -> bytes:
        header = {1: EDDSA, 3: self._content_type, 4: self.key_id} | labels
        header.pop(without or 0, None)
        return cbor2.dumps(header, canonical=True)
