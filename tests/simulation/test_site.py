"""The whole site: serial devices, incidents in their bytes, and an orderly end."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_sim.clock import SystemClock
from firmware_sim.errors import WireError
from firmware_sim.incidents import Kind
from firmware_sim.scenario import load_scenario
from firmware_sim.site import Options, Site
from tests.simulation.sim_site import (
    DEADLINE_S,
    MULTI_INVENTORY,
    Host,
    Running,
    quick_harbour,
    running,
    until,
)

COPPER = [bytes.fromhex(epc) for epc in load_scenario("harbour").lot("copper").epcs]


@asynccontextmanager
async def harbour(tmp_path: Path) -> AsyncGenerator[tuple[Running, Host, Host, Host]]:
    """Run a harbour with programs on the copper's scale and reader and on the dock's reader."""
    options = Options(scenario=quick_harbour(), directory=tmp_path, seed=1)
    async with running(options) as site:
        hosts = [Host(tmp_path / "dev" / name) for name in ("scale-a", "rfid-a", "rfid-d")]
        try:
            for reader in hosts[1:]:
                reader.send(MULTI_INVENTORY)
            await until(lambda: tags(hosts[1]) == set(COPPER), "all copper read")
            yield site, hosts[0], hosts[1], hosts[2]
        finally:
            for host in hosts:
                host.close()


def mass_kg(scale: Host) -> float | None:
    """Return the last whole stable line's mass."""
    lines = re.findall(rb"ST,GS([ -])\s*(\d+\.\d)kg \r\n", scale.read())
    return float(lines[-1][1]) if lines else None


def tags(reader: Host) -> set[bytes]:
    """Return the EPCs of all notices received, framed by length."""
    stream, found = reader.read(), set[bytes]()
    while len(stream) >= 7:
        size = 7 + int.from_bytes(stream[3:5], "big")
        if len(stream) < size:
            break
        if stream[1:3] == b"\x02\x22":
            found.add(stream[8 : size - 4])
        stream = stream[size:]
    return found


async def rounds(reader: Host, count: int) -> set[bytes]:
    """Return the tags of the next ``count`` rounds or so."""
    reader.forget()
    await until(lambda: reader.read().count(b"\xbb\x02\x22") >= 9 * count, "rounds")
    return tags(reader)


async def test_pallet_taken_and_brought_back(tmp_path: Path) -> None:
    """Mass and tag of a taken pallet are gone from the bytes, and return after the undo."""
    async with harbour(tmp_path) as (site, scale, reader, _):
        await until(lambda: mass_kg(scale) == pytest.approx(10_200, abs=2), "full")
        incident = await site.start(Kind.TAKE_PALLET, "copper")
        await site.shown(incident)
        gone = bytes.fromhex(incident["target"])
        await until(lambda: mass_kg(scale) == pytest.approx(9_180, abs=2), "lighter")
        assert await rounds(reader, 5) == set(COPPER) - {gone}
        await site.undo(incident)
        await until(lambda: mass_kg(scale) == pytest.approx(10_200, abs=2), "full again")
        await until(lambda: gone in tags(reader), "read again")


async def test_pallet_moved_is_read_at_the_dock(tmp_path: Path) -> None:
    """A moved pallet is read by the dock's reader and no more by its own."""
    async with harbour(tmp_path) as (site, scale, reader, dock):
        incident = await site.start(Kind.MOVE_PALLET, "copper")
        moved = bytes.fromhex(incident["target"])
        await until(lambda: tags(dock) == {moved}, "at the dock")
        await until(lambda: mass_kg(scale) == pytest.approx(9_180, abs=2), "lighter")
        assert moved not in await rounds(reader, 5)
        await site.undo(incident)
        await until(lambda: moved in tags(reader), "home again")
        dock.forget()
        await until(lambda: len(dock.read()) > 100, "rounds without tags")
        assert tags(dock) == set()


async def test_goods_taken_and_tags_left(tmp_path: Path) -> None:
    """The mass falls by the net of a pallet while every tag is still read."""
    async with harbour(tmp_path) as (site, scale, reader, _):
        incident = await site.start(Kind.TAKE_GOODS_LEAVE_TAGS, "copper")
        await until(lambda: mass_kg(scale) == pytest.approx(9_200, abs=2), "lighter")
        assert await rounds(reader, 10) == set(COPPER)
        await site.undo(incident)
        await until(lambda: mass_kg(scale) == pytest.approx(10_200, abs=2), "full again")


