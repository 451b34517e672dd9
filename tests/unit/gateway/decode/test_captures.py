"""The decoders on real captures: what their provenance says is what they yield."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.decode.epc import decode_epc, encode_epc
from gateway.decode.events import (
    CameraNote,
    CameraObject,
    CameraReview,
    Event,
    Fault,
    Fix,
    Phase,
    Position,
    TagRead,
    Weight,
)
from gateway.decode.families import FAMILIES, family

LOGS = (
    "bt451",
    "bu303b-nofix",
    "firefly-II",
    "garmin-10x",
    "gp-320fw-2019-04-07-coldboot",
    "nl2008u",
    "quectel-eg25-g",
    "unicore-um621",
)
SCALES = tuple(name for name in FAMILIES if name.startswith("scale-"))
# SPUN prints the very columns of Ohaus: either family reads either capture, and rightly.
OWN_FAMILIES = {
    "DEFENDER3000__DEFENDER3000_hex.bin": {"scale-ohaus", "scale-spun"},
    "TScaleNHB__NHB.bin": {"scale-tscale"},
    "WEIGHT_SPUN__Serial_Logspun.bin": {"scale-ohaus", "scale-spun"},
    "TFO1__Serial_Log.bin": {"scale-tfo"},
    "PH_Meter__Serial_Log_PH.bin": set[str](),
}
RFID_PROTOCOLS = {"rfid-yrm100": "R200", "rfid-yr903": "YR903", "rfid-chafon": "Chafon"}
MODES = {1: Fix.NONE, 2: Fix.TWO_D, 3: Fix.THREE_D}


def decode(name: str, path: Path) -> list[Event]:
    """Return everything that the family called ``name`` finds in a file."""
    decoder = family(name).make()
    return decoder.feed(path.read_bytes()) + decoder.flush()


def weights(name: str, path: Path) -> list[Weight]:
    """Return the weights that the family called ``name`` finds in a file."""
    return [event for event in decode(name, path) if isinstance(event, Weight)]


def gpsd_fixes(path: Path) -> list[dict[str, Any]]:
    """Return gpsd's reports that have coordinates."""
    lines = path.read_text(encoding="latin-1").splitlines()
    reports = [json.loads(line) for line in lines if line.startswith('{"class":"TPV"')]
    return [report for report in reports if "lat" in report]


