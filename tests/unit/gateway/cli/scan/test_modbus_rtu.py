"""The frames with which a bus is searched are those of the standard."""

from gateway.cli.scan.modbus_rtu import (
    ENCAPSULATED,
    READ_HOLDING,
    answers,
    decode_identity,
    encode_identify,
    encode_read,
)
from gateway.decode.modbus_frames import crc16


def framed(hex_text: str) -> bytes:
    """Return a frame with its CRC."""
    body = bytes.fromhex(hex_text)
    return body + crc16(body)


def test_request_is_the_well_known_one() -> None:
    """Unit 1, register 0, one register: the frame that every manual prints."""
    assert encode_read(1).hex() == "010300000001840a"


def test_data_and_exceptions_are_answers() -> None:
    """A device that refuses the address is there all the same."""
    assert answers(framed("0103021234"), 1, READ_HOLDING)
    assert answers(framed("018302"), 1, READ_HOLDING)


def test_anything_else_is_none() -> None:
    """Another unit, another function, a torn CRC, an echo of two bytes, nothing."""
    assert not answers(framed("0203021234"), 1, READ_HOLDING)
    assert not answers(framed("0104021234"), 1, READ_HOLDING)
    assert not answers(framed("0103021234")[:-1] + b"\0", 1, READ_HOLDING)
    assert not answers(b"\0\0", 0, READ_HOLDING)
    assert not answers(b"", 1, READ_HOLDING)


def test_identity_is_read() -> None:
    """Vendor, product and revision, as in the standard's example of function 43/14."""
    objects = b"".join(
        bytes((number, len(text))) + text
        for number, text in enumerate((b"Company", b"Product", b"V2.1"))
    )
    answer = framed((bytes((1, ENCAPSULATED, 0x0E, 1, 1, 0, 0, 3)) + objects).hex())

    assert decode_identity(answer, 1) == "Company Product V2.1"
    assert encode_identify(1)[:-2].hex() == "012b0e0100"


def test_torn_identity_is_cut_not_believed() -> None:
    """A length that points beyond the frame, and text that is no text, do no harm."""
    assert decode_identity(framed("012b0e0101000001" + "00ff4142"), 1) == "AB"
    assert decode_identity(framed("012b0e01010000ff" + "000141"), 1) == "A"
    assert decode_identity(framed("01ab01"), 1) == ""
    assert decode_identity(b"", 1) == ""