async def test_cut_cable_is_silent_until_joined(tmp_path: Path) -> None:
    """A scale whose cable is cut sends nothing at all."""
    async with harbour(tmp_path) as (site, scale, reader, _):
        await until(lambda: mass_kg(scale), "talking")
        incident = await site.start(Kind.CUT_SCALE_CABLE, "copper")
        scale.forget()
        await rounds(reader, 5)
        assert scale.read() == b""
        await site.undo(incident)
        await until(lambda: mass_kg(scale), "talking again")


async def test_tracker_reports_each_second_near_its_place(tmp_path: Path) -> None:
    """The yard's receiver gives RMC, GGA and GSA within metres of the container."""
    options = Options(scenario=quick_harbour(), directory=tmp_path, seed=1)
    async with running(options):
        host = Host(tmp_path / "dev" / "gnss-y")
        await until(lambda: host.read().count(b"$GNGSA") >= 2, "two seconds")
        host.close()
        match = re.search(rb"GGA,\d{6}\.00,(\d\d)([\d.]+),N,(\d{3})([\d.]+),E,1,", host.received)
    assert match is not None
    lat_deg = int(match[1]) + float(match[2]) / 60
    lon_deg = int(match[3]) + float(match[4]) / 60
    assert lat_deg == pytest.approx(51.95 + 20 / 111_320, abs=1e-4)
    assert lon_deg == pytest.approx(4.05 + 90 / (111_320 * 0.6163), abs=2e-4)


async def test_a_restarted_gateway_gets_fresh_bytes_and_an_idle_reader(tmp_path: Path) -> None:
    """Closing and reopening ports costs nothing but the time between."""
    async with harbour(tmp_path) as _:
        for _ in range(3):
            reader = Host(tmp_path / "dev" / "rfid-b")
            reader.send(MULTI_INVENTORY)
            await until(lambda host=reader: len(tags(host)) == 8, "aluminium read")
            reader.close()
            again = Host(tmp_path / "dev" / "rfid-b")
            again.forget()  # what was under way when the host left
            again.close()


async def test_same_seed_takes_the_same_pallet(tmp_path: Path) -> None:
    """Which pallet is taken follows from the seed."""
    taken = set[str]()
    for name in ("one", "two"):
        options = Options(scenario=quick_harbour(), directory=tmp_path / name, seed=42)
        async with running(options) as site:
            taken.add((await site.start(Kind.TAKE_PALLET, "copper"))["target"])

    assert len(taken) == 1


async def test_a_taken_control_port_is_reported_and_cleaned_up(tmp_path: Path) -> None:
    """A site that cannot open its control port says so and leaves nothing behind."""
    first = Options(scenario=quick_harbour(), directory=tmp_path / "one", seed=1)
    async with running(first) as site:
        second = Options(
            scenario=quick_harbour(),
            directory=tmp_path / "two",
            seed=1,
            control_port=site.ports["control"],
        )
        with pytest.raises(WireError, match="control port"):
            await Site(second, SystemClock()).run(asyncio.Event())
    assert list((tmp_path / "two" / "dev").iterdir()) == []


async def command(*arguments: str) -> asyncio.subprocess.Process:
    """Start ``python -m firmware_sim`` with ``arguments``."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firmware_sim",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_program_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """On a signal the program takes its links and its ports file away and exits with 0."""
    process = await command("run", "--dir", str(tmp_path), "--seed", "3")
    await until((tmp_path / "ports.json").is_file, "ready")
    assert (tmp_path / "dev" / "scale-a").is_symlink()
    process.send_signal(number)
    async with asyncio.timeout(DEADLINE_S):
        _, errors = await process.communicate()

    assert process.returncode == 0, errors
    assert b"Traceback" not in errors
    assert not (tmp_path / "ports.json").exists()
    assert list((tmp_path / "dev").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "habour"), b"there is evaluation, harbour"),
        (("--noise", "loud"), b"demo, site"),
        (("--backend-url", "http://127.0.0.1:1"), b"--feed-token-file"),
    ],
)
async def test_a_wrong_command_line_is_explained(
    tmp_path: Path, arguments: tuple[str, ...], words: bytes
) -> None:
    """A mistake ends with status 2 and a sentence that says what to do, without a traceback."""
    process = await command("run", "--dir", str(tmp_path), *arguments)
    async with asyncio.timeout(DEADLINE_S):
        _, errors = await process.communicate()

    assert process.returncode == 2
    assert words in errors
    assert b"Traceback" not in errors


async def test_scenarios_are_listed() -> None:
    """``list-scenarios`` names what can be run."""
    process = await command("list-scenarios")
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate()

    assert process.returncode == 0
    assert b"harbour: 5 zones, lots copper, aluminium, fish, lubricant" in output
    assert b"evaluation: a family of sites" in output
