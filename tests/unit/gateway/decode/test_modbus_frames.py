"""Modbus frames: only the answer to the request on its way counts, whatever else comes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.modbus_frames import (
    REPLY_BYTES_MAX,
    RTU_BUFFER_BYTES_MAX,
    Answer,
    LostFramesError,
    Refusal,
    Reply,
    Request,
    RtuFrames,
    TcpFrames,
    WrongReply,
    crc16,
    make_request,
)

DATA = bytes(range(8))
REQUEST = make_request(17, 3, 0x6B, 4)

requests = st.builds(
    make_request,
    unit=st.integers(0, 255),
    function=st.integers(1, 4),
    start=st.integers(0, 65_000),
    count=st.integers(1, 125),
)


def pdu(request: Request, data: bytes) -> bytes:
    """Return unit and PDU of an answer."""
    return bytes((request.unit, request.function, len(data))) + data


def tcp(transaction: int, unit_and_pdu: bytes) -> bytes:
    """Return a frame of Modbus on TCP/IP."""
    return transaction.to_bytes(2, "big") + b"\0\0" + bytes((0, len(unit_and_pdu))) + unit_and_pdu


def rtu(unit_and_pdu: bytes) -> bytes:
    """Return a frame of Modbus on a serial line."""
    return unit_and_pdu + crc16(unit_and_pdu)


def ask_rtu(request: Request = REQUEST) -> RtuFrames:
    """Return the frames of a line on which ``request`` was just asked."""
    frames = RtuFrames()
    frames.encode(request)
    return frames


def feed(frames: TcpFrames | RtuFrames, data: bytes, cuts: list[int]) -> list[Reply]:
    """Return the replies found in ``data``, which comes in pieces."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    return [reply for piece in pieces if (reply := frames.feed(piece)) is not None]


def test_crc_is_that_of_the_standard() -> None:
    """Modbus over serial line 1.02, appendix B: 02 07 has the CRC 12 41, low byte first 41 12."""
    assert crc16(bytes((0x02, 0x07))) == bytes((0x41, 0x12))


def test_request_is_as_the_standard_shows_it() -> None:
    """Modbus application protocol 1.1b3, 6.3: registers 108 to 110 of unit 17."""
    request = make_request(17, 3, 107, 3)

    assert TcpFrames().encode(request) == bytes.fromhex("0001 0000 0006 11 03 006B 0003")
    assert RtuFrames().encode(request) == bytes.fromhex("11 03 006B 0003 7687")
    assert (request.answer_bytes, make_request(1, 1, 0, 19).answer_bytes) == (6, 3)


@given(requests, st.lists(st.integers(0, 600), max_size=8), st.data())
def test_answer_is_found_however_it_is_cut(
    request: Request, cuts: list[int], data: st.DataObject
) -> None:
    """The pieces in which a connection hands bytes over change nothing."""
    answer = data.draw(st.binary(min_size=request.answer_bytes, max_size=request.answer_bytes))
    frames = TcpFrames()
    number = int.from_bytes(frames.encode(request)[:2], "big")

    assert feed(frames, tcp(number, pdu(request, answer)), cuts) == [Answer(answer)]
    assert feed(ask_rtu(request), rtu(pdu(request, answer)), cuts) == [Answer(answer)]


@given(st.integers(1, 30), st.lists(st.integers(0, 600), max_size=8))
def test_late_answers_on_tcp_are_counted_and_thrown_away(late: int, cuts: list[int]) -> None:
    """Answers to requests given up long ago come before the right one, which alone is taken."""
    frames = TcpFrames()
    old = b""
    for _ in range(late):
        number = int.from_bytes(frames.encode(REQUEST)[:2], "big")
        old += tcp(number, pdu(REQUEST, bytes(8)))
        assert frames.expire() == "no_answer"
    number = int.from_bytes(frames.encode(REQUEST)[:2], "big")

    assert feed(frames, old + tcp(number, pdu(REQUEST, DATA)), cuts) == [Answer(DATA)]
    assert frames.discarded == late


