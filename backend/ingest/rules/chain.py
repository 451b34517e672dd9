"""Where a verified envelope stands in its gateway's stream.

Continues the table of examine.py; only from here on may a stream be stopped, because everything
here is under the gateway's own signature:

| # | verdict | because |
| --- | --- | --- |
| 8 | refused: revoked | an operator revoked the gateway |
| 9 | refused: stream_stopped | a fork was seen; only an operator's re-enrolment opens it again |
| 9 | duplicate, or refused: key_closed | of the stream before; held, or its key is over |
| 10 | duplicate | number held already, same bytes |
| 11 | fork | number held already, other bytes |
| 12 | gap | beyond the next number |
| 13 | fork | a digest of envelopes some of which we hold |
| 14 | fork | the next number, but not chained to what we hold |
| 15 | refused: readings_before_mismatch | the next, but it counts other readings than we hold |
| 16 | accepted | |

A digest's number, for 10 and 11, is the last of its run; for 12 to 14 its first. A gateway thins
only what it never sent, so it never comes to 13, nor to 11 with an original of what it thinned;
the head then stands where the last original would have put it, and its successor follows on.
Envelopes of one batch chain within it. Wrong times refuse nothing: they are evidence too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from backend.ids import GatewayId
from backend.ingest.rules.examine import refuse
from backend.ingest.rules.rotation import turn
from backend.ingest.types import (
    Accepted,
    ClockFlag,
    Duplicate,
    Examined,
    Fork,
    Gap,
    Reason,
    Refused,
    StreamHead,
    Verdict,
)
from schemas.digest import Digest
from schemas.envelope import ClockState, Envelope
from schemas.receipt import Receipt, StreamState

STEP_BACK_US: Final = 60_000_000  # A disciplined clock is slewed, or stepped by far less.
FAR_OFF_US: Final = 300_000_000  # Five minutes: no network delay, and no crystal in a month.
BASE_UNIX_US_MIN: Final = 1_577_836_800_000_000  # 2020-01-01: before this software.
AHEAD_US_MAX: Final = 86_400_000_000  # A day: beyond it, the wrong partition of the tables.
# The least lag seen in a boot is let grow by that part of the time passed: crystals drift by
# 20 ppm, and it must not be mistaken for readings that wait in an outbox.
LAG_LEAK: Final = 10_000  # 1 in 10,000: 100 ppm

HeldKey = tuple[GatewayId, bytes, int]
HeldHash = Callable[[GatewayId, bytes, int], bytes | None]


@dataclass(slots=True, kw_only=True)
class Chain:
    """The streams of one batch: heads move on as envelopes are judged in order."""

    heads: dict[GatewayId, StreamHead]
    held: Mapping[HeldKey, bytes]
    fresh: dict[HeldKey, bytes] = field(default_factory=lambda: dict[HeldKey, bytes]())

    def judge(self, examined: Examined) -> Verdict:
        """Return the verdict on the next envelope; moves its stream's head on."""
        head = self.heads[examined.gateway]
        verdict = judge(head, examined, self._hash_of)
        match verdict:
            case Accepted():
                moved, made_us = advance(head, examined)
                if examined.next_key is not None:
                    moved = turn(moved, examined.next_key)
                self.heads[examined.gateway] = moved
                self.fresh[examined.gateway, examined.key_id, examined.envelope.number] = (
                    examined.sha256
                )
                return Accepted(examined, made_us)
            case Fork():
                self.heads[examined.gateway] = replace(head, state=StreamState.STOPPED)
            case _:
                pass
        return verdict

    def _hash_of(self, gateway: GatewayId, key_id: bytes, number: int) -> bytes | None:
        key = gateway, key_id, number
        return self.fresh.get(key) or self.held.get(key)


def judge(head: StreamHead, examined: Examined, hash_of: HeldHash) -> Verdict:
    """Return where ``examined`` stands against ``head``; see the module's table."""
    envelope = examined.envelope
    if head.state is StreamState.STOPPED or head.revoked:
        reason = Reason.REVOKED if head.revoked else Reason.STREAM_STOPPED
        return _refuse(examined, reason, f"stopped at {head.number}")
    held = hash_of(head.gateway, examined.key_id, envelope.number)
    if examined.key_id != head.key_id and held != examined.sha256:
        return _refuse(examined, Reason.KEY_CLOSED, "its key has named the next one, and is over")
    if examined.key_id != head.key_id:
        return Duplicate(examined)
    if envelope.number <= head.number:
        if held == examined.sha256:
            return Duplicate(examined)
        kept = "nothing" if held is None else held.hex()
        return Fork(examined, f"number {envelope.number} is held with other bytes, {kept}")
    return _judge_next(head, examined, envelope)


