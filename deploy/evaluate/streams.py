"""How gateways' streams and clocks stand, by the backend's own rules of the chain."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.ids import GatewayId
from backend.ingest.rules.chain import clock_flag
from backend.ingest.types import ClockFlag, StreamFault, StreamHead
from deploy.evaluate.reported import Envelopes, Reported
from schemas.envelope import (
    GENESIS_HASH,
    Clock,
    ClockState,
    Envelope,
    Events,
    Scalars,
    Sightings,
)
from schemas.receipt import StreamState

_BOOT: Final = bytes(16)
_JUMP_US: Final = 1_000_000  # Of base against the true time: the clock was set in between.
_EMPTY: Final = memoryview(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What envelopes changed of streams; ``before`` is what they were."""

    before: Mapping[GatewayId, StreamHead]
    flagged: frozenset[GatewayId]
    faults: tuple[StreamFault, ...]


class Streams:
    """The heads of all gateways' streams."""

    def __init__(self, gateways: Collection[GatewayId]) -> None:
        self._heads = {gateway: new_head(gateway) for gateway in gateways}

    def advance(self, parts: Sequence[Reported]) -> Moved:
        """Follow envelopes; return what changed."""
        before = dict(self._heads)
        faults: list[StreamFault] = []
        for part in parts:
            if len(part.envelopes.number) == 0:
                continue
            head = before[part.gateway]
            after = _follow(head, part.envelopes)
            self._heads[part.gateway] = after
            if after.clock_flag is not head.clock_flag:
                faults.append(
                    StreamFault(
                        gateway=part.gateway,
                        fork=None,
                        clock_flag=after.clock_flag,
                        not_stored=None,
                        at_unix_us=int(part.envelopes.arrival_us[-1]),
                        number=after.number,
                    )
                )
        return Moved(before=before, flagged=self.flagged(), faults=tuple(faults))

    def restore(self, heads: Mapping[GatewayId, StreamHead]) -> None:
        """Go back to what was."""
        self._heads = dict(heads)

    def flagged(self) -> frozenset[GatewayId]:
        """Return the gateways whose clock is not to be believed."""
        return frozenset(g for g, head in self._heads.items() if head.clock_flag is not None)


def _follow(head: StreamHead, envelopes: Envelopes) -> StreamHead:
    """Judge the clock where it may have changed: at the ends, and where it jumped."""
    skew_us = envelopes.made_us - envelopes.base_us
    jumps = np.flatnonzero(np.abs(np.diff(skew_us)) > _JUMP_US)
    places = sorted({0, len(skew_us) - 1, *jumps.tolist(), *(jumps + 1).tolist()})
    flag: ClockFlag | None = head.clock_flag
    for place in places:
        base_us = int(envelopes.base_us[place])
        arrival_us = int(envelopes.arrival_us[place])
        flag = clock_flag(
            head,
            _envelope(head.gateway, base_us, free=bool(envelopes.free[place])),
            arrival_us,
            int(skew_us[place]),
        )
        seen_us = 0 if flag is ClockFlag.IMPLAUSIBLE else base_us
        head = replace(
            head,
            base_unix_us_max=max(head.base_unix_us_max, seen_us),
            number=int(envelopes.number[place]),
            arrival_unix_us=arrival_us,
            clock_flag=flag,
        )
    return head


def new_head(gateway: GatewayId) -> StreamHead:
    """Return the head of a stream of which nothing was heard yet."""
    return StreamHead(
        gateway=gateway,
        public_key=b"",
        key_id=b"",
        number=0,
        sha256=GENESIS_HASH,
        readings=0,
        state=StreamState.OPEN,
        base_unix_us_max=0,
        boot_id=None,
        boot_lag_min_us=None,
        arrival_unix_us=None,
        clock_state=0,
        clock_skew_us=0,
        clock_flag=None,
    )


def _envelope(gateway: GatewayId, base_us: int, *, free: bool) -> Envelope:
    """Return the outside of an envelope: what is asked of it is its time."""
    return Envelope(
        gateway=gateway,
        number=1,
        previous_sha256=GENESIS_HASH,
        readings_before=0,
        base_unix_us=base_us,
        clock=Clock(
            state=ClockState.FREE_RUNNING if free else ClockState.NTP,
            boot_id=_BOOT,
            monotonic_us=0,
        ),
        sensors=(),
        scalars=Scalars(sensor=_EMPTY, offset_us=_EMPTY, value=_EMPTY, quality=_EMPTY),
        sightings=Sightings(
            sensor=_EMPTY,
            offset_us=_EMPTY,
            epc_length=_EMPTY,
            epcs=b"",
            antenna=_EMPTY,
            rssi_cdbm=_EMPTY,
            count=_EMPTY,
        ),
        events=Events(sensor=_EMPTY, offset_us=_EMPTY, type=[], body=[], image_sha256=[]),
    )
