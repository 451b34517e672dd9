"""One lot's share of what gateways told: its hours are halved without those of others.

What a lot is depends on the sensors bound to it and on who reads its items' tags, on nothing else
that is told but one thing: when its gateways were heard at all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.series import UNSTABLE
from backend.collateral.rules.sightings import SightKey
from backend.collateral.types import Purpose, SensorKey, Sight
from backend.ids import ChannelId, GatewayId, LotId
from deploy.evaluate.backend import Backend, Books
from deploy.evaluate.reported import Reported, rows_of
from deploy.evaluate.tables import Channels, Tags
from schemas.quantities import EventType

# Events that are no sign of life of the sensor that they are of.
_OF_OTHERS: Final = frozenset({EventType.HEALTH, EventType.GNSS_INTEGRITY})
_NOBODY: Final = -1

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When a gateway was heard: envelopes with a sign of life, by when they arrived."""

    arrival_us: Int64s
    made_us: Int64s

    @classmethod
    def of(cls, part: Reported) -> "Heard":
        """Return when a gateway was heard by what it told."""
        alive = np.zeros(len(part.envelopes.number), dtype=np.bool_)
        alive[part.values.envelope[part.values.quality <= UNSTABLE]] = True
        alive[part.sightings.envelope] = True
        alive[[e.envelope for e in part.events if e.type not in _OF_OTHERS]] = True
        made_us = np.maximum.accumulate(part.envelopes.made_us[alive])
        return cls(arrival_us=part.envelopes.arrival_us[alive], made_us=made_us)

    def until(self, now_us: int) -> int | None:
        """Return when the newest reading was made that arrived by now; None: there is none."""
        place = int(np.searchsorted(self.arrival_us, now_us, side="right"))
        return int(self.made_us[place - 1]) if place else None


class Shares:
    """Which sensors and tags concern which lot."""

    def __init__(self, backend: Backend, channels: Channels, tags: Tags) -> None:
        self._channels = channels
        self._bound: dict[LotId, frozenset[SensorKey]] = {}
        self._watching: dict[LotId, frozenset[GatewayId]] = {}
        self._number: dict[LotId, int] = {}
        lots: list[int] = []
        for site in backend.sites.values():
            for lot in site.lots:
                self._number[lot] = len(self._number)
                rows = site.bindings[lot]
                self._bound[lot] = frozenset((row["gateway_id"], row["sensor"]) for row in rows)
                self._watching[lot] = frozenset(
                    row["gateway_id"] for row in rows if row["purpose"] == Purpose.CAMERA
                )
        places = tags.places(backend.owners).tolist()
        lots = [_NOBODY] * (max(places, default=_NOBODY) + 1)
        for place, item in zip(places, backend.owners.values(), strict=True):
            lots[place] = self._number[backend.lot_of[item]]
        self._lot_of_tag = np.array(lots, dtype=np.int64)

    def cuts_of(self, lot: LotId, cuts: Mapping[SensorKey, Collection[int]]) -> set[int]:
        """Return the moments at which a lot must be looked at: its sensors fall silent.

        A camera is lost with its gateway, which is when that one's other sensors fall silent.
        """
        bound, gateways = self._bound[lot], self._watching[lot]
        return {
            cut
            for key, found in cuts.items()
            if key in bound or key[0] in gateways
            for cut in found
        }

    def of(
        self, lot: LotId, parts: Sequence[Reported], sights: Mapping[SightKey, Sight]
    ) -> list[Reported]:
        """Return what of ``parts`` concerns a lot; the envelopes stay as they are.

        Args:
            lot: whose share.
            parts: what gateways told.
            sights: of its items, before: their readers go on listening.
        """
        reads = [self._reads(lot, part) for part in parts]
        refs = self._channels.refs
        keys = {*self._bound[lot], *(reader for _, reader in sights)}
        for part, rows in zip(parts, reads, strict=True):
            channels = np.unique(part.sightings.channel[rows]).tolist()
            keys |= {(refs[c].gateway, refs[c].sensor) for c in map(ChannelId, channels)}
        mine = np.array([(ref.gateway, ref.sensor) in keys for ref in refs.values()])
        return [
            replace(
                part,
                values=rows_of(part.values, np.flatnonzero(mine[part.values.channel])),
                sightings=rows_of(part.sightings, rows),
                events=tuple(event for event in part.events if mine[event.channel]),
            )
            for part, rows in zip(parts, reads, strict=True)
        ]

    def books_of(self, lot: LotId, books: Books) -> Books:
        """Return books in which readers know no other lot's shelf: none is followed here."""
        own = books.copy()
        name = str(lot)
        for key, state in books.sensors.items():
            if len(state.shelves) > (name in state.shelves):
                shelf = state.shelves.get(name)
                own.sensors[key] = replace(state, shelves={} if shelf is None else {name: shelf})
        return own

    def _reads(self, lot: LotId, part: Reported) -> NDArray[np.intp]:
        tag = part.sightings.tag
        registered = tag < len(self._lot_of_tag)
        owner = self._lot_of_tag[np.where(registered, tag, 0)]
        return np.flatnonzero(registered & (owner == self._number[lot]))
