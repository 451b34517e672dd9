"""Configuration files for the gateways of a simulated site.

What an installer would write by hand after wiring: which port, family and Modbus unit each sensor
has. Register addresses are those of the transmitters' manuals, as a Modbus request carries them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.plan import GnssForm, ReaderForm, ScaleForm, Scenario

_SCALE_FAMILIES = {
    ScaleForm.TSCALE: "scale-tscale",
    ScaleForm.AD: "scale-ad",
    ScaleForm.OHAUS: "scale-ohaus",
    ScaleForm.SICS: "scale-sics",
}
_READER_FAMILIES = {
    ReaderForm.YRM100: "rfid-yrm100",
    ReaderForm.YR903: "rfid-yr903",
    ReaderForm.CHAFON_18: "rfid-chafon",
    ReaderForm.CHAFON_288: "rfid-chafon",
}
HEARTBEAT_S = 1.5  # Every second round of a reader: half of what makes a tag missing.
CHANGES_LATE_S = 86_400.0  # A sensor that only tells of changes may be quiet for a day.
POLL_S = 0.1  # A person watching the demo should see it at once; a site needs no such haste.

Table = dict[str, Any]
SNAPSHOT_EVERY_S = 5  # Half of the default: nobody is to wait for a demo.


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePorts:
    """Where the simulator's devices are: a folder of serial ports, TCP ports on loopback."""

    device_dir: Path
    modbus_tcp: int
    gpsd: dict[str, int]
    llrp: dict[str, int]
    snapshots: dict[str, int]
    links: dict[str, int]
    broker: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBroker:
    """The login to the site's own MQTT broker, where the cameras publish."""

    username: str
    password: str


def write_gateway_file(
    path: Path, name: str, scenario: Scenario, ports: SitePorts, local: LocalBroker
) -> None:
    """Write the configuration of gateway ``name`` to ``path``; its state lies beside the file.

    Broker login and the backend's key are not in it: enrolment stores them in the state folder.
    """
    tables: list[tuple[str, Table]] = [
        ("[gateway]", {"id": name, "state_dir": str(path.parent / name)}),
        ("[uplink]", {"url": f"mqtt://127.0.0.1:{ports.links[name]}"}),
        *_serial(name, scenario, ports.device_dir),
        *_gpsd(name, scenario, ports.gpsd),
        *_llrp(name, scenario, ports.llrp),
        *_modbus_rtu(name, scenario, ports.device_dir),
        *_modbus_tcp(name, scenario, ports.modbus_tcp),
        *_cameras(name, scenario, ports.broker, local),
        *_snapshots(name, scenario, ports.snapshots),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(_toml(header, table) for header, table in tables), encoding="utf-8")


def _serial(name: str, scenario: Scenario, devices: Path) -> list[tuple[str, Table]]:
    rows: list[Table] = [
        {
            "sensor": reader.name,
            "family": _READER_FAMILIES[reader.form],
            "baud": 115_200,
            "heartbeat_s": HEARTBEAT_S,
        }
        for reader in scenario.readers
        if reader.gateway == name and reader.form is not ReaderForm.LLRP
    ]
    rows += [
        {"sensor": scale.name, "family": _SCALE_FAMILIES[scale.form], "deadband": 500.0}
        for scale in scenario.scales
        if scale.gateway == name
    ]
    rows += [
        {"sensor": tracker.name, "family": tracker.form.value}
        for tracker in scenario.trackers
        if tracker.gateway == name and tracker.form is not GnssForm.GPSD
    ]
    return [("[[serial]]", {**row, "port": str(devices / row["sensor"])}) for row in rows]


def _gpsd(name: str, scenario: Scenario, ports: dict[str, int]) -> list[tuple[str, Table]]:
    return [
        ("[[gpsd]]", {"sensor": tracker.name, "url": f"tcp://127.0.0.1:{ports[tracker.name]}"})
        for tracker in scenario.trackers
        if tracker.gateway == name and tracker.form is GnssForm.GPSD
    ]


def _llrp(name: str, scenario: Scenario, ports: dict[str, int]) -> list[tuple[str, Table]]:
    tables: list[tuple[str, Table]] = []
    for device, port in ports.items():
        own = [r for r in scenario.readers if (r.gateway, r.device) == (name, device)]
        if not own:
            continue
        numbers = [reader.antenna for reader in own]
        row = {"sensor": device, "url": f"tcp://127.0.0.1:{port}", "antennas": numbers}
        tables.append(("[[llrp]]", row | {"heartbeat_s": HEARTBEAT_S}))
        tables += [
            ("[[llrp.antenna]]", {"number": reader.antenna, "sensor": reader.name})
            for reader in own
        ]
    return tables


