"""A simulated site as the backend would have it registered: rows, as its store returns them.

The same registration as ``deploy.seed`` makes over HTTP, with the patience of a real site instead
of a demonstration's. Ids follow from the names, so that a run can be repeated.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from backend.collateral.types import Place, Purpose, SensorKey
from backend.ids import BindingId, GatewayId, ItemId, LotId, SiteId, ZoneId
from deploy.seed import TAKEN_ITEM_SHARE
from firmware_sim.plan import LotPlan, Scenario

Row = Mapping[str, Any]

MAX_GAP_S: Final = 15  # The defaults of a binding: what a real site has.
MISSING_AFTER_S: Final = 10
CAMERA_GAP_S: Final = 60
# A sensor that is asked seldom may miss an answer or two before it counts as lost.
GAP_PERIODS: Final = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What is registered of one site; everything by lot."""

    site: str
    names: Mapping[LotId, str]
    lots: Mapping[LotId, Row]
    items: Mapping[LotId, Sequence[Row]]
    bindings: Mapping[LotId, Sequence[Row]]
    owners: Mapping[bytes, ItemId]
    lot_of: Mapping[ItemId, LotId]
    readers: Mapping[SensorKey, frozenset[ZoneId]]
    places: Mapping[ZoneId, Place]
    sensors: frozenset[str]
    gaps_s: Mapping[SensorKey, int]

    def lot_named(self, name: str) -> LotId:
        """Return the lot called ``name``, which must exist."""
        return next(lot for lot, own in self.names.items() if own == name)


def id_of(*parts: str) -> UUID:
    """Return the id that goes with a name."""
    return uuid5(NAMESPACE_URL, "/".join(parts))


def register(scenario: Scenario) -> Registered:
    """Return a site as it is registered."""
    site = scenario.site
    lots = {LotId(id_of(site, "lot", lot.name)): lot for lot in scenario.lots}
    zones = {zone.name: ZoneId(id_of(site, "zone", zone.name)) for zone in scenario.zones}
    bindings = _bindings(scenario, site, zones)
    readers: dict[SensorKey, set[ZoneId]] = defaultdict(set)
    for row in bindings:
        if row["purpose"] == Purpose.PRESENCE:
            readers[row["gateway_id"], row["sensor"]].add(row["zone_id"])
    items = {lot_id: _items(lot, site) for lot_id, lot in lots.items()}
    return Registered(
        site=site,
        names={lot_id: lot.name for lot_id, lot in lots.items()},
        lots={lot_id: _lot(lot_id, lot, scenario, zones) for lot_id, lot in lots.items()},
        items=items,
        bindings={
            lot_id: [
                row
                for row in bindings
                if row["lot_id"] == lot_id
                or (row["lot_id"] is None and row["zone_id"] == zones[lot.zone])
            ]
            for lot_id, lot in lots.items()
        },
        owners={row["epc"]: row["id"] for rows in items.values() for row in rows},
        lot_of={row["id"]: lot_id for lot_id, rows in items.items() for row in rows},
        readers={key: frozenset(found) for key, found in readers.items()},
        places={
            zone_id: Place(
                name=name,
                kind="dock" if name == scenario.dock else "storage",
                site_id=SiteId(id_of(site)),
                lat_deg=scenario.origin_lat_deg,
                lon_deg=scenario.origin_lon_deg,
            )
            for name, zone_id in zones.items()
        },
        sensors=frozenset(row["sensor"] for row in bindings),
        gaps_s={(row["gateway_id"], row["sensor"]): row["max_gap_s"] for row in bindings},
    )


def _lot(lot_id: LotId, lot: LotPlan, scenario: Scenario, zones: Mapping[str, ZoneId]) -> Row:
    zone = next(zone for zone in scenario.zones if zone.name == lot.zone)
    return {
        "id": lot_id,
        "name": lot.name,
        "zone_id": zones[lot.zone],
        "pledged_mass_g": sum(item.net_g for item in lot.items),
        "polygon_m": [list(point) for point in zone.polygon],
        "origin_lat_deg": scenario.origin_lat_deg,
        "origin_lon_deg": scenario.origin_lon_deg,
        "temperature_min_c": lot.limits.temperature_min_c,
        "temperature_max_c": lot.limits.temperature_max_c,
        "temperature_dwell_s": lot.limits.temperature_dwell_s,
        "humidity_max_pct": lot.limits.humidity_max_pct,
        "shock_max_g0": lot.limits.shock_max_g0,
    }


def _items(lot: LotPlan, site: str) -> list[Row]:
    return [
        {
            "id": ItemId(id_of(site, "item", item.epc.lower())),
            "name": f"{lot.name}-{number:02d}",
            "epc": bytes.fromhex(item.epc),
            "net_mass_g": item.net_g,
            "tare_mass_g": item.tare_g,
        }
        for number, item in enumerate(lot.items, 1)
    ]


def _bindings(scenario: Scenario, site: str, zones: Mapping[str, ZoneId]) -> list[Row]:
    rows = _bound(scenario)
    asked = (*scenario.weighers, *scenario.climates, *scenario.shocks, *scenario.doors)
    periods_s = {plan.name: plan.period_s for plan in (*asked, *scenario.waters)}
    return [
        {
            "id": BindingId(number),
            "gateway_id": GatewayId(gateway),
            "sensor": sensor,
            "purpose": purpose,
            "zone_id": zones[zone],
            "lot_id": None if lot is None else LotId(id_of(site, "lot", lot)),
            "tare_mass_g": 0,
            "tolerance_mass_g": tolerance_g,
            "max_gap_s": _gap_s(purpose, periods_s.get(sensor, 0.0)),
            "missing_after_s": MISSING_AFTER_S,
        }
        for number, (gateway, sensor, purpose, zone, lot, tolerance_g) in enumerate(rows, 1)
    ]


def _gap_s(purpose: Purpose, period_s: float) -> int:
    """Return how long a sensor may be silent before it counts as lost."""
    if purpose is Purpose.CAMERA:
        return CAMERA_GAP_S
    return max(MAX_GAP_S, ceil(GAP_PERIODS * period_s))


def _bound(scenario: Scenario) -> Iterator[tuple[str, str, Purpose, str, str | None, int]]:
    """Yield gateway, sensor, purpose, zone, lot and tolerance of every binding."""
    for reader in scenario.readers:
        yield reader.gateway, reader.name, Purpose.PRESENCE, reader.zone, None, 0
    for platform in (*scenario.scales, *scenario.weighers):
        lot = scenario.lot(platform.lot)
        tolerance_g = min(item.net_g for item in lot.items) // TAKEN_ITEM_SHARE
        yield platform.gateway, platform.name, Purpose.LOAD, lot.zone, lot.name, tolerance_g
    for plan in (*scenario.climates, *scenario.shocks, *scenario.waters):
        yield plan.gateway, plan.name, Purpose.CONDITION, plan.zone, None, 0
    for door in scenario.doors:
        yield door.gateway, door.name, Purpose.DOOR, door.zone, None, 0
    for tracker in scenario.trackers:
        zone = scenario.lot(tracker.lot).zone
        yield tracker.gateway, tracker.name, Purpose.POSITION, zone, tracker.lot, 0
    for camera in scenario.cameras:
        for sensor in (camera.name, f"{camera.name}-view", f"{camera.name}-image"):
            for zone in camera.watches:
                yield camera.gateway, sensor, Purpose.CAMERA, zone, None, 0
