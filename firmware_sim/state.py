"""The site as JSON, for a floor plan and for scoring: what the control API shows.

Pure. It tells the truth of the simulated world, which no other program of the system may use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_sim.incidents import Incident
from firmware_sim.plan import Scenario
from firmware_sim.world import World, centre_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One wire of the site as its user sees it."""

    path: str
    listening: bool
    bytes_lost: int


def incident_json(incident: Incident) -> dict[str, object]:
    """Return one incident's label."""
    return {
        "id": incident.id,
        "kind": incident.kind.value,
        "lot": incident.lot,
        "target": incident.target,
        "active": incident.undone_unix_us is None,
        "started_unix_us": incident.started_unix_us,
        "first_bytes_unix_us": incident.first_bytes_unix_us,
        "undone_unix_us": incident.undone_unix_us,
    }


def state_json(
    scenario: Scenario, world: World, active: list[Incident], ports: Mapping[str, Port]
) -> dict[str, object]:
    """Return the whole site."""
    return {
        "scenario": scenario.name,
        "site": scenario.site,
        "origin": {"lat": scenario.origin_lat_deg, "lon": scenario.origin_lon_deg},
        "zones": [
            {"name": z.name, "polygon": [list(p) for p in z.polygon]} for z in scenario.zones
        ],
        "items": [
            {
                "epc": item.epc,
                "lot": item.lot,
                "zone": item.zone,
                "x": round(item.x_m, 2),
                "y": round(item.y_m, 2),
                "present": item.zone is not None,
                "goods": item.goods,
            }
            for item in world.items
        ],
        "sensors": _sensors(scenario, world, ports),
        "links": {name: name not in world.dark_links for name in scenario.gateways()},
        "prices": {name: {"factor": factor} for name, factor in world.price_factors.items()},
        "incidents": [incident_json(incident) for incident in active],
    }


def _sensors(
    scenario: Scenario, world: World, ports: Mapping[str, Port]
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    zones = {zone.name: zone for zone in scenario.zones}
    homes = {lot.name: lot.zone for lot in scenario.lots}

    def add(name: str, kind: str, gateway: str, zone: str, truth: Mapping[str, object]) -> None:
        x_m, y_m = centre_m(zones[zone])
        sensor: dict[str, object] = {"name": name, "kind": kind, "gateway": gateway, "zone": zone}
        sensor |= {"x": x_m, "y": y_m, "cut": name in world.cut_cables, "truth": dict(truth)}
        sensor |= _port(ports.get(name))
        found.append(sensor)

    for reader in scenario.readers:
        truth = {"tags": len(world.tags_in(reader.zone)), "antenna": reader.antenna}
        add(reader.name, "rfid", reader.gateway, reader.zone, truth)
    for platform in (*scenario.scales, *scenario.weighers):
        truth = {"mass_g": world.load_g(platform.lot)}
        add(platform.name, "mass", platform.gateway, homes[platform.lot], truth)
    for climate in scenario.climates:
        air = world.air[climate.zone]
        truth = {"temperature_c": round(air.sensed_c, 2), "humidity_pct": round(air.sensed_pct, 1)}
        add(climate.name, "climate", climate.gateway, climate.zone, truth)
    for shock in scenario.shocks:
        truth = {"peak_g": world.peak_g(shock.zone)}
        add(shock.name, "shock", shock.gateway, shock.zone, truth)
    for door in scenario.doors:
        truth = {"open": world.doors_open_s[door.zone] > 0.0}
        add(door.name, "contact", door.gateway, door.zone, truth)
    for water in scenario.waters:
        add(water.name, "water", water.gateway, water.zone, {"wet": water.zone in world.wet})
    for tracker in scenario.trackers:
        truth = {"x": tracker.x_m, "y": tracker.y_m}
        add(tracker.name, "gnss", tracker.gateway, homes[tracker.lot], truth)
    for camera in scenario.cameras:
        sights = sorted(world.sights.get(camera.name, ()))
        truth = {"covered": camera.name in world.covered, "sights": sights}
        add(camera.name, "camera", camera.gateway, camera.watches[0], truth)
    return found


def _port(port: Port | None) -> dict[str, object]:
    if port is None:
        return {}
    shown = {"path": port.path, "open": port.listening, "bytes_lost": port.bytes_lost}
    return {"port": shown}