def test_answer_that_nobody_waits_for_is_thrown_away() -> None:
    """Also the right one, when it comes after its time."""
    frames = TcpFrames()
    number = int.from_bytes(frames.encode(REQUEST)[:2], "big")
    frames.expire()

    assert frames.feed(tcp(number, pdu(REQUEST, DATA))) is None


def test_numbers_go_round_without_zero() -> None:
    """After 65,535 comes 1: some devices answer everything as transaction 0."""
    frames = TcpFrames()
    numbers = {int.from_bytes(frames.encode(REQUEST)[:2], "big") for _ in range(70_000)}

    assert numbers == set(range(1, 65_536))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (bytes((17, 0x83, 2)), Refusal(2)),
        (pdu(REQUEST, DATA[:6]), WrongReply("short_answer")),
        (pdu(REQUEST, DATA + b"\0\0"), WrongReply("short_answer")),
        (bytes((17, 3, 8)) + DATA[:6], WrongReply("short_answer")),
        (bytes((18, 3, 8)) + DATA, WrongReply("wrong_unit")),
        (bytes((17, 4, 8)) + DATA, WrongReply("wrong_function")),
        (bytes((17, 0x84, 2)), WrongReply("wrong_function")),
    ],
)
def test_reply_that_is_no_answer_is_named(body: bytes, expected: Reply) -> None:
    """With the right number but another unit, function or length it is no answer."""
    frames = TcpFrames()
    number = int.from_bytes(frames.encode(REQUEST)[:2], "big")

    assert frames.feed(tcp(number, body)) == expected


@pytest.mark.parametrize("head", [b"HTTP/1.1 400", bytes(7), b"\0\1\0\0\0\xff\x11"])
def test_what_is_not_modbus_ends_the_connection(head: bytes) -> None:
    """There is no telling where the next frame begins."""
    frames = TcpFrames()
    frames.encode(REQUEST)
    with pytest.raises(LostFramesError):
        frames.feed(head)


@given(st.binary(max_size=3 * REPLY_BYTES_MAX), st.lists(st.integers(0, 600), max_size=8))
def test_noise_before_an_answer_is_skipped(noise: bytes, cuts: list[int]) -> None:
    """An echo, a late answer of another block, noise: the answer behind it is found."""
    frames = ask_rtu()

    assert feed(frames, noise + rtu(pdu(REQUEST, DATA)), cuts)[-1:] == [Answer(DATA)]


@given(st.integers(0, 8 * 13 - 1))
def test_flipped_bit_on_the_line_is_never_an_answer(bit: int) -> None:
    """The CRC covers every bit; what remains is garbled, and told apart from silence."""
    frame = bytearray(rtu(pdu(REQUEST, DATA)))
    frame[bit // 8] ^= 1 << bit % 8
    frames = ask_rtu()

    assert frames.feed(bytes(frame)) is None
    assert frames.expire() == "garbled_answer"
    frames.encode(REQUEST)
    assert frames.expire() == "no_answer"


def test_next_request_begins_on_a_clean_line() -> None:
    """Half an answer that came too late does not go into the next one."""
    frames = ask_rtu()
    answer = rtu(pdu(REQUEST, DATA))
    frames.feed(answer[:9])
    frames.expire()
    assert frames.feed(answer[9:]) is None
    frames.encode(REQUEST)

    assert frames.feed(answer) == Answer(DATA)


def test_refusal_on_the_line_needs_its_crc() -> None:
    """An exception response is taken with its CRC only."""
    assert ask_rtu().feed(bytes((17, 0x83, 2, 0, 0))) is None
    assert ask_rtu().feed(rtu(bytes((17, 0x83, 2)))) == Refusal(2)


def test_babbling_line_costs_no_memory() -> None:
    """What a line says without end is kept up to a bound."""
    frames = ask_rtu()
    for _ in range(1_000):
        frames.feed(bytes(1_000))
    frames.encode(REQUEST)

    assert frames.discarded <= RTU_BUFFER_BYTES_MAX
    assert frames.feed(rtu(pdu(REQUEST, DATA))) == Answer(DATA)
