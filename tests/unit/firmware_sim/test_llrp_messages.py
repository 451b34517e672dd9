"""The simulated LLRP reader's bytes, against the specification's layouts and captured requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices import llrp_messages as m

# ADD_ROSPEC as LLRP 1.0.1 lays it out: antennas 1 and 3, 500 ms, one report at the end.
ROSPEC = bytes.fromhex(
    "00b1 0048 00000007 00 00"
    "00b2 0012 00b3 0005 00 00b6 0009 00 00000000"
    "00b7 001a 0002 0001 0003 00b8 0009 01 000001f4 00ba 0007 0001 01"
    "00ed 0012 01 0000 00ee 000b 9780 015c 0005 40".replace(" ", "")
)


def test_a_request_is_taken_apart() -> None:
    """Type, id and body of a captured DELETE_ROSPEC."""
    data = bytes.fromhex("04150000000e0000000b00000001")

    assert m.request_length(data[:10]) == 14
    assert m.take_request(data) == m.Request(kind=21, number=11, body=b"\0\0\0\x01")


@pytest.mark.parametrize(
    "header", ["48545450000000000000", "043e0000000900000000", "043effffffff00"]
)
def test_what_is_no_request(header: str) -> None:
    """Another protocol, and lengths that cannot be, are no requests."""
    assert m.request_length(bytes.fromhex(header).ljust(10, b"\0")) is None


def test_a_rospec_is_understood() -> None:
    """Antennas, duration and reporting are those that were asked for."""
    assert m.take_rospec(ROSPEC) == m.Rospec(
        number=7, antennas=(1, 3), duration_ms=500, immediate=False, tags_a_report=0
    )


def test_settings_are_understood() -> None:
    """Events are switched one by one; keepalives have a period."""
    body = bytes.fromhex("00 00f40012 00f50007000880 00f50007000600 00dc000901000003e8")

    assert m.take_settings(body) == m.Settings(events={8: True, 6: False}, keepalive_ms=1_000)
    assert m.take_settings(b"\0") == m.Settings(events={}, keepalive_ms=None)


def test_answers_and_events_are_the_captured_ones() -> None:
    """A captured answer and a captured connection attempt, byte for byte."""
    assert m.message(30, 15, m.status()).hex() == "041e000000120000000f011f000800000000"
    assert m.notification(989_540_519, 1_557_458_516_414_125, m.connection_attempt(0)).hex() == (
        "043f000000203afb30a700f600160080000c00058880119f8ead010000060000"
    )


def test_tags_are_laid_out_as_specified() -> None:
    """An EPC of 96 bits has a form of its own; others carry their length in bits."""
    short = m.TagSummary(
        epc=bytes.fromhex("3074257bf7194e4000001a85"),
        antenna=2,
        rssi_dbm=-56.4,
        first_us=1,
        last_us=2,
        count=70_000,
    )
    long = m.TagSummary(epc=bytes(18), antenna=1, rssi_dbm=-30.0, first_us=1, last_us=2, count=1)

    assert m.report(5, 1, [short])[10:].hex() == (
        "00f00033"
        "8d3074257bf7194e4000001a85"
        "8900000001"
        "810002"
        "86c8"
        "820000000000000001"
        "840000000000000002"
        "88ffff"
        "8c3000"
    )
    assert m.report(5, 1, [long])[14:38].hex() == "00f100180090" + "00" * 18


@given(body=st.binary(max_size=80))
def test_broken_requests_are_refused(body: bytes) -> None:
    """Whatever a client sends is understood or refused."""
    for take in (m.take_rospec, m.take_settings):
        try:
            take(body)
        except (m.BadRequestError, IndexError):
            continue