def _modbus_rtu(name: str, scenario: Scenario, devices: Path) -> list[tuple[str, Table]]:
    tables: list[tuple[str, Table]] = []
    for weigher in scenario.weighers:
        if weigher.gateway != name:
            continue
        # Laumas TLU family: gross at 40008-40009, int32 high word first, in kilograms.
        mass = {"sensor": weigher.name, "quantity": "mass", "table": "holding", "address": 7}
        mass |= {"type": "int32", "order": "ABCD", "scale": 1000.0, "deadband": 500.0}
        bus = {"name": weigher.name, "port": str(devices / weigher.name), "baud": 9600}
        tables.append(("[[modbus]]", bus))
        tables.append(("[[modbus.unit]]", {"unit": weigher.unit, "poll_s": POLL_S}))
        tables.append(("[[modbus.unit.register]]", mass))
    return tables


def _modbus_tcp(name: str, scenario: Scenario, port: int) -> list[tuple[str, Table]]:
    units: list[tuple[int, list[Table]]] = []
    for climate in scenario.climates:
        if climate.gateway == name:
            # XY-MD02: input registers 1 and 2, tenths of a degree and of a percent.
            shared: Table = {"sensor": climate.name, "table": "input", "scale": 0.1}
            warm = shared | {"quantity": "temperature", "address": 1, "type": "int16"}
            damp = shared | {"quantity": "humidity", "address": 2, "type": "uint16"}
            rows = [warm | {"deadband": 0.2}, damp | {"deadband": 1.0}]
            units.append((climate.unit, rows))
    for shock in scenario.shocks:
        if shock.gateway == name:
            row = {"sensor": shock.name, "quantity": "shock", "table": "input", "address": 0}
            units.append((shock.unit, [row | {"type": "uint16", "scale": 0.001, "deadband": 0.1}]))
    contacts = [(door, "contact") for door in scenario.doors]
    for plan, quantity in (*contacts, *((water, "water") for water in scenario.waters)):
        if plan.gateway == name:
            row = {"sensor": plan.name, "quantity": quantity, "table": "discrete", "address": 0}
            units.append((plan.unit, [row | {"type": "bit"}]))
    if not units:
        return []
    bus = {"name": f"{name}-tcp", "url": f"tcp://127.0.0.1:{port}"}
    tables: list[tuple[str, Table]] = [("[[modbus]]", bus)]
    for unit, rows in units:
        tables.append(("[[modbus.unit]]", {"unit": unit, "poll_s": POLL_S}))
        tables += [("[[modbus.unit.register]]", row) for row in rows]
    return tables


def _cameras(
    name: str, scenario: Scenario, port: int, local: LocalBroker
) -> list[tuple[str, Table]]:
    tables: list[tuple[str, Table]] = []
    for camera in scenario.cameras:
        if camera.gateway != name:
            continue
        shared: Table = {"url": f"mqtt://127.0.0.1:{port}", "camera": camera.camera}
        shared |= {"username": local.username, "password": local.password}
        seen = {"sensor": camera.name, "family": "frigate"}
        # ONVIF tells only of changes; that the camera lives, Frigate says.
        view = {"sensor": f"{camera.name}-view", "family": "onvif-mqtt", "late_s": CHANGES_LATE_S}
        tables += [("[[camera]]", seen | shared), ("[[camera]]", view | shared)]
    return tables


def _snapshots(name: str, scenario: Scenario, ports: dict[str, int]) -> list[tuple[str, Table]]:
    """Return the same cameras' own images, by which tampering is told and shown."""
    return [
        (
            "[[snapshot]]",
            {
                "sensor": f"{camera.name}-image",
                "url": f"http://127.0.0.1:{ports[camera.name]}/snapshot.jpg",
                "every_s": SNAPSHOT_EVERY_S,
            },
        )
        for camera in scenario.cameras
        if camera.gateway == name
    ]


def _toml(header: str, table: Table) -> str:
    """Return one table; the values used here are written alike in JSON and TOML."""
    lines = [header, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"
