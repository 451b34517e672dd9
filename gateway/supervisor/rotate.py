"""How a rotation begins: the next key, the reading that names it, and why it may have to wait."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from gateway.clock import SystemClock
from gateway.control.status import Rotating
from gateway.errors import StateError, UnavailableError
from gateway.outbox.identity import next_signer
from gateway.outbox.rotation import RotationOutcome
from gateway.outbox.writer import Outbox
from gateway.reading import GATEWAY_SENSOR, ClockSegment, EventReading
from gateway.signing import Signer, Token
from schemas.bodies import encode_body
from schemas.quantities import EventType
from schemas.rotation import proof_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnParts:
    """What beginning a rotation needs of the running gateway."""

    gateway: str
    state_dir: Path
    signer: Signer
    outbox: Outbox
    clock: SystemClock
    token: Token | None


async def begin_to_turn(parts: TurnParts, segment: ClockSegment) -> Rotating:
    """Make the next key, if there is none yet, and seal the reading that names it.

    Raises:
        GatewayError: It cannot begin now.
    """
    following = await asyncio.to_thread(next_signer, parts.state_dir, parts.token)
    named = await asyncio.to_thread(
        naming_event, parts.gateway, parts.signer, following, parts.clock
    )
    outcome = await asyncio.wrap_future(
        parts.outbox.run(lambda store: store.begin_rotation(segment, named, following.key_id))
    )
    check_begun(outcome)
    return Rotating(key_id=following.key_id.hex(), public_key=following.public_key.hex())


def naming_event(
    gateway: str, present: Signer, following: Signer, clock: SystemClock
) -> EventReading:
    """Return the last reading under the present key: the next key, and that it is held here.

    Raises:
        UnavailableError: The next key's holder cannot sign now.
    """
    text = proof_text(gateway, present.key_id, following.public_key)
    body = {"public_key": following.public_key, "proof": following.sign(text)}
    return EventReading(
        sensor=GATEWAY_SENSOR,
        time_unix_us=clock.unix_us(),
        type=EventType.KEY_ROTATED,
        body=encode_body(body),
    )


def check_begun(outcome: RotationOutcome) -> None:
    """Check that a rotation is under way.

    Raises:
        UnavailableError: Not now; later it may be.
        StateError: There is no room for it.
    """
    match outcome:
        case RotationOutcome.BEGUN | RotationOutcome.PENDING:
            return
        case RotationOutcome.HEAD_UNKNOWN:
            raise UnavailableError("rotate: the stream waits for the backend's receipt; try later")
        case RotationOutcome.FULL:
            raise StateError("rotate: the outbox has no room; try when it was sent")
        case _:
            assert_never(outcome)
