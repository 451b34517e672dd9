"""What a threshold on each sensor would say of the same readings: the rule to compare with.

A tag not read for half a minute is missing; one weight below what is expected is a shortfall; one
fix outside the fence, a relocation; one reading over a limit, damage; every event of tampering is
one. It knows the release orders: what they name is not looked for. One cause is one alert until
it was quiet for as long as a person takes to resolve it, as with our own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from backend.alerts.types import AlertKind, Severity
from backend.collateral.rules.condition import ranges_of
from backend.collateral.rules.lot import setup_of
from backend.collateral.rules.position import places_m, zone_of
from backend.collateral.types import LotSetup, Purpose
from backend.ids import LotId
from deploy.evaluate.alerts import RESOLVE_AFTER_US, Alert
from deploy.evaluate.registry import Registered
from deploy.evaluate.reported import Reported
from deploy.evaluate.tables import Channels, Tags
from firmware_sim.months.types import Order
from schemas.quantities import EventType, Quantity

MISSING_US: Final = 30_000_000
TOLD_MAX: Final = 1_000  # Times that one alert is raised again.
_NEVER: Final = 2**62

Int64s = NDArray[np.int64]
Spans = list[tuple[int, int]]


@dataclass(slots=True)
class Naive:
    """The rule over one site, chunk after chunk."""

    own: Registered
    orders: Sequence[Order]
    channels: Channels
    tags: Tags
    _read_us: dict[int, int] = field(default_factory=dict[int, int])
    _low: dict[str, bool] = field(default_factory=dict[str, bool])
    _spans: dict[tuple[LotId, AlertKind, str], Spans] = field(
        default_factory=lambda: defaultdict[tuple[LotId, AlertKind, str], Spans](list)
    )

    def take(self, parts: Sequence[Reported]) -> None:
        """Look at what the gateways of the site told in one span of time."""
        for lot, row in self.own.lots.items():
            items, bindings = self.own.items[lot], self.own.bindings[lot]
            setup = setup_of(row, items, bindings, self.own.readers)
            self._missing(setup, parts)
            for binding in setup.bindings:
                part = next((p for p in parts if p.gateway == binding.gateway), None)
                if part is None:
                    continue
                match binding.purpose:
                    case Purpose.LOAD:
                        self._weigh(setup, part, binding.sensor, binding.tolerance_mass_g)
                    case Purpose.CONDITION:
                        self._limits(setup, part, binding.sensor)
                    case Purpose.POSITION:
                        self._fence(setup, part, binding.sensor)
                    case Purpose.CAMERA | Purpose.DOOR:
                        self._tampered(setup, part, binding.sensor)
                    case Purpose.PRESENCE:
                        pass

    def alerts(self, ends_us: int) -> list[Alert]:
        """Return what it found, when the run ends then."""
        for lot, rows in self.own.items.items():
            for row in rows:
                place = int(self.tags.places([row["epc"]])[0])
                last_us = self._read_us.get(place)
                if last_us is not None and ends_us - last_us > MISSING_US:
                    self._note(lot, AlertKind.SHORTFALL, row["name"], [last_us + MISSING_US])
        return [
            alert
            for (lot, kind, cause), spans in self._spans.items()
            for alert in _alerts(lot, kind, cause, spans)
        ]

    def _missing(self, setup: LotSetup, parts: Sequence[Reported]) -> None:
        homes = {
            (binding.gateway, binding.sensor): self.channels.id_of(
                binding.gateway, binding.sensor, None
            )
            for binding in setup.bound(Purpose.PRESENCE)
        }
        tags: list[NDArray[np.int32]] = []
        times: list[Int64s] = []
        for part in parts:
            mine = [channel for key, channel in homes.items() if key[0] == part.gateway]
            rows = np.isin(part.sightings.channel, mine)
            tags.append(part.sightings.tag[rows])
            times.append(part.sightings.true_us[rows])
        if not tags:
            return
        tag, read_us = np.concatenate(tags), np.concatenate(times)
        order = np.lexsort((read_us, tag))
        tag, read_us = tag[order], read_us[order]
        for item in setup.items:
            place = int(self.tags.places([item.epc])[0])
            first, end = np.searchsorted(tag, (place, place + 1)).tolist()
            if first == end:
                continue
            last_us = self._read_us.get(place)
            start = [] if last_us is None else [last_us]
            seen_us = np.concatenate((np.array(start, dtype=np.int64), read_us[first:end]))
            self._read_us[place] = int(seen_us[-1])
            silent = np.flatnonzero(np.diff(seen_us) > MISSING_US)
            found_us = (seen_us[silent] + MISSING_US).tolist()
            released = self._released_us(item.epc)
            self._note(
                setup.id,
                AlertKind.SHORTFALL,
                item.name,
                [at for at in found_us if at < released],
                (seen_us[silent + 1]).tolist(),
            )

    def _weigh(self, setup: LotSetup, part: Reported, sensor: str, tolerance_g: int) -> None:
        at_us, value = self._good(part, sensor, Quantity.MASS)
        expected_g = np.full(len(at_us), float(sum(item.gross_mass_g for item in setup.items)))
        for item in setup.items:
            expected_g[at_us >= self._released_us(item.epc)] -= item.gross_mass_g
        low = value < expected_g - tolerance_g
        self._crossings(setup.id, AlertKind.SHORTFALL, sensor, at_us, low)

    def _limits(self, setup: LotSetup, part: Reported, sensor: str) -> None:
        for quantity, allowed in ranges_of(setup.limits).items():
            at_us, value = self._good(part, sensor, quantity)
            over = (value < allowed.least) | (value > allowed.most)
            name = f"{sensor}/{quantity.value}"
            self._crossings(setup.id, AlertKind.DAMAGE, name, at_us, over)

    def _fence(self, setup: LotSetup, part: Reported, sensor: str) -> None:
        at_us, lat_deg = self._good(part, sensor, Quantity.LATITUDE)
        other_us, lon_deg = self._good(part, sensor, Quantity.LONGITUDE)
        if len(at_us) == 0 or len(at_us) != len(other_us):
            return
        east_m, north_m = places_m(setup, lat_deg, lon_deg)
        outside = ~shapely.contains_xy(zone_of(setup), east_m, north_m)
        self._crossings(setup.id, AlertKind.RELOCATION, sensor, at_us, outside)

    def _tampered(self, setup: LotSetup, part: Reported, sensor: str) -> None:
        found = [
            int(part.envelopes.arrival_us[event.envelope])
            for event in part.events
            if event.type is EventType.CAMERA_TAMPER
            and event.body.get("active") is not False
            and self.channels.refs[event.channel].sensor == sensor
        ]
        self._note(setup.id, AlertKind.TAMPER, sensor, found, found)

    def _good(
        self, part: Reported, sensor: str, quantity: Quantity
    ) -> tuple[Int64s, NDArray[np.float64]]:
        """Return when good readings of a channel arrived, and what they are."""
        channel = self.channels.id_of(part.gateway, sensor, quantity)
        rows = (part.values.channel == channel) & (part.values.quality == 0)
        arrival_us = part.envelopes.arrival_us[part.values.envelope[rows]]
        return arrival_us, part.values.value[rows]

    def _crossings(
        self, lot: LotId, kind: AlertKind, name: str, at_us: Int64s, bad: NDArray[np.bool_]
    ) -> None:
        """Note each time that a reading begins to be bad, and when the next good one ends it."""
        if len(at_us) == 0:
            return
        key = f"{lot}/{kind.value}/{name}"
        was = np.concatenate(([self._low.get(key, False)], bad[:-1]))
        self._low[key] = bool(bad[-1])
        self._note(lot, kind, name, at_us[bad & ~was].tolist(), at_us[~bad & was].tolist())

    def _note(
        self,
        lot: LotId,
        kind: AlertKind,
        cause: str,
        begins_us: Sequence[int],
        ends_us: Sequence[int] = (),
    ) -> None:
        if begins_us or ends_us:
            spans = self._spans[lot, kind, cause]
            spans += [(at, 1) for at in begins_us]
            spans += [(at, 0) for at in ends_us]

    def _released_us(self, epc: bytes) -> int:
        """Return from when on an order lets an item go."""
        name = epc.hex()
        times = [
            order.from_us
            for order in self.orders
            if name in {item.lower() for item in order.items}
        ]
        return min(times, default=_NEVER)


def _alerts(lot: LotId, kind: AlertKind, cause: str, spans: Spans) -> list[Alert]:
    """Return the alerts of one cause: what comes back before it is resolved is the same one."""
    found: list[Alert] = []
    ceased_us: int | None = None
    for at_us, begins in sorted(spans):
        if not begins:
            ceased_us = at_us if found else None
            continue
        if found and (ceased_us is None or at_us - ceased_us < RESOLVE_AFTER_US):
            if len(found[-1].told) < TOLD_MAX:
                found[-1].told.append((at_us, Severity.CRITICAL))
        else:
            found.append(
                Alert(
                    cause=f"lot:{lot}:naive:{kind.value}:{cause}",
                    kind=kind,
                    severity=Severity.CRITICAL,
                    summary=f"{cause} is beyond its threshold",
                    lot=lot,
                    gateway=None,
                    told=[(at_us, Severity.CRITICAL)],
                )
            )
        ceased_us = None
    return found