def micros(text: str) -> int:
    """Return an ISO 8601 time in microseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize("log", LOGS)
def test_each_fix_of_gpsd_is_a_position(captures: Path, log: str) -> None:
    """For each report of gpsd with a fix there is a position: same time, place and fix."""
    path = captures / "gps" / f"{log}.log"
    found = [p for p in decode("nmea", path) if isinstance(p, Position) and p.lat_deg is not None]
    reports = gpsd_fixes(path.with_name(f"{log}.log.chk"))

    for report in reports:
        at = {
            p.fix
            for p in found
            if p.lat_deg == pytest.approx(report["lat"], abs=2e-9)
            and p.lon_deg == pytest.approx(report["lon"], abs=2e-9)
            and ("time" not in report or p.time_us == micros(report["time"]))
        }
        # Within a cycle gpsd reports as each sentence comes: its last word on an epoch counts.
        last = [r for r in reports if (r["lat"], r["lon"]) == (report["lat"], report["lon"])][-1]
        assert MODES[last["mode"]] in at


@pytest.mark.parametrize("log", LOGS)
def test_without_a_fix_there_are_no_coordinates(captures: Path, log: str) -> None:
    """A position without a fix holds no coordinates, and one with a fix holds both."""
    for event in decode("nmea", captures / "gps" / f"{log}.log"):
        if isinstance(event, Position):
            placed = event.fix is not Fix.NONE
            assert (event.lat_deg is not None, event.lon_deg is not None) == (placed, placed)


@pytest.mark.parametrize(
    ("log", "none", "placed"),
    [
        pytest.param("bu303b-nofix", 0, 0, id="binary protocol only"),
        pytest.param("gp-320fw-2019-04-07-coldboot", 18, 2, id="cold boot, spliced, NULs"),
        pytest.param("unicore-um621", 4, 16, id="lost and regained"),
        pytest.param("quectel-eg25-g", 37, 23, id="toggling"),
    ],
)
def test_epochs_with_and_without_a_fix(captures: Path, log: str, none: int, placed: int) -> None:
    """Every epoch is one position, with a fix or without."""
    events = decode("nmea", captures / "gps" / f"{log}.log")
    fixes = [event.fix for event in events if isinstance(event, Position)]

    assert (fixes.count(Fix.NONE), len(fixes) - fixes.count(Fix.NONE)) == (none, placed)


@pytest.mark.parametrize(
    "capture",
    [name for name, families in OWN_FAMILIES.items() if families and not name.startswith("TFO")],
)
def test_a_scale_capture_yields_what_is_expected(captures: Path, capture: str) -> None:
    """Frames, unstable frames and the displayed numbers agree with expected.json."""
    expected = json.loads((captures / "weight" / "expected.json").read_text())[capture]
    for name in OWN_FAMILIES[capture]:
        found = weights(name, captures / "weight" / capture)
        shown = [float(weight.shown) for weight in found]

        assert len(found) == expected["frames"]
        assert sum(not weight.stable for weight in found) == expected["unstable"]
        assert (min(shown), max(shown)) == (expected["min"], expected["max"])
        assert (shown[0], shown[-1]) == (expected["first"], expected["last"])


@pytest.mark.parametrize(
    ("name", "capture", "least_g", "most_g"),
    [
        ("scale-ohaus", "DEFENDER3000__DEFENDER3000_hex.bin", 360, 360),
        ("scale-tscale", "TScaleNHB__NHB.bin", 21, 21),
        ("scale-spun", "WEIGHT_SPUN__Serial_Logspun.bin", 0, 117_000),
        ("scale-tfo", "TFO1__Serial_Log.bin", 366_000, 369_500),
    ],
)
def test_a_scale_capture_in_grams(
    captures: Path, name: str, capture: str, least_g: int, most_g: int
) -> None:
    """The unit on the line decides: 0.360 kg is 360 g, 20.7 g is 21 g."""
    found = [weight.mass_g for weight in weights(name, captures / "weight" / capture)]

    assert (min(found), max(found)) == (least_g, most_g)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("capture", OWN_FAMILIES)
def test_a_foreign_device_yields_no_weight(captures: Path, name: str, capture: str) -> None:
    """A capture has weights in its own family only; a pH meter has them in none."""
    found = weights(name, captures / "weight" / capture)

    assert bool(found) == (name in OWN_FAMILIES[capture])


@pytest.mark.parametrize("name", RFID_PROTOCOLS)
def test_serial_rfid_frames(captures: Path, name: str) -> None:
    """A valid frame is a sighting or an answer; an invalid or foreign one never is either."""
    for frame in json.loads((captures / "rfid" / "serial_frames.json").read_text()):
        decoder = family(name).make()
        data = bytes.fromhex(frame["hex"])
        events = decoder.feed(data) + decoder.flush()
        own = frame["proto"].startswith(RFID_PROTOCOLS[name])
        faults = [event for event in events if isinstance(event, Fault)]
        assert faults == ([] if own and frame["frame_valid"] else events)
        assert events


def test_captured_tags_of_a_yrm100(captures: Path) -> None:
    """RSSI, PC and EPC are what the capture's provenance says."""
    for frame in json.loads((captures / "rfid" / "serial_frames.json").read_text()):
        if "epc" in frame and frame["frame_valid"]:
            (event,) = family("rfid-yrm100").make().feed(bytes.fromhex(frame["hex"]))
            assert event == TagRead(
                epc=bytes.fromhex(frame["epc"]),
                rssi_dbm=frame["rssi_dbm"],
                antenna=1,
                pc=int(frame["pc"], 16),
            )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_uhfreader18.py:RESP_TAGS_3", ("49440000000000000a000334", 1)),
        ("test_uhfreader288.py:RESP_TAGS_1", ("000000000000000000000313", 1)),
        ("test_uhfreader288.py:RESP_TAGS_3", ("49440000000000000a000334", 3)),
    ],
)
def test_captured_tags_of_a_chafon(captures: Path, name: str, expected: tuple[str, int]) -> None:
    """Either reader's form is read; only the newer names its antenna."""
    frames = json.loads((captures / "rfid" / "serial_frames.json").read_text())
    (data,) = (bytes.fromhex(frame["hex"]) for frame in frames if frame["name"] == name)
    (event,) = family("rfid-chafon").make().feed(data)

    assert isinstance(event, TagRead)
    assert (event.epc.hex(), event.antenna) == expected
    assert (event.rssi_dbm, event.pc) == (None, None)


def test_epc_vectors(captures: Path) -> None:
    """Hex, tag URI and pure identity of every published vector agree, in both directions."""
    for vector in json.loads((captures / "rfid" / "epc_vectors.json").read_text()):
        epc = decode_epc(bytes.fromhex(vector["hex"]))

        assert (epc.tag_uri, epc.id_uri) == (vector["tag_uri"], vector["uri"])
        assert encode_epc(vector["tag_uri"]).hex().upper() == vector["hex"]


def test_frigate_payloads(captures: Path) -> None:
    """The documented payloads are an object, two notes on it and a review."""
    path = captures / "camera" / "frigate_payloads.json"
    seen, face, classified, review = decode("frigate", path)

    assert isinstance(seen, CameraObject)
    assert (seen.camera, seen.label, seen.phase) == ("front_door", "person", Phase.UPDATE)
    assert (seen.zones, seen.score) == (("yard", "driveway"), 0.87890625)
    assert (seen.start_us, seen.end_us) == (1_607_123_955_475_377, None)
    assert isinstance(face, CameraNote)
    assert (face.what, face.text) == ("face", "John")
    assert isinstance(classified, CameraNote)
    assert classified.text == "delivery_person"
    assert isinstance(review, CameraReview)
    assert (review.severity, review.zones) == ("alert", ("front_yard",))
