"""Digests of a gateway double's envelopes, as a real gateway would make them."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from backend.ingest.types import Message
from gateway.digest import Part, thin_run
from gateway.outbox.thinning import decode_message
from schemas.digest import content_type, encode_payload
from tests.gateway_double import GatewayDouble


def digest_of(
    gateway: GatewayDouble,
    run: Sequence[Message],
    **changes: Any,  # noqa: ANN401 - any of the digest's fields
) -> Message:
    """Return the digest of a run of envelopes, arriving with its last; ``changes`` as in seal."""
    parts = [
        Part(message=decode_message(message.data), sha256=sha256(message.data).digest())
        for message in run
    ]
    thinned = thin_run(parts)
    assert thinned is not None
    digest, count = thinned
    assert count == len(run), "the run fits one digest"
    signed = gateway.sign(encode_payload(replace(digest, **changes)), kind=content_type())
    return replace(signed, received_unix_us=run[-1].received_unix_us)
