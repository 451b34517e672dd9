"""What a gateway posts where it may not use MQTT: envelopes, as they are, in one CBOR array.

The array is framing only: each message is signed by itself, and means what it means on its topic.
"""

from collections.abc import Sequence
from typing import Final, cast

import cbor2

from schemas.cose import decode_cbor
from schemas.errors import Malformation, MalformedError

CONTENT_TYPE: Final = "application/cbor"  # RFC 8949, 9.5
POST_MESSAGES_MAX: Final = 16
POST_BYTES_MAX: Final = 1024 * 1024  # Of the whole body; four of the largest envelopes.
FRAME_BYTES_MAX: Final = 5  # Before each message, and before the first (RFC 8949, 3).
POLL_S_MAX: Final = 25.0  # How long a question may wait for news: proxies cut at 30 s and later.


def encode_post(messages: Sequence[bytes]) -> bytes:
    """Return the body that carries ``messages``, in their order."""
    return cbor2.dumps(list(messages))


def decode_post(body: bytes) -> list[bytes]:
    """Return the messages in a body; says nothing about any of them.

    Raises:
        MalformedError: Too long, no array of byte strings, or too many.
    """
    if len(body) > POST_BYTES_MAX:
        raise MalformedError(
            Malformation.OVERSIZED, "body", f"{len(body)} bytes", f"at most {POST_BYTES_MAX} bytes"
        )
    item = decode_cbor(body, "body")
    if not isinstance(item, list):
        raise _bad("something else", "an array")
    items = cast("list[object]", item)
    if len(items) > POST_MESSAGES_MAX:
        raise _bad(f"{len(items)} messages", f"at most {POST_MESSAGES_MAX} messages")
    messages = [each for each in items if isinstance(each, bytes) and each]
    if len(messages) != len(items):
        raise _bad("an item that is none", "an array of byte strings that are not empty")
    return messages


def fitting(sizes: Sequence[int]) -> int:
    """Return how many messages of these sizes, from the first on, fit into one body."""
    used = FRAME_BYTES_MAX
    for count, size in enumerate(sizes[:POST_MESSAGES_MAX]):
        used += FRAME_BYTES_MAX + size
        if used > POST_BYTES_MAX:
            return count
    return min(len(sizes), POST_MESSAGES_MAX)


def _bad(value: object, bound: str) -> MalformedError:
    return MalformedError(Malformation.BAD_FIELD, "body", value, bound)
