"""What the command line shows of the decoders."""

import json
from pathlib import Path

import pytest

from gateway.decode.cli import CaptureError, ProbeError, decode_file, list_families, probe_rows
from gateway.decode.families import UnknownFamilyError

GOLDEN = [
    {"kind": "fault", "why": "malformed", "bytes": b"GS,+0012.34kg".hex()},
    {
        "kind": "weight",
        "mass_g": 12_340,
        "stable": True,
        "basis": "gross",
        "shown": "0012.34",
        "unit": "kg",
    },
    {"kind": "fault", "why": "truncated", "bytes": b"ST,GS".hex()},
]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 65_536])
def test_a_capture_becomes_lines(tmp_path: Path, chunk_bytes: int) -> None:
    """The lines are the same, however the file is read."""
    path = tmp_path / "capture.bin"
    path.write_bytes(b"GS,+0012.34kg\r\nST,GS,+0012.34kg\r\nST,GS")

    assert list(decode_file("scale-ad", path, chunk_bytes=chunk_bytes)) == GOLDEN


def test_a_position_and_a_sighting_as_lines(tmp_path: Path) -> None:
    """Times are ISO 8601 in UTC, codes are hex, and known codes have a URI."""
    gnss, tags = tmp_path / "gnss", tmp_path / "tags"
    gnss.write_bytes(b"$GPRMC,120000.50,A,5157.00000,N,00403.00000,E,0.0,,020126,,,A*70\r\n")
    tags.write_bytes(bytes.fromhex("bb02220011c43000e200001d7315016521408fc6b83ec27e"))

    (position,) = decode_file("nmea", gnss)
    assert json.loads(json.dumps(position)) == {
        "kind": "position",
        "time": "2026-01-02T12:00:00.500Z",
        "lat": 51.95,
        "lon": 4.05,
        "fix": "2d",
        "hdop": None,
        "satellites": None,
        "speed_mps": 0.0,
        "accuracy_m": None,
    }
    assert list(decode_file("rfid-yrm100", tags)) == [
        {
            "kind": "sighting",
            "epc": "e200001d7315016521408fc6",
            "rssi_dbm": -60.0,
            "antenna": 1,
            "pc": "3000",
            "uri": None,
        }
    ]


def test_errors_name_field_and_value(tmp_path: Path) -> None:
    """A wrong family, file or chunk is refused at once, before the first line."""
    with pytest.raises(
        UnknownFamilyError, match="'scale-x' is not one of nmea, ubx, gpsd, scale-ad"
    ):
        decode_file("scale-x", tmp_path)
    with pytest.raises(CaptureError, match=r"none\.bin is not a readable file"):
        decode_file("nmea", tmp_path / "none.bin")
    with pytest.raises(CaptureError, match="is not a readable file"):
        decode_file("nmea", tmp_path)
    path = tmp_path / "capture.bin"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="chunk_bytes: 0 is below 1"):
        decode_file("nmea", path, chunk_bytes=0)
    assert list(decode_file("nmea", path)) == []


def test_families_are_listed_in_order() -> None:
    """The names that a configuration may use, each with a summary and a source."""
    families = list_families()

    assert [family.name for family in families] == [
        "nmea",
        "ubx",
        "gpsd",
        "scale-ad",
        "scale-tscale",
        "scale-ohaus",
        "scale-sics",
        "scale-spun",
        "scale-tfo",
        "rfid-yrm100",
        "rfid-yr903",
        "rfid-chafon",
        "llrp",
        "frigate",
        "onvif-mqtt",
    ]
    assert all(family.summary and family.source for family in families)


@pytest.mark.parametrize("text", ["41c80000", "0x41C80000", "41:c8:00:00", "41 c8 00 00\n"])
def test_probe_rows(text: str) -> None:
    """A block is shown in every type and order; what is no number says so."""
    rows = list(probe_rows(text))

    assert {"register": 0, "type": "float32", "order": "ABCD", "value": 25.0} in rows
    assert {"register": 0, "type": "int32", "order": "DCBA", "value": 51_265} in rows
    assert {"register": 0, "type": "bcd16", "order": "ABCD", "fault": "bad_bcd"} in rows
    assert {"register": 0, "type": "bit", "order": "ABCD", "value": "0100000111001000"} in rows
    assert {"register": 0, "type": "string", "order": "ABCD", "fault": "malformed"} in rows
    assert json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 bytes, need 1..125 registers"),
        ("41c8000", "is no hexadecimal text of whole bytes"),
        ("41c800", "3 bytes, need"),
        ("xyz", "'xyz' is no hexadecimal"),
        ("00" * 252, "252 bytes, need"),
    ],
)
def test_what_cannot_be_probed_is_refused(text: str, message: str) -> None:
    """The error names the text or its length, and the bound."""
    with pytest.raises(ProbeError, match=message.replace(".", r"\.")):
        probe_rows(text)
