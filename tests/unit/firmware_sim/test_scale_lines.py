"""The indicators' lines, against the vendors' papers and captured streams."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices.scale_ad import encode_ad
from firmware_sim.devices.scale_lines import Shown, kilograms, shown
from firmware_sim.devices.scale_ohaus import encode_ohaus
from firmware_sim.devices.scale_sics import encode_sics
from firmware_sim.devices.scale_tscale import encode_tscale


def display(mass_g: int | None, *, stable: bool = True, division_g: int = 100) -> Shown:
    """Return a display with its parts overridden."""
    return Shown(mass_g=mass_g, stable=stable, division_g=division_g)


@pytest.mark.parametrize(
    ("shows", "line"),
    [
        # Captured, T-Scale NHB: b"ST,GS    20.7g  \r\n", 18 bytes, value in 8, unit in 3.
        (display(20_700), b"ST,GS    20.7kg \r\n"),
        (display(20_700, stable=False), b"US,GS    20.7kg \r\n"),
        (display(10_200_000, division_g=500), b"ST,GS 10200.0kg \r\n"),
        (display(-1_640, division_g=1), b"ST,GS-  1.640kg \r\n"),
        (display(None), b"OL,GS        kg \r\n"),
    ],
)
def test_tscale_line(shows: Shown, line: bytes) -> None:
    """A T-Scale line has the captured stream's 18 bytes, with the sign at the field's start."""
    assert encode_tscale(shows) == line


@pytest.mark.parametrize(
    ("shows", "line"),
    [
        # A&D AD-4329A manual (OP-02), 11.1.1, format 1.
        (display(12_340, division_g=10), b"ST,GS,+0012.34kg\r\n"),
        (display(-500, stable=False), b"US,GS,-00000.5kg\r\n"),
        (display(None), b"OL,GS,     .  kg\r\n"),
    ],
)
def test_ad_line(shows: Shown, line: bytes) -> None:
    """An A&D line is zero-filled with its sign, as the manual prints it."""
    assert encode_ad(shows) == line


@pytest.mark.parametrize(
    ("shows", "line"),
    [
        # Captured: Defender 3000 "   0.360 kg    G", and "    20.0 kg   ?G" while in motion.
        (display(360, division_g=1), b"   0.360 kg    G\r\n"),
        (display(20_000, stable=False), b"    20.0 kg   ?G\r\n"),
        (display(-1_640, division_g=1), b"-  1.640 kg    G\r\n"),
        (display(None), b""),
    ],
)
def test_ohaus_line(shows: Shown, line: bytes) -> None:
    """An Ohaus line is the captured one; an overloaded indicator prints nothing."""
    assert encode_ohaus(shows) == line


@pytest.mark.parametrize(
    ("shows", "line"),
    [
        # MT-SICS reference manual, S command: "S S     100.00 g"; here in kilograms.
        (display(100_000, division_g=10), b"S S     100.00 kg\r\n"),
        (display(100_000, division_g=10, stable=False), b"S D     100.00 kg\r\n"),
        (display(None), b"S +\r\n"),
    ],
)
def test_sics_line(shows: Shown, line: bytes) -> None:
    """A SICS reply right-justifies the weight in ten characters."""
    assert encode_sics(shows) == line


@pytest.mark.parametrize(
    ("division_g", "text"),
    [(1, "12.340"), (10, "12.34"), (100, "12.3"), (500, "12.3"), (1_000, "12"), (5_000, "12")],
)
def test_decimals_follow_the_division(division_g: int, text: str) -> None:
    """An indicator shows no more decimals than its division has."""
    assert kilograms(12_340, division_g) == text


def test_above_capacity_plus_nine_divisions_is_overload() -> None:
    """OIML R 76: no weight is shown above Max + 9 e."""
    assert shown(1_009.0, stable=True, division_g=1, capacity_g=1_000).mass_g == 1_009
    assert shown(1_010.0, stable=True, division_g=1, capacity_g=1_000).mass_g is None


@given(st.integers(-99_999, 99_999), st.booleans())
def test_every_form_says_the_displayed_mass(tenths: int, stable: bool) -> None:
    """Whatever the form, the number in the line is the displayed mass in kilograms."""
    shows = display(tenths * 100, stable=stable)
    for encode in (encode_tscale, encode_ad, encode_ohaus, encode_sics):
        match = re.search(rb"([+-]?)\s*(\d+\.\d)", encode(shows))
        assert match is not None
        sign = -1 if match[1] == b"-" else 1
        assert sign * int(match[2].replace(b".", b"")) == tenths