def _judge_next(head: StreamHead, examined: Examined, envelope: Envelope | Digest) -> Verdict:
    """Return the verdict on what is beyond the head."""
    first = envelope.first_number if isinstance(envelope, Digest) else envelope.number
    if first > head.number + 1:
        return Gap(examined)
    if first <= head.number:
        detail = f"a digest of {first} to {envelope.number}, while {head.number} is held"
        return Fork(examined, detail)
    if envelope.previous_sha256 != head.sha256:
        return Fork(
            examined,
            f"number {first} follows {envelope.previous_sha256.hex()}, "
            f"number {head.number} held is {head.sha256.hex()}",
        )
    if envelope.readings_before != head.readings:
        detail = f"it counts {envelope.readings_before} readings before it, held {head.readings}"
        return _refuse(examined, Reason.READINGS_BEFORE_MISMATCH, detail)
    return Accepted(examined, 0)


def advance(head: StreamHead, examined: Examined) -> tuple[StreamHead, int]:
    """Return the head after an accepted envelope, and when its newest reading was made.

    The time is the backend's: the arrival less what the envelope waited. That wait is what the
    gateway's monotonic clock says beyond the least of this boot, and, where the wall clock is
    disciplined, at least what that one says.
    """
    envelope = examined.envelope
    arrival_us = examined.message.received_unix_us
    span_us = _span_us(envelope)
    skew_us = arrival_us - envelope.base_unix_us - span_us
    since_boot_us = arrival_us - envelope.clock.monotonic_us - span_us
    least_us = since_boot_us
    if head.boot_id == envelope.clock.boot_id and head.boot_lag_min_us is not None:
        passed_us = max(0, arrival_us - (head.arrival_unix_us or arrival_us))
        least_us = min(since_boot_us, head.boot_lag_min_us + passed_us // LAG_LEAK)
    lag_us = since_boot_us - least_us
    flag = clock_flag(head, envelope, arrival_us, skew_us - lag_us)
    if envelope.clock.state is not ClockState.FREE_RUNNING and flag is None:
        lag_us = max(lag_us, skew_us)
    plausible = flag is not ClockFlag.IMPLAUSIBLE
    # Not "replace", which takes thrice as long: every envelope comes through here.
    moved = StreamHead(
        gateway=head.gateway,
        public_key=head.public_key,
        key_id=head.key_id,
        state=head.state,
        number=envelope.number,
        sha256=envelope.last_sha256 if isinstance(envelope, Digest) else examined.sha256,
        readings=head.readings + envelope.readings,
        base_unix_us_max=max(head.base_unix_us_max, envelope.base_unix_us if plausible else 0),
        boot_id=envelope.clock.boot_id,
        boot_lag_min_us=least_us,
        arrival_unix_us=arrival_us,
        clock_state=int(envelope.clock.state),
        clock_skew_us=arrival_us - envelope.base_unix_us,
        clock_flag=flag,
    )
    return moved, arrival_us - max(0, lag_us)


def receipt_of(head: StreamHead, now_unix_us: int) -> Receipt:
    """Return the receipt of a committed stream.

    While nothing under a new key is committed it is that of the stream before: by it the gateway
    learns that its last envelope is committed, and that the new key is its own.
    """
    said = head if head.closed is None or head.number > 0 else head.closed
    return Receipt(
        gateway=head.gateway,
        number=said.number,
        sha256=said.sha256,
        readings=said.readings,
        state=head.state,
        issued_unix_us=now_unix_us,
    )


def clock_flag(
    head: StreamHead, envelope: Envelope | Digest, arrival_us: int, skew_us: int
) -> ClockFlag | None:
    """Return what speaks against the gateway's clock, the worst first.

    Args:
        head: the stream before the envelope.
        envelope: the envelope.
        arrival_us: when it arrived.
        skew_us: arrival less the gateway's time, without what the envelope waited.
    """
    base_us = envelope.base_unix_us
    if base_us < BASE_UNIX_US_MIN or base_us > arrival_us + AHEAD_US_MAX:
        return ClockFlag.IMPLAUSIBLE
    if base_us < head.base_unix_us_max - STEP_BACK_US:
        return ClockFlag.STEPPED_BACK
    free = envelope.clock.state is ClockState.FREE_RUNNING
    if -skew_us > FAR_OFF_US or (free and skew_us > FAR_OFF_US):
        return ClockFlag.FAR_OFF
    return None


def _span_us(envelope: Envelope | Digest) -> int:
    """Return the greatest offset of a reading."""
    return max(
        max(column.tolist(), default=0)  # Faster than the view itself.
        for column in (
            envelope.scalars.offset_us,
            envelope.sightings.offset_us,
            envelope.events.offset_us,
        )
    )


def _refuse(examined: Examined, reason: Reason, detail: str) -> Refused:
    return refuse(examined.message, reason, detail, examined.sha256, examined.envelope.number)
