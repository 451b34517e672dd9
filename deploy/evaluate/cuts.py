"""The moments at which time alone may change what is decided: when sensors fall silent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.surveillance import (
    GAPS_WITHOUT_GOOD_MAX,
    LOST_GRAVE_US,
)
from backend.collateral.types import Health, SensorKey
from backend.ids import ChannelId
from backend.telemetry.types import EventRow
from deploy.evaluate.registry import MAX_GAP_S
from deploy.evaluate.reported import Reported
from deploy.evaluate.tables import Channels
from schemas.quantities import EventType, Quantity

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]

SECOND_US: Final = 1_000_000
# Of these a sensor that talks is still of no use without a good one.
_NEEDED: Final = (Quantity.MASS, Quantity.LATITUDE, Quantity.TEMPERATURE, Quantity.HUMIDITY)
_NOTHING: Final = np.empty(0, dtype=np.int32)


@dataclass(slots=True)
class Cuts:
    """When each sensor was heard last, and said something good last.

    ``gaps_s`` are how long each sensor may be silent.
    """

    channels: Channels
    gaps_s: Mapping[SensorKey, int]
    _heard_us: dict[tuple[SensorKey, Quantity | None], int] = field(
        default_factory=dict[tuple[SensorKey, Quantity | None], int]
    )

    def find(self, part: Reported, after_us: int, until_us: int) -> dict[SensorKey, set[int]]:
        """Return the moments within a span by sensor, for what one gateway sent in just it."""
        made_us, arrival_us = part.envelopes.made_us, part.envelopes.arrival_us
        spoken = self._spoken(part)
        known = {key for key in self._heard_us if key[0][0] == part.gateway}
        cuts: dict[SensorKey, set[int]] = {}
        for key in {*spoken, *known}:
            envelopes = spoken.get(key, _NOTHING)
            last = self._heard_us.get(key)
            made = made_us[envelopes]
            gap_us = self.gaps_s.get(key[0], MAX_GAP_S) * SECOND_US
            spans = (gap_us, LOST_GRAVE_US)
            if key[1] is not None:
                spans = (gap_us * GAPS_WITHOUT_GOOD_MAX,)
            found = _silences(made, arrival_us[envelopes], last, spans, (after_us, until_us))
            if found:
                cuts.setdefault(key[0], set()).update(found)
            if len(made):
                self._heard_us[key] = max(int(made.max()), last or 0)
        for event in part.events:
            if _is_news(event):
                ref = self.channels.refs[event.channel]
                at_us = int(arrival_us[event.envelope])
                cuts.setdefault((ref.gateway, ref.sensor), set()).update(
                    (at_us - SECOND_US, at_us)
                )
        inside = {
            key: {cut for cut in found if after_us < cut < until_us} for key, found in cuts.items()
        }
        return {key: found for key, found in inside.items() if found}

    def _spoken(self, part: Reported) -> dict[tuple[SensorKey, Quantity | None], Int32s]:
        """Return in which envelopes each sensor spoke, in order, and said something good."""
        values = part.values
        order = np.argsort(values.channel.astype(np.uint16), kind="stable")
        channel, envelope = values.channel[order], values.envelope[order]
        begins = np.flatnonzero(np.diff(channel, prepend=-1))
        ends = np.append(begins, len(channel))[1:].tolist()
        spoken: dict[tuple[SensorKey, Quantity | None], list[Int32s]] = {}
        for begin, end in zip(begins.tolist(), ends, strict=True):
            ref = self.channels.refs[ChannelId(int(channel[begin]))]
            key = (ref.gateway, ref.sensor)
            mine = envelope[begin:end]
            spoken.setdefault((key, None), []).append(mine)
            if ref.quantity in _NEEDED:
                spoken[key, ref.quantity] = [mine[values.quality[order[begin:end]] == 0]]
        # Of several readings in one envelope the last one counts: none is late after another.
        return {
            key: found[0] if len(found) == 1 else np.sort(np.concatenate(found))
            for key, found in spoken.items()
        }


def _is_news(event: EventRow) -> bool:
    """Return whether an event says that a sensor is lost, which need not be sought then."""
    match event.type:
        case EventType.HEALTH:
            return event.body.get("state") == Health.SILENT.value
        case EventType.CAMERA_STATUS:
            return event.body.get("status") != "online"
        case _:
            return False


def _silences(
    made_us: Int64s,
    arrival_us: Int64s,
    last_us: int | None,
    patiences_us: tuple[int, ...],
    span: tuple[int, int],
) -> set[int]:
    """Return when each silence is as long as it may be, and the second before."""
    if last_us is not None:
        made_us = np.concatenate(([last_us], made_us))
        arrival_us = np.concatenate(([span[0]], arrival_us))
    if not len(made_us):
        return set()
    newest_us = np.maximum.accumulate(made_us)
    next_us = np.concatenate((arrival_us[1:], [span[1]]))
    cuts: set[int] = set()
    for patience_us in patiences_us:
        found_us = -(-(newest_us + patience_us + 1) // SECOND_US) * SECOND_US
        # Of a backlog only the newest reading counts: all of it comes at the same moment.
        silent = (found_us <= next_us) & (next_us > arrival_us)
        for cut in found_us[silent].tolist():
            cuts |= {cut - SECOND_US, cut}
    return cuts
