"""LLRP's framing and parameters: split anywhere, cut short, or nonsense."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.decode.events import Fault, FaultWhy
from gateway.decode.llrp_wire import (
    MESSAGE_BYTES_MAX,
    LlrpFramer,
    Message,
    Parameter,
    ParameterType,
    WireError,
    encode_message,
    find_parameter,
    read_parameters,
    utf8,
)

KEEPALIVE = bytes.fromhex("043e0000000a00000007")


def frame(*chunks: bytes) -> list[Message | Fault]:
    """Return what a fresh framer makes of ``chunks``, and at their end."""
    framer = LlrpFramer()
    return [part for chunk in chunks for part in framer.feed(chunk)] + framer.flush()


messages = st.builds(
    Message,
    version=st.sampled_from((1, 2)),
    type=st.integers(0, 1023),
    id=st.integers(0, 2**32 - 1),
    body=st.binary(max_size=60),
)


@given(sent=st.lists(messages, max_size=5), data=st.data())
def test_messages_arrive_however_they_are_cut(sent: list[Message], data: st.DataObject) -> None:
    """What was encoded comes out, whatever the chunks."""
    stream = b"".join(encode_message(m.type, m.id, m.body, version=m.version) for m in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))

    assert frame(*(stream[a:b] for a, b in pairwise([0, *cuts, len(stream)]))) == sent


def test_message_is_complete_with_its_last_byte() -> None:
    """A message split at every byte is there when its last byte is, not before."""
    framer = LlrpFramer()

    assert [len(framer.feed(KEEPALIVE[i : i + 1])) for i in range(10)] == [0] * 9 + [1]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        pytest.param("843e0000000a00000007", FaultWhy.MALFORMED, id="reserved bit"),
        pytest.param("003e0000000a00000007", FaultWhy.MALFORMED, id="version 0"),
        pytest.param("0c3e0000000a00000007", FaultWhy.MALFORMED, id="version 3"),
        pytest.param("043e0000000900000007", FaultWhy.BAD_LENGTH, id="shorter than a header"),
        pytest.param("043e0004000100000007", FaultWhy.TOO_LONG, id="beyond the bound"),
        pytest.param("485454502f312e312034", FaultWhy.MALFORMED, id="HTTP"),
        pytest.param("15030300020228000000", FaultWhy.MALFORMED, id="TLS"),
    ],
)
def test_a_nonsense_header_ends_the_stream(header: str, why: FaultWhy) -> None:
    """It is named once, and nothing behind it is believed."""
    data = bytes.fromhex(header)

    assert frame(KEEPALIVE + data, KEEPALIVE, KEEPALIVE)[1:] == [Fault(why=why, bytes=data)]


def test_the_longest_message_is_taken() -> None:
    """The bound itself is allowed; one byte more cannot be encoded."""
    body = bytes(MESSAGE_BYTES_MAX - 10)
    (message,) = frame(encode_message(61, 1, body))

    assert isinstance(message, Message)
    assert message.body == body
    with pytest.raises(ValueError, match="at most 262144"):
        encode_message(61, 1, body + b"\0")


def test_a_message_that_never_ended_is_a_fault() -> None:
    """What was pending when the connection ended is named, and the next one begins anew."""
    framer = LlrpFramer()
    framer.feed(KEEPALIVE[:7])

    assert framer.flush() == [Fault(why=FaultWhy.TRUNCATED, bytes=KEEPALIVE[:7])]
    assert len(framer.feed(KEEPALIVE)) == 1


@given(noise=st.binary(max_size=200))
@example(noise=b"\xff" * 20)
def test_noise_never_raises_and_makes_one_fault_at_most(noise: bytes) -> None:
    """Any bytes are messages, then at most one fault."""
    parts = frame(noise)

    assert all(isinstance(part, Message) for part in parts[:-1])


def test_parameters_of_both_forms() -> None:
    """Parameters with and without a length stand side by side; reserved bits are ignored."""
    data = bytes.fromhex("81000300f10006abcd7c800005ff86c8")

    assert list(read_parameters(data)) == [
        Parameter(type=1, body=b"\x00\x03"),
        Parameter(type=241, body=b"\xab\xcd"),
        Parameter(type=128, body=b"\xff"),
        Parameter(type=6, body=b"\xc8"),
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param("ff00", FaultWhy.MALFORMED, id="no length, and none known"),
        pytest.param("8100", FaultWhy.TRUNCATED, id="short of its fixed length"),
        pytest.param("00f1", FaultWhy.TRUNCATED, id="no room for a length"),
        pytest.param("00f10003", FaultWhy.BAD_LENGTH, id="shorter than its own head"),
        pytest.param("00f10006ab", FaultWhy.TRUNCATED, id="reaches beyond the end"),
        pytest.param("00060005c8", FaultWhy.MALFORMED, id="a length where there is none"),
    ],
)
def test_broken_parameters_are_named(data: str, why: FaultWhy) -> None:
    """The one exception of this package says which fault it is."""
    with pytest.raises(WireError) as caught:
        list(read_parameters(bytes.fromhex(data)))

    assert caught.value.why is why


@given(data=st.binary(max_size=120))
def test_any_parameters_raise_nothing_but_the_named_fault(data: bytes) -> None:
    """Whatever a message holds, it is parameters or a WireError."""
    try:
        parameters = list(read_parameters(data))
    except WireError:
        return
    sizes = [len(p.body) + (1 if p.type < 128 else 4) for p in parameters]
    assert sum(sizes) == len(data)


def test_texts_end_where_they_say() -> None:
    """A text is as long as its own count, and bytes that are no UTF-8 cost nothing else."""
    assert utf8(b"\x00\x03a\xffbc", 0) == ("a\ufffdb", 5)
    with pytest.raises(WireError):
        utf8(b"\x00\x03ab", 0)


def test_the_first_parameter_of_a_type_is_found() -> None:
    """Of several the first counts; none is None."""
    data = bytes.fromhex("810003810004")

    assert find_parameter(data, ParameterType.ANTENNA_ID) == b"\x00\x03"
    assert find_parameter(data, ParameterType.PEAK_RSSI) is None
