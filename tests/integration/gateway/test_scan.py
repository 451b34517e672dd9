"""Scan and probe recognise the simulator's serial devices, and call nothing else a device."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import serial

from gateway.config.file import parse_config
from gateway.drivers.plan.vocabulary import vocabulary
from tests.integration.gateway.daemons import ROOT, gateway
from tests.integration.gateway.lines import Line

READY_S_MAX = 30.0
POLL_S = 0.05
SCALES = {"tscale": "scale-tscale", "ad": "scale-ad", "ohaus": "scale-ohaus", "sics": "scale-sics"}
READERS = {
    "yrm100": "rfid-yrm100",
    "yr903": "rfid-yr903",
    "chafon-18": "rfid-chafon",
    "chafon-288": "rfid-chafon",
}
GNSS = {"nmea": "nmea", "ubx": "ubx"}
EXPECTED = (
    {f"scale-{form}": family for form, family in SCALES.items()}
    | {f"reader-{form}": family for form, family in READERS.items()}
    | {f"gnss-{form}": family for form, family in GNSS.items()}
    | {"weigher": "modbus"}
)


def scenario() -> str:
    """Return a site with one serial device of every form that the simulator knows."""
    lots = [*(f"scale-{form}" for form in SCALES), "weigher", *(f"gnss-{form}" for form in GNSS)]
    parts = [
        'name = "every"\nsite = "every"\norigin_lat_deg = 51.95\norigin_lon_deg = 4.05\n'
        'dock = "dock"\nprice_period_s = 5.0\n[noise]\nprofile = "demo"\n'
        '[[zone]]\nname = "hall"\npolygon = [[0, 0], [30, 0], [30, 20], [0, 20]]\n'
        '[[zone]]\nname = "dock"\npolygon = [[30, 0], [60, 0], [60, 20], [30, 20]]\n'
        '[[instrument]]\nname = "CU"\nvalue = 9650.0\ncurrency = "USD"\nunit = "TNE"\n'
    ]
    for number, lot in enumerate(lots):
        epcs = ", ".join(f'"3074257BF461A8{number:02X}0000000{i}"' for i in range(1, 4))
        parts.append(
            f'[[lot]]\nname = "{lot}"\ncommodity = "copper"\nzone = "hall"\ninstrument = "CU"\n'
            f"net_g = 1000000\ntare_g = 20000\nepcs = [{epcs}]\n"
        )
    parts += [
        f'[[scale]]\nname = "scale-{form}"\ngateway = "gw"\nlot = "scale-{form}"\n'
        f'form = "{form}"\ncapacity_g = 15000000\n'
        for form in SCALES
    ]
    parts += [
        f'[[reader]]\nname = "reader-{form}"\ngateway = "gw"\nzone = "hall"\nform = "{form}"\n'
        for form in READERS
    ]
    parts += [
        f'[[gnss]]\nname = "gnss-{form}"\ngateway = "gw"\nlot = "gnss-{form}"\nform = "{form}"\n'
        "x_m = 9.0\ny_m = 9.0\n"
        for form in GNSS
    ]
    parts.append(
        '[[weigher]]\nname = "weigher"\ngateway = "gw"\nlot = "weigher"\nunit = 3\n'
        "capacity_g = 10000000\n"
    )
    return "".join(parts)


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Path]:
    """The folder of the simulated devices' ports."""
    file = tmp_path / "every.toml"
    file.write_text(scenario(), "utf-8")
    site = subprocess.Popen(
        [
            *(sys.executable, "-m", "firmware_sim", "run"),
            *("--scenario", str(file), "--dir", str(tmp_path / "sim")),
        ],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(round(READY_S_MAX / POLL_S)):
            assert site.poll() is None, "the simulator ended"
            if (tmp_path / "sim" / "ports.json").exists():
                break
            time.sleep(POLL_S)
        yield tmp_path / "sim" / "dev"
    finally:
        site.terminate()
        site.wait(10)


def scan(*arguments: str) -> list[dict[str, Any]]:
    """Return what scan finds, as JSON."""
    done = gateway("scan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_options(paths: list[Path]) -> list[str]:
    """Return the options that name ``paths``."""
    return [option for path in paths for option in ("--port", str(path))]


@pytest.mark.slow
def test_every_simulated_device_is_recognised(devices: Path) -> None:
    """Listening and asking tell the family of each, show a reading, and give configuration."""
    paths = sorted(devices.iterdir())
    found = {Path(one["port"]).name: one for one in scan("--ask", *as_options(paths))}

    for name, family in EXPECTED.items():
        one = found[name]
        assert family in (one["family"], *one["alternatives"]), (name, one)
    # Not more: on a busy machine a line is cut where the listener came too late.
    assert {
        name: one["confidence"] for name, one in found.items() if one["confidence"] < 0.6
    } == {}
    assert found["weigher"]["units"] == [{"unit": 3, "identity": "Laumas TLU 1.04"}]
    assert found["scale-ad"]["example"]["mass_g"] > 0
    assert found["reader-yr903"]["example"]["kind"] == "sighting"


@pytest.mark.slow
def test_what_scan_prints_can_be_pasted(devices: Path) -> None:
    """The snippet of a whole site is accepted as a configuration, as it stands."""
    done = gateway("scan", "--ask", *as_options(sorted(devices.iterdir())))
    _, _, snippet = done.stdout.partition("names of your own:\n")
    head = '[gateway]\nid = "gw"\nstate_dir = "var"\n'
    config = parse_config((head + snippet).encode(), vocabulary())

    assert len(config.serial) == len(EXPECTED) - 1
    assert [unit.unit for unit in config.modbus[0].unit] == [3]


@pytest.mark.slow
def test_without_asking_nothing_is_sent(devices: Path) -> None:
    """Listening alone finds what speaks by itself; readers and buses stay silent."""
    paths = [devices / "reader-yr903", devices / "weigher", devices / "scale-ad"]
    with Line() as line:
        found = scan(*as_options(paths), "--port", line.path)
        assert line.received() == b""

    assert [one["state"] for one in found] == ["silent", "silent", "recognised", "silent"]


@pytest.mark.slow
def test_noise_is_no_device() -> None:
    """Random bytes at every speed are something unknown, also when they answer questions."""
    random = Random(7)
    ended = threading.Event()
    with Line() as line:

        def make_noise() -> None:
            while not ended.wait(0.02):
                try:
                    line.send(random.randbytes(100))
                except BlockingIOError:
                    continue

        thread = threading.Thread(target=make_noise)
        thread.start()
        try:
            (found,) = scan("--port", line.path, "--ask", "--units", "4", "--listen", "0.6")
        finally:
            ended.set()
            thread.join()
    assert (found["state"], found["family"]) == ("unknown", "")


def test_port_in_use_is_left_alone() -> None:
    """A port that the daemon holds is busy; one that is not there is absent."""
    with Line() as line, serial.Serial(line.path, exclusive=True):
        found = scan("--port", line.path, "--port", "/dev/absent-port", "--ask")
        assert os.path.exists(line.path)
        assert line.received() == b""

    assert [one["state"] for one in found] == ["busy", "absent"]


@pytest.mark.slow
def test_probe_reads_a_block_and_names_what_is_expected(devices: Path) -> None:
    """The gross weight of a Laumas transmitter is found by what its display shows, in kg."""
    port = str(devices / "weigher")
    at = ("--port", port, "--unit", "3", "--address", "6", "--count", "6")
    done = gateway("probe", "modbus", *at, "--expect", "3060")

    lines = [line.split() for line in done.stdout.splitlines() if line.endswith("as expected")]
    assert ["7", "int32", "ABCD", "3060"] in [line[:4] for line in lines]
    assert "--all shows them" in done.stdout


@pytest.mark.slow
def test_probe_tells_why_there_is_no_answer(devices: Path) -> None:
    """A unit that is not there, an address that it has not, a port that is not there."""
    port = str(devices / "weigher")
    wrong_unit = gateway("probe", "modbus", "--port", port, "--unit", "9")
    wrong_address = gateway("probe", "modbus", "--port", port, "--unit", "3", "--address", "4000")
    wrong_port = gateway("probe", "modbus", "--port", "/dev/absent")

    assert wrong_unit.returncode == wrong_address.returncode == wrong_port.returncode == 1
    assert "unit 9: no_answer" in wrong_unit.stderr
    assert "exception 2: it has no such address" in wrong_address.stderr
    assert "cannot connect to /dev/absent" in wrong_port.stderr
