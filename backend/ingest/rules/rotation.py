"""The event in which a gateway names its next key: the last word under the present one."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import cast

import cbor2

from backend.ingest.rules.examine import refuse
from backend.ingest.types import (
    ClosedStream,
    Examined,
    NamedKey,
    Reason,
    Refused,
    StreamHead,
)
from schemas.cose import SIGNATURE_BYTES
from schemas.envelope import GENESIS_HASH
from schemas.keys import PUBLIC_KEY_BYTES, key_id_of
from schemas.quantities import EventType
from schemas.rotation import proof_text

NO_KEY_NAMED = "key_rotated is not the envelope's one last event, or names no key with its proof"


def names_key(examined: Examined) -> bool:
    """Return whether an envelope names a next key, well or badly."""
    return EventType.KEY_ROTATED in examined.envelope.events.type


def named_key(examined: Examined) -> NamedKey | None:
    """Return the next key that an envelope names, and what proves it; None: it does so badly."""
    events = examined.envelope.events
    if events.type[-1] is not EventType.KEY_ROTATED:
        return None
    if list(events.type).count(EventType.KEY_ROTATED) > 1:
        return None
    body = cast("Mapping[str, object]", cbor2.loads(events.body[-1]))
    public_key, proof = body.get("public_key"), body.get("proof")
    if not isinstance(public_key, bytes) or len(public_key) != PUBLIC_KEY_BYTES:
        return None
    if not isinstance(proof, bytes) or len(proof) != SIGNATURE_BYTES:
        return None
    text = proof_text(examined.gateway, examined.key_id, public_key)
    return NamedKey(public_key=public_key, proof=proof, text=text)


def with_next_key(
    examined: Examined, named: NamedKey | None, good: Collection[NamedKey]
) -> Examined | Refused:
    """Return an envelope with the key that it hands over to; refused if that is not ``good``."""
    if named is None or named not in good:
        number = examined.envelope.number
        return refuse(examined.message, Reason.BAD_ROTATION, NO_KEY_NAMED, examined.sha256, number)
    return replace(examined, next_key=named.public_key)


def turn(head: StreamHead, public_key: bytes) -> StreamHead:
    """Return the head after the last envelope under a key: a new stream, under the next one."""
    return replace(
        head,
        public_key=public_key,
        key_id=key_id_of(public_key),
        number=0,
        sha256=GENESIS_HASH,
        readings=0,
        closed=ClosedStream(
            public_key=head.public_key,
            key_id=head.key_id,
            number=head.number,
            sha256=head.sha256,
            readings=head.readings,
        ),
    )
