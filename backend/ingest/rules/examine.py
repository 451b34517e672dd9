"""From bytes on a topic to an envelope under its gateway's signature, or a named refusal.

Checks in order, cheapest first, and each stops at the first that fails:

| # | refused as | because |
| --- | --- | --- |
| 1 | oversized | longer than any envelope may be |
| 2 | not_cbor, not_cose_sign1, wrong_algorithm | not a signed message of our form |
| 3 | topic_mismatch | not an envelope topic, or not this gateway's partition |
| 4 | unknown_gateway | no such gateway is enrolled |
| 5 | wrong_key | it names another key than the enrolled one |
| 6 | bad_signature | the signature is not of the enrolled key |
| 7 | wrong_content_type, unsupported_version, not_cbor, bad_field, bad_column | the payload |
| 8 | gateway_mismatch | the payload speaks for another gateway than the topic |

Nothing refused here can stop a stream: up to 6 anybody could have sent it, and from 7 on it has
no place in the chain.
"""

from hashlib import sha256
from typing import Final

from backend.ids import GatewayId
from backend.ingest.types import Evidence, Examined, Message, Reason, Refused, Verifier
from schemas.cose import decode_sign1
from schemas.digest import decode_digest, is_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, decode_envelope
from schemas.errors import MalformedError
from schemas.topics import up_topic

TOPIC_LEVELS: Final = 5  # pw/1/up/{partition}/{gateway}


def examine(message: Message, verify: Verifier) -> Examined | Refused:
    """Return the envelope or digest in ``message``, its signature verified, or why not."""
    digest = sha256(message.data).digest()
    claimed = gateway_of(message.topic)
    try:
        signed = decode_sign1(message.data, bytes_max=ENVELOPE_BYTES_MAX)
        if claimed is None:
            return refuse(message, Reason.TOPIC_MISMATCH, "no topic of an envelope", digest)
        reason = verify(claimed, signed)
        if reason is not None:
            detail = f"key id {signed.key_id.hex()}"
            return refuse(message, reason, detail, digest)
        envelope = decode_digest(signed) if is_digest(signed) else decode_envelope(signed)
    except MalformedError as error:
        return refuse(message, Reason(error.why.value), str(error), digest)
    if envelope.gateway != claimed:
        detail = f"the envelope says {envelope.gateway}, the topic {claimed}"
        return refuse(message, Reason.GATEWAY_MISMATCH, detail, digest, envelope.number)
    return Examined(
        message=message,
        gateway=claimed,
        key_id=signed.key_id,
        sha256=digest,
        envelope=envelope,
    )


def gateway_of(topic: str) -> GatewayId | None:
    """Return the gateway that may publish on ``topic``; None: no envelope topic of any."""
    levels = topic.split("/")
    if len(levels) != TOPIC_LEVELS or up_topic(levels[-1]) != topic:
        return None
    return GatewayId(levels[-1])


def refuse(
    message: Message,
    reason: Reason,
    detail: str,
    digest: bytes | None = None,
    number: int | None = None,
) -> Refused:
    """Return the refusal of ``message``, with what it claims."""
    return Refused(
        Evidence(
            message=message,
            sha256=digest or sha256(message.data).digest(),
            gateway=gateway_of(message.topic),
            number=number,
            reason=reason,
            detail=detail,
        )
    )
