"""Numbers in registers: types, orders, scaling and the probe."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.events import Fault, FaultWhy
from gateway.decode.modbus import (
    REGISTERS_MAX,
    RegisterType,
    WordOrder,
    decode_registers,
    decode_text,
    probe,
    probe_bits,
    register_count,
    reorder,
    word_order,
)

ORDERS = st.sampled_from(WordOrder)
TELEGRAF_TYPES = {
    "FIXED": {2: "int16", 4: "int32", 8: "int64"},
    "FLOAT16-IEEE": "float16",
    "FLOAT32-IEEE": "float32",
    "FLOAT64-IEEE": "float64",
}


def decode_vector(vector: dict[str, Any]) -> int | float | str | Fault:
    """Return what our decoder makes of one published vector."""
    data, order = bytes.fromhex(vector["wire_hex"]), word_order(vector["byteOrder"])
    if vector["dataType"] == "STRING":
        return decode_text(data, order)
    kind = TELEGRAF_TYPES.get(vector["dataType"], vector["dataType"].lower())
    name = kind[len(data)] if isinstance(kind, dict) else kind
    return decode_registers(
        data,
        RegisterType(name),
        order,
        scale=float(vector["scale"] or 1),
        bit=int(vector["bit"] or 0),
    )


def test_byte_order_vectors(captures: Path) -> None:
    """Every published vector gives its value, in every byte and word order."""
    for vector in json.loads((captures / "modbus" / "byte_order_vectors.json").read_text()):
        value = decode_vector(vector)
        if isinstance(value, str):
            assert value == json.loads(vector["expected"])
            continue
        kind, number = vector["expected"].rstrip(")").split("(")
        if kind.startswith("float"):
            assert value == pytest.approx(float(number), rel=1e-7)
        else:
            # The vectors' program scales in float64 and cuts the fraction off; we do neither.
            assert isinstance(value, int | float)
            assert int(float(value)) == int(float(number))


@pytest.mark.parametrize(
    ("wire", "kind", "order", "value"),
    [
        ("00010002", RegisterType.UINT32, WordOrder.ABCD, 65_538),
        ("00020001", RegisterType.UINT32, WordOrder.CDAB, 65_538),
        ("01000200", RegisterType.UINT32, WordOrder.BADC, 65_538),
        ("02000100", RegisterType.UINT32, WordOrder.DCBA, 65_538),
        ("fffffff6", RegisterType.INT32, WordOrder.ABCD, -10),
        ("1234", RegisterType.BCD16, WordOrder.ABCD, 1_234),
        ("56781234", RegisterType.BCD32, WordOrder.CDAB, 12_345_678),
        ("41c80000", RegisterType.FLOAT32, WordOrder.ABCD, 25.0),
    ],
)
def test_known_values(wire: str, kind: RegisterType, order: WordOrder, value: float) -> None:
    """One value in its four orders, and one of each family of types."""
    assert decode_registers(bytes.fromhex(wire), kind, order) == value


@given(st.integers(-(2**63), 2**63 - 1), ORDERS)
def test_64_bit_integers_stay_exact(value: int, order: WordOrder) -> None:
    """No float touches an integer that is not scaled."""
    wire = reorder(struct.pack(">q", value), order)  # Each order undoes itself.

    assert decode_registers(wire, RegisterType.INT64, order) == value


@given(st.binary(min_size=2, max_size=16).filter(lambda data: len(data) % 2 == 0), ORDERS)
def test_each_order_undoes_itself(data: bytes, order: WordOrder) -> None:
    """Reading in an order twice gives the wire bytes back."""
    assert reorder(reorder(data, order), order) == data


def test_scale_and_offset() -> None:
    """A raw 215 with scale 0.1 and offset -40 is -18.5."""
    value = decode_registers(
        b"\x00\xd7", RegisterType.INT16, WordOrder.ABCD, scale=0.1, offset=-40.0
    )

    assert value == pytest.approx(-18.5)


@pytest.mark.parametrize(
    ("wire", "kind", "why"),
    [
        ("7fc00000", RegisterType.FLOAT32, FaultWhy.NOT_A_NUMBER),
        ("7f800000", RegisterType.FLOAT32, FaultWhy.NOT_A_NUMBER),
        ("123a", RegisterType.BCD16, FaultWhy.BAD_BCD),
        ("0001", RegisterType.INT32, FaultWhy.BAD_LENGTH),
        ("000100", RegisterType.INT16, FaultWhy.BAD_LENGTH),
        ("", RegisterType.INT16, FaultWhy.BAD_LENGTH),
        ("4142", RegisterType.STRING, FaultWhy.BAD_LENGTH),
    ],
)
def test_what_is_no_number_is_a_fault(wire: str, kind: RegisterType, why: FaultWhy) -> None:
    """NaN, infinities, bad digits and wrong lengths never become a value."""
    event = decode_registers(bytes.fromhex(wire), kind, WordOrder.ABCD)

    assert isinstance(event, Fault)
    assert event.why is why


def test_every_bit_of_a_register() -> None:
    """Bit 0 is the least significant one."""
    bits = [
        decode_registers(b"\x80\x05", RegisterType.BIT, WordOrder.ABCD, bit=bit)
        for bit in range(16)
    ]

    assert [bit for bit, value in enumerate(bits) if value] == [0, 2, 15]
    assert list(probe_bits(b"\x80\x05")) == [(0, "1000000000000101")]


def test_the_probe_shows_every_type_and_order_at_every_register() -> None:
    """Each stretch that fits is shown once for each type and order."""
    rows = list(probe(bytes.fromhex("41c80000000a")))
    keys = {(row.register, row.type, row.order) for row in rows}

    assert len(keys) == len(rows)
    assert (0, RegisterType.FLOAT32, WordOrder.ABCD) in keys
    assert (1, RegisterType.FLOAT32, WordOrder.DCBA) in keys
    assert (2, RegisterType.FLOAT32, WordOrder.ABCD) not in keys
    found = {row.value for row in rows if row.type is RegisterType.FLOAT32 and row.register == 0}
    assert 25.0 in found


@given(st.binary(max_size=300))
def test_the_probe_refuses_or_shows_any_bytes(data: bytes) -> None:
    """Whole registers up to the limit are shown, everything else is refused by name."""
    if data and len(data) % 2 == 0 and len(data) <= 2 * REGISTERS_MAX:
        assert all(
            row.register + register_count(row.type) <= len(data) // 2 for row in probe(data)
        )
    else:
        with pytest.raises(ValueError, match=r"need 1\.\.125 registers"):
            list(probe(data))


def test_an_unknown_order_is_refused() -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(ValueError, match="'ACBD' is not one of ABCD, CDAB, BADC, DCBA"):
        word_order("ACBD")


def test_half_a_register_cannot_be_reordered() -> None:
    """An odd number of bytes is a programmer's mistake."""
    with pytest.raises(ValueError, match="3 bytes is not a whole number of registers"):
        reorder(b"abc", WordOrder.ABCD)


def test_text_that_is_none_is_a_fault() -> None:
    """Eight-bit characters and half registers are no text."""
    assert isinstance(decode_text(b"\xff\xfe", WordOrder.ABCD), Fault)
    assert isinstance(decode_text(b"abc", WordOrder.ABCD), Fault)
