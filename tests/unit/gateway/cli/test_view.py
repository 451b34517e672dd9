"""The live view fits the terminal, says what is wrong first, and reads like a display."""

import io

import msgspec
import pytest
from rich.console import Console

from gateway.cli.view import Screen, frame
from gateway.cli.words import age_text, bytes_text, channels_text
from gateway.control.status import ChannelStatus, DriverStatus, Status
from tests.unit.gateway.builders import make_sensor_status, make_status


def drawn(status: Status, width: int, height: int) -> list[str]:
    """Return the lines of a frame as they stand on a terminal of that size."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, highlight=False)
    console.print(frame(status, Screen(width=width, height=height), cpu_share=0.012))
    return stream.getvalue().splitlines()


def crowded() -> Status:
    """Return a gateway with 100 sensors, three of them in trouble, and four lost drivers."""
    sensors = [make_sensor_status(name=f"scale-{n:03}") for n in range(97)]
    sensors += [
        make_sensor_status(name=f"z-bad-{n}", health="silent", why="cable? " * 30, age_s=None)
        for n in range(3)
    ]
    drivers = [
        DriverStatus(
            name=f"bus-{n}",
            kind="modbus",
            state="waiting",
            for_s=3.0,
            restarts=4,
            error=f"bus-{n}: no such port " * 9,
            retry_in_s=2.0,
        )
        for n in range(4)
    ]
    return make_status(sensors=sensors, drivers=drivers)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 12), (160, 50)])
def test_frame_fits_the_terminal(width: int, height: int) -> None:
    """However much there is to say, it takes no more room, with one line left for the foot."""
    lines = drawn(crowded(), width, height)

    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "more, " in "\n".join(lines)


def test_what_is_wrong_comes_first() -> None:
    """Sensors in trouble stand above all that are up, whatever their names."""
    lines = [line for line in drawn(crowded(), 80, 24) if "scale-" in line or "z-bad" in line]
    assert ["z-bad" in line for line in lines[:4]] == [True, True, True, False]


def test_trouble_with_the_backend_is_told() -> None:
    """A stopped stream, forged receipts, and a disk that does not answer."""
    status = make_status(outbox=None)
    uplink = msgspec.structs.replace(status.uplink, state="stopped", stopped="fork", forged=2)
    text = "\n".join(drawn(msgspec.structs.replace(status, uplink=uplink), 120, 24))

    assert "stopped" in text
    assert "fork" in text
    assert "2 forged" in text
    assert "does not answer" in text


@pytest.mark.parametrize(
    ("channel", "value", "unit", "text"),
    [
        ("mass", 12_340.0, "g", "12.34 kg"),
        ("mass", 10_200_000.0, "g", "10,200 kg"),
        ("mass", -0.4, "g", "0 kg"),
        ("temperature", -18.04, "Cel", "-18.0 °C"),
        ("humidity", 80.2, "%RH", "80 %RH"),
        ("contact", 1.0, "1", "open"),
        ("contact", 0.0, "1", "closed"),
        ("fix", 0.0, "1", "no fix"),
        ("inventory", 1.0, "count", "1 tag"),
        ("shock", 0.0126, "g0", "0.013 g peak"),
        ("tilt", 2.5, "deg", "tilt 2.5 deg"),
    ],
)
def test_values_read_like_a_display(channel: str, value: float, unit: str, text: str) -> None:
    """Each quantity in the unit that is on the device's own display."""
    shown = ChannelStatus(channel=channel, age_s=0.1, value=value, unit=unit, quality="good")
    assert channels_text([shown]) == text


def test_quality_is_shown_unless_it_is_good() -> None:
    """An unstable weight says so."""
    shown = ChannelStatus(channel="mass", age_s=0.1, value=1e3, unit="g", quality="unstable")
    assert channels_text([shown]) == "1 kg (unstable)"


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (None, "never"),
        (0.25, "0.2 s"),
        (59.0, "59 s"),
        (600.0, "10 min"),
        (1e5, "28 h"),
        (1e6, "12 d"),
    ],
)
def test_ages_are_short(age_s: float | None, text: str) -> None:
    """Seconds to days, two digits or so."""
    assert age_text(age_s) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (52e6, "52 MB"), (3e13, "30.0 TB")],
)
def test_sizes_are_short(size: float, text: str) -> None:
    """Bytes to terabytes."""
    assert bytes_text(size) == text
