"""gpsd's reports."""

import json

import pytest

from gateway.decode.events import Event, Fault, FaultWhy, Fix, Position
from gateway.decode.gpsd import LINE_BYTES_MAX, WATCH, GpsdDecoder

TPV: dict[str, object] = {
    "class": "TPV",
    "device": "/dev/ttyACM0",
    "status": 1,
    "mode": 3,
    "time": "2026-01-02T12:00:00.500Z",
    "lat": 51.95,
    "lon": 4.05,
    "eph": 3.2,
    "speed": 0.1,
}
SKY = {"class": "SKY", "device": "/dev/ttyACM0", "hdop": 0.9, "uSat": 9}
PLACE = Position(
    time_us=1_767_355_200_500_000,
    lat_deg=51.95,
    lon_deg=4.05,
    fix=Fix.THREE_D,
    hdop=0.9,
    satellites=9,
    speed_mps=0.1,
    accuracy_m=3.2,
)


def line(report: object) -> bytes:
    """Return a report as it is sent."""
    return json.dumps(report).encode() + b"\r\n"


def decode(*reports: object, device: str | None = None) -> list[Event]:
    """Return everything that a fresh decoder finds in reports."""
    decoder = GpsdDecoder(device)
    return decoder.feed(b"".join(map(line, reports))) + decoder.flush()


def test_the_request_fits_the_protocol() -> None:
    """At most 80 characters, as gpsd_json(5) says."""
    assert len(WATCH.strip()) <= 80
    assert WATCH.startswith(b'?WATCH={"enable":true,"json":true}')


def test_a_position() -> None:
    """A TPV with a fix is a position; HDOP and satellites come from the SKY before."""
    assert decode(SKY, TPV) == [PLACE]


@pytest.mark.parametrize("change", [{"mode": 0}, {"mode": 1}, {"status": 5}, {"status": 8}])
def test_no_fix_is_never_a_position(change: dict[str, object]) -> None:
    """Below mode 2, reckoned or simulated: coordinates are not passed on."""
    assert decode(TPV | change) == [
        Position(time_us=None, lat_deg=None, lon_deg=None, fix=Fix.NONE)
    ]


def test_another_receiver_is_not_heard() -> None:
    """With a device named, reports of others count for nothing."""
    other = {"device": "/dev/ttyUSB7"}

    assert decode(SKY | other, TPV | other, device="/dev/ttyACM0") == []
    assert decode(SKY, TPV | other, TPV, device="/dev/ttyACM0") == [PLACE]


@pytest.mark.parametrize("name", ["VERSION", "DEVICES", "DEVICE", "WATCH", "ATT", "GST", "TOFF"])
def test_other_reports_are_passed_over(name: str) -> None:
    """What is no position is no news."""
    assert decode({"class": name, "devices": [], "pitch": 1.5}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"mode": 4},
        {"mode": "3"},
        {"mode": None},
        {"mode": True},
        {"lat": None},
        {"lat": 90.1},
        {"lon": "4.05"},
        {"lon": -180.1},
        {"time": "yesterday"},
        {"time": "2026-01-02T12:00:00"},
        {"time": "1979-01-02T12:00:00Z"},
        {"time": 5},
        {"mode": [3]},
    ],
)
def test_a_malformed_position_is_a_fault(change: dict[str, object]) -> None:
    """A report is understood as a whole, or not at all."""
    (event,) = decode(TPV | change)

    assert isinstance(event, Fault)
    assert event.why is FaultWhy.MALFORMED


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{}\n", FaultWhy.MALFORMED),
        (b"[]\n", FaultWhy.MALFORMED),
        (b'{"class":1}\n', FaultWhy.MALFORMED),
        (b"not json\n", FaultWhy.MALFORMED),
        (b'{"class":"TPV"', FaultWhy.TRUNCATED),
        (b"x" * (LINE_BYTES_MAX + 1) + b"\n", FaultWhy.TOO_LONG),
        (line({"class": "ERROR", "message": "no"}), FaultWhy.READER_ERROR),
    ],
)
def test_what_is_no_report_is_a_named_fault(data: bytes, why: FaultWhy) -> None:
    """Other programs, cut and endless lines have their names."""
    decoder = GpsdDecoder()
    (event,) = decoder.feed(data) + decoder.flush()

    assert isinstance(event, Fault)
    assert event.why is why


@pytest.mark.parametrize("value", [-1, 99, 1e300, "0.9", None])
def test_an_implausible_hdop_is_none(value: object) -> None:
    """A DOP outside its range says nothing; the position stands."""
    (position,) = decode(SKY | {"hdop": value}, TPV)

    assert isinstance(position, Position)
    assert (position.hdop, position.satellites) == (None, 9)
