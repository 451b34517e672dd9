"""The GNSS receiver's sentences."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices.gnss_nmea import Fix, encode_second, sentence, to_degrees

NOON_US = int(datetime(2026, 3, 4, 12, 5, 6, tzinfo=UTC).timestamp()) * 1_000_000


def test_checksum_of_a_captured_sentence() -> None:
    """The checksum is the XOR between dollar and asterisk, as in a captured u-blox sentence."""
    body = "GNRMC,000653.00,A,4404.12994,N,12118.84613,W,0.052,,090624,,,A,V"

    assert sentence(body) == f"${body}*08\r\n".encode()


def test_one_second_with_a_fix() -> None:
    """RMC, GGA and GSA agree on time, place and a three-dimensional fix."""
    sent = encode_second(Fix(unix_us=NOON_US, lat_deg=51.95, lon_deg=-4.05))
    rmc, gga, gsa = sent.decode().splitlines()

    assert rmc.startswith("$GNRMC,120506.00,A,5157.00000,N,00403.00000,W,0.02,,040326,,,A,V*")
    assert gga.startswith("$GNGGA,120506.00,5157.00000,N,00403.00000,W,1,09,0.90,")
    assert gsa.startswith("$GNGSA,A,3,02,05,07,13,15,18,23,29,30,,,,1.58,0.90,1.30,1*")


def test_no_fix_says_void_everywhere() -> None:
    """Without a fix the status is V, the quality 0 and the mode 1, and no place is given."""
    rmc, gga, gsa = encode_second(Fix(unix_us=NOON_US, lat_deg=None, lon_deg=None)).splitlines()

    assert rmc.split(b",")[2] == b"V"
    assert gga.split(b",")[2:7] == [b"", b"", b"", b"", b"0"]
    assert gsa.split(b",")[2] == b"1"


@given(st.floats(-89.999, 89.999), st.floats(-179.999, 179.999))
def test_place_survives_the_format(lat_deg: float, lon_deg: float) -> None:
    """Degrees and minutes of every place read back within a centimetre, never as 60 minutes."""
    sent = encode_second(Fix(unix_us=NOON_US, lat_deg=lat_deg, lon_deg=lon_deg))
    fields = sent.splitlines()[0].decode().split(",")

    def read(text: str, side: str, width: int) -> float:
        minutes = float(text[width:])
        assert minutes < 60.0
        value = int(text[:width]) + minutes / 60.0
        return -value if side in "SW" else value

    assert read(fields[3], fields[4], 2) == pytest.approx(lat_deg, abs=1e-7)
    assert read(fields[5], fields[6], 3) == pytest.approx(lon_deg, abs=1e-7)


def test_metres_become_degrees() -> None:
    """A thousand metres east are more degrees than a thousand north, by the cosine."""
    lat_deg, lon_deg = to_degrees(
        origin_lat_deg=51.95, origin_lon_deg=4.05, x_m=1_000.0, y_m=1_000.0
    )

    assert lat_deg - 51.95 == pytest.approx(1_000 / 111_320)
    assert lon_deg - 4.05 == pytest.approx(1_000 / 111_320 / math.cos(math.radians(51.95)))
