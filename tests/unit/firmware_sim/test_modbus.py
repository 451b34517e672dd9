"""The Modbus slave's protocol and register maps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices.modbus import (
    RTU_BYTES_MAX,
    Bank,
    answer,
    crc16,
    rtu_reply,
    signed32,
    take_rtu_request,
    tcp_length,
    tcp_reply,
)
from firmware_sim.devices.modbus_units import (
    climate_transmitter,
    door_contact,
    shock_transmitter,
    weighing_transmitter,
)

BANK = Bank(
    coils={n: n % 3 == 0 for n in range(20)},
    holding={107: 0x022B, 108: 0x0000, 109: 0x0064},
    inputs={8: 0x000A},
    identity=("Vendor", "Product", "1.0"),
)


@pytest.mark.parametrize(
    ("request_hex", "reply_hex"),
    [
        # Examples of Modbus Application Protocol V1.1b3: 6.3 (holding 108-110) and 6.4.
        pytest.param("03006B0003", "0306022B00000064", id="read holding"),
        pytest.param("0400080001", "0402000A", id="read input"),
        pytest.param("03006B0004", "8302", id="address beyond the table"),
        pytest.param("03006B0000", "8303", id="no registers asked for"),
        pytest.param("03006B007E", "8303", id="126 registers"),
        pytest.param("0600010003", "8601", id="write refused"),
        pytest.param("0200000001", "8201", id="no discrete inputs here"),
        pytest.param("0100000009", "01024900", id="coils, first bit lowest"),
        pytest.param("2B0E0200", "AB03", id="identity, regular level"),
        pytest.param(
            "2B0E0100",
            "2B0E01010000030006" + b"Vendor".hex() + "0107" + b"Product".hex() + "0203312E30",
            id="identity, basic level",
        ),
    ],
)
def test_pdu_against_the_standard(request_hex: str, reply_hex: str) -> None:
    """Requests are answered as the standard's examples are, and refused with its codes."""
    assert answer(bytes.fromhex(request_hex), BANK) == bytes.fromhex(reply_hex)


def test_crc_of_a_published_frame() -> None:
    """The CRC of the much printed request 01 03 00 00 00 0A is C5 CD on the wire."""
    assert crc16(bytes.fromhex("01030000000A")) == bytes.fromhex("C5CD")


def test_rtu_requests_are_cut_out_of_the_stream() -> None:
    """Two requests in one chunk are both found; half a request waits."""
    one = bytes.fromhex("01030000000AC5CD")
    pending = bytearray(one + one[:5])

    assert take_rtu_request(pending) == (1, bytes.fromhex("030000000A"))
    assert take_rtu_request(pending) is None
    pending += one[5:]
    assert take_rtu_request(pending) == (1, bytes.fromhex("030000000A"))


@given(st.binary(max_size=600))
def test_noise_on_the_serial_line_is_bounded(noise: bytes) -> None:
    """Noise is never answered for long nor kept beyond a frame."""
    pending = bytearray()
    for byte in noise:
        pending.append(byte)
        take_rtu_request(pending)
        assert len(pending) <= RTU_BYTES_MAX


def test_rtu_and_tcp_framing() -> None:
    """A reply carries the unit and its CRC on a line, the transaction and length on TCP."""
    body = bytes.fromhex("010402000A")
    assert rtu_reply(1, body[1:]) == body + crc16(body)
    assert tcp_reply(b"\x15\x01", 0xFF, b"\x83\x02") == bytes.fromhex("150100000003FF8302")
    assert tcp_length(bytes.fromhex("150100000006")) == 6
    assert tcp_length(b"GET / ") is None


@given(st.integers(-(2**31), 2**31 - 1))
def test_signed32_is_high_word_first(value: int) -> None:
    """Two registers hold a 32-bit integer, high word first."""
    high, low = signed32(value)

    assert int.from_bytes(high.to_bytes(2, "big") + low.to_bytes(2, "big"), signed=True) == value


def test_laumas_map() -> None:
    """Gross and net kilograms are at 40008 and 40010, stability is bit 11 of 40007."""
    bank = weighing_transmitter(mass_g=6_160_240.0, stable=True, capacity_g=10_000_000)

    reply = answer(bytes.fromhex("0300060005"), bank)
    assert reply == bytes.fromhex("030A 0800 00001810 00001810".replace(" ", ""))
    assert answer(bytes.fromhex("0300000021"), bank) == bytes.fromhex("8303")  # 33 registers


@pytest.mark.parametrize(
    ("mass_g", "stable", "status"),
    [
        (0.0, True, 0x1800),
        (500_000.0, False, 0x0000),
        (-2_000.0, True, 0x0980),
        (1.2e7, True, 0x080C),
    ],
)
def test_laumas_status_bits(mass_g: float, stable: bool, status: int) -> None:
    """Motion, zero, sign and overload show in the status register (Laumas LCB manual p. 3)."""
    bank = weighing_transmitter(mass_g=mass_g, stable=stable, capacity_g=10_000_000)

    assert bank.holding[6] == status


def test_climate_shock_and_door_registers() -> None:
    """Frost is two's complement in tenths, shock is in thousandths of g, an open door is 1."""
    climate = climate_transmitter(temperature_c=-18.04, humidity_pct=80.06)

    assert answer(bytes.fromhex("0400010002"), climate) == bytes.fromhex("0404FF4C0321")
    shock = shock_transmitter(peak_g=6.5, hold_s=3.0)
    assert answer(bytes.fromhex("0400000001"), shock) == bytes.fromhex("04021964")
    assert answer(bytes.fromhex("0200000001"), door_contact(is_open=True)) == b"\x02\x01\x01"
    assert answer(bytes.fromhex("0200000001"), door_contact(is_open=False)) == b"\x02\x01\x00"
