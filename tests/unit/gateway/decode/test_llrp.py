"""What LLRP messages say, against captured ones and against the specification's own layouts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.events import (
    Event,
    Fault,
    FaultWhy,
    ReaderCapabilities,
    ReaderEvent,
    ReaderMessage,
    ReaderWhat,
    TagReport,
)
from gateway.decode.lines import json_line
from gateway.decode.llrp import (
    LlrpDecoder,
    decode_antennas,
    decode_message,
    decode_status,
)
from gateway.decode.llrp_commands import (
    add_rospec,
    close_connection,
    delete_access_specs,
    delete_rospecs,
    enable_events,
    enable_rospec,
    get_antennas,
    get_capabilities,
    keepalive_ack,
    set_config,
    start_rospec,
    stop_rospec,
)
from gateway.decode.llrp_wire import LlrpFramer, Message, MessageType, WireError, encode_message

EPC = bytes.fromhex("3074257bf7194e4000001a85")


def decode(*messages: bytes) -> list[Event]:
    """Return what a fresh decoder makes of ``messages``, and at their end."""
    decoder = LlrpDecoder()
    return decoder.feed(b"".join(messages)) + decoder.flush()


def tlv(kind: int, body: bytes) -> bytes:
    """Return a parameter with a length."""
    return kind.to_bytes(2, "big") + (4 + len(body)).to_bytes(2, "big") + body


def report(*tags: bytes) -> bytes:
    """Return an RO_ACCESS_REPORT of TagReportData bodies."""
    return encode_message(61, 7, b"".join(tlv(240, tag) for tag in tags))


def notice(*parameters: bytes, time_us: int = 1_700_000_000_000_000) -> bytes:
    """Return a READER_EVENT_NOTIFICATION."""
    stamp = tlv(128, time_us.to_bytes(8, "big"))
    return encode_message(63, 9, tlv(246, stamp + b"".join(parameters)))


def rospec_event(step: int) -> bytes:
    """Return an event of ROSpec 1: 0 start, 1 end, 2 preempted by ROSpec 2."""
    return tlv(249, bytes((step,)) + (1).to_bytes(4, "big") + (2).to_bytes(4, "big"))


@pytest.fixture(scope="module")
def frames(captures: Path) -> dict[str, dict[str, Any]]:
    """Return the captured messages by name."""
    path = captures / "rfid" / "llrp_frames.json"
    return {frame["test"]: frame for frame in json.loads(path.read_text(encoding="utf-8"))}


def captured(frames: dict[str, dict[str, Any]], name: str) -> list[Event]:
    """Return what one captured message says."""
    return decode(bytes.fromhex(frames[name]["hex"]))


def test_every_captured_header(frames: dict[str, dict[str, Any]]) -> None:
    """Version, type, length and id of each are what its capture says, and it encodes to itself."""
    for frame in frames.values():
        data = bytes.fromhex(frame["hex"])
        (message,) = LlrpFramer().feed(data)
        asserted = dict(a.split(", ", 1) for a in frame["asserts"] if a.startswith("raw.id"))

        assert isinstance(message, Message)
        assert (message.version, message.type) == (frame["ver"], frame["msg_type"])
        assert message.id == int(asserted["raw.id"])
        assert len(message.body) == frame["len_field"] - 10
        assert encode_message(message.type, message.id, message.body) == data
        assert not any(isinstance(event, Fault) for event in decode_message(message))


def test_captured_connection_attempt(frames: dict[str, dict[str, Any]]) -> None:
    """A reader's first word is whether it takes the client, and its time."""
    assert captured(frames, "reader_event_notifications_conn_attempt") == [
        ReaderEvent(
            what=ReaderWhat.CONNECTED, antenna=None, text="", time_us=1_557_458_516_414_125
        )
    ]


def test_captured_reports(frames: dict[str, dict[str, Any]]) -> None:
    """Tags with results of operations behind them are read; an empty report is a sign of life."""
    (read,) = captured(frames, "ro_access_report_read")
    (written,) = captured(frames, "ro_access_report_blockwrite")
    (empty,) = captured(frames, "ro_access_report_simple")

    assert read == TagReport(
        epc=bytes.fromhex("0b0300000000000000510238"),
        rssi_dbm=-68.0,
        antenna=1,
        first_seen_us=0x588801983AB7E,
    )
    assert written == TagReport(
        epc=bytes.fromhex("0b0300000000000000510238"),
        rssi_dbm=-68.0,
        antenna=1,
        first_seen_us=0x58880197FBDDD,
    )
    assert isinstance(empty, ReaderMessage)
    assert (empty.name, empty.status) == ("RO_ACCESS_REPORT", None)


def test_captured_capabilities(frames: dict[str, dict[str, Any]]) -> None:
    """A reader says what it is, among much that is skipped."""
    answer, capabilities = captured(frames, "get_reader_capabilities_response")

    assert isinstance(answer, ReaderMessage)
    assert answer.status == 0
    assert capabilities == ReaderCapabilities(
        antennas=4,
        utc_clock=True,
        manufacturer=25_882,
        model=2_001_002,
        firmware="5.2.1.240",
        warns=True,
        holds=True,
    )


@pytest.mark.parametrize("name", ["add_ro_spec_response", "close_connection_response"])
def test_captured_answers(frames: dict[str, dict[str, Any]], name: str) -> None:
    """An answer says how it went."""
    (answer,) = captured(frames, name)

    assert isinstance(answer, ReaderMessage)
    assert (answer.status, answer.text) == (0, "")


def test_a_report_with_every_field() -> None:
    """Each field of a tag is read; what a vendor or an operation adds is skipped."""
    tag = (
        tlv(241, (144).to_bytes(2, "big") + bytes(range(18)))
        + bytes.fromhex("8900000001 8e0001 8a0001 810003 86c8 870005".replace(" ", ""))
        + b"\x82"
        + (1_700_000_000_000_001).to_bytes(8, "big")
        + b"\x83"
        + (5).to_bytes(8, "big")
        + b"\x84"
        + (1_700_000_000_000_002).to_bytes(8, "big")
        + b"\x85"
        + (6).to_bytes(8, "big")
        + bytes.fromhex("88000b 8c4c00 8b1234 9000000009".replace(" ", ""))
        + tlv(1023, bytes.fromhex("0000651a00000039ff38"))
        + tlv(349, bytes.fromhex("00002900020000e280"))
    )

    assert decode(report(tag)) == [
        TagReport(
            epc=bytes(range(18)),
            rssi_dbm=-56.0,
            antenna=3,
            pc=0x4C00,
            count=11,
            first_seen_us=1_700_000_000_000_001,
            last_seen_us=1_700_000_000_000_002,
            first_seen_uptime_us=5,
            last_seen_uptime_us=6,
            rospec=1,
            channel=5,
            access_spec=9,
        )
    ]


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        pytest.param(b"\x81\x00\x01", FaultWhy.MALFORMED, id="no EPC"),
        pytest.param(tlv(241, b"\x00\x00"), FaultWhy.BAD_LENGTH, id="an EPC of no bits"),
        pytest.param(tlv(241, b"\x00\x60\x30"), FaultWhy.BAD_LENGTH, id="fewer bytes than bits"),
        pytest.param(tlv(241, b"\x02\x00" + bytes(64)), FaultWhy.BAD_LENGTH, id="too long"),
        pytest.param(b"\x8d" + EPC + b"\x81\x01\x00", FaultWhy.MALFORMED, id="antenna 256"),
        pytest.param(b"\x8d" + EPC[:5], FaultWhy.TRUNCATED, id="cut short"),
    ],
)
def test_a_broken_tag_costs_no_other(tag: bytes, why: FaultWhy) -> None:
    """The tags before and after it in the same report are read."""
    good = b"\x8d" + EPC
    first, broken, last = decode(report(good, tag, good))

    assert isinstance(first, TagReport)
    assert first == last
    assert isinstance(broken, Fault)
    assert broken.why is why


def test_an_epc_of_odd_bits_keeps_its_whole_bytes() -> None:
    """Nine bits are two bytes on the wire, and are kept as those."""
    (tag,) = decode(report(tlv(241, b"\x00\x09\xab\x80")))

    assert isinstance(tag, TagReport)
    assert tag.epc == b"\xab\x80"


def test_a_time_beyond_all_time_is_no_time() -> None:
    """A reader whose clock holds nonsense still reports its tags."""
    (tag,) = decode(report(b"\x8d" + EPC + b"\x84" + b"\xff" * 8))

    assert isinstance(tag, TagReport)
    assert (tag.epc, tag.last_seen_us) == (EPC, None)
    assert json_line(tag)["last_seen"] is None


@pytest.mark.parametrize(
    ("parameter", "what", "antenna", "text"),
    [
        (tlv(255, b"\x00\x00\x02"), ReaderWhat.ANTENNA_DISCONNECTED, 2, ""),
        (tlv(255, b"\x01\x00\x02"), ReaderWhat.ANTENNA_CONNECTED, 2, ""),
        (tlv(252, b"\x00\x03hot\x81\x00\x04"), ReaderWhat.READER_EXCEPTION, 4, "hot"),
        (tlv(252, b"\x00\x03hot"), ReaderWhat.READER_EXCEPTION, None, "hot"),
        (tlv(250, b"\x5a"), ReaderWhat.BUFFER_WARNING, None, "90 % full"),
        (tlv(251, b""), ReaderWhat.BUFFER_OVERFLOW, None, ""),
        (tlv(249, b"\x00\x00\x00\x00\x01\x00\x00\x00\x00"), ReaderWhat.ROSPEC_STARTED, None, None),
        (tlv(249, b"\x01\x00\x00\x00\x01\x00\x00\x00\x00"), ReaderWhat.ROSPEC_ENDED, None, None),
        (
            tlv(249, b"\x02\x00\x00\x00\x01\x00\x00\x00\x02"),
            ReaderWhat.ROSPEC_PREEMPTED,
            None,
            None,
        ),
        (tlv(254, b"\x00\x00\x00\x00\x01\x00\x01"), ReaderWhat.AISPEC_ENDED, None, "ROSpec 1"),
        (tlv(248, b"\x00\x03\x80"), ReaderWhat.GPI, None, "input 3 on"),
        (tlv(257, b""), ReaderWhat.CONNECTION_CLOSED, None, ""),
        (tlv(256, b"\x00\x02"), ReaderWhat.CONNECTION_REFUSED, None, None),
        (tlv(256, b"\x00\x04"), ReaderWhat.OTHER_CLIENT, None, None),
    ],
)
def test_events_of_a_reader(
    parameter: bytes, what: ReaderWhat, antenna: int | None, text: str | None
) -> None:
    """Each kind of event is named, with its antenna and its text."""
    (event,) = decode(notice(parameter))

    assert isinstance(event, ReaderEvent)
    assert (event.what, event.antenna, event.time_us) == (what, antenna, 1_700_000_000_000_000)
    assert text is None or event.text == text


def test_an_event_of_a_vendor_alone_is_a_sign_of_life() -> None:
    """A notification that holds nothing known is a message like others."""
    (event,) = decode(notice(tlv(1023, bytes(8))))

    assert isinstance(event, ReaderMessage)
    assert event.name == "READER_EVENT_NOTIFICATION"


def test_a_broken_message_costs_only_itself() -> None:
    """The framing holds: the next message is read."""
    keepalive = encode_message(62, 3)
    broken, alive = decode(encode_message(63, 1, b"\x00\xf6\x00\x09"), keepalive)

    assert isinstance(broken, Fault)
    assert isinstance(alive, ReaderMessage)
    assert (alive.name, alive.number) == ("KEEPALIVE", 3)


def test_a_refusal_says_why() -> None:
    """Status and text of an answer or an error are read; a missing status is a named fault."""
    status = tlv(287, (401).to_bytes(2, "big") + b"\x00\x04oven" + tlv(288, bytes(4)))
    message = Message(version=1, type=MessageType.ERROR_MESSAGE, id=1, body=status)

    assert decode_status(message) == (401, "oven")
    with pytest.raises(WireError, match="without LLRPStatus"):
        decode_status(Message(version=1, type=100, id=1, body=b""))


def test_which_antennas_are_connected() -> None:
    """Each antenna's connection is one bit of its properties."""
    body = tlv(221, b"\x80\x00\x01\x00\x00") + tlv(221, b"\x00\x00\x02\x00\x00")

    assert decode_antennas(Message(version=1, type=12, id=1, body=body)) == {1: True, 2: False}


# The layouts of LLRP 1.0.1, written out by hand from its chapter of binary encodings.
REQUESTS = [
    (get_capabilities(1), "0401 0000000b 00000001 00"),
    (get_antennas(2), "0402 00000011 00000002 0000 02 0000 0000"),
    (
        set_config(3, keepalive_ms=5_000, warns=True, holds=True),
        "0403 00000040 00000003 00"
        "00f4 0027 00f50007000280 00f50007000480 00f50007000680 00f50007000880 00f50007000380"
        "00dc 0009 01 00001388 00e2 0005 00",
    ),
    (
        set_config(3, keepalive_ms=5_000, warns=False, holds=False),
        "0403 00000034 00000003 00"
        "00f4 0020 00f50007000280 00f50007000480 00f50007000680 00f50007000880"
        "00dc 0009 01 00001388",
    ),
    (enable_events(3), "0440 0000000a 00000003"),
    (delete_rospecs(4), "0415 0000000e 00000004 00000000"),
    (delete_access_specs(5), "0429 0000000e 00000005 00000000"),
    (
        add_rospec(6, antennas=(1, 3), round_ms=500, per_tag=False),
        "0414 00000052 00000006 00b1 0048 00000001 00 00"
        "00b2 0012 00b3 0005 00 00b6 0009 00 00000000"
        "00b7 001a 0002 0001 0003 00b8 0009 01 000001f4 00ba 0007 0001 01"
        "00ed 0012 01 0000 00ee 000b 9780 015c 0005 40",
    ),
    (enable_rospec(7), "0418 0000000e 00000007 00000001"),
    (start_rospec(8), "0416 0000000e 00000008 00000001"),
    (stop_rospec(9), "0417 0000000e 00000009 00000001"),
    (keepalive_ack(10), "0448 0000000a 0000000a"),
    (close_connection(11), "040e 0000000a 0000000b"),
]


@pytest.mark.parametrize(("request_bytes", "expected"), REQUESTS)
def test_requests_are_laid_out_as_specified(request_bytes: bytes, expected: str) -> None:
    """Every request is the bytes of the specification."""
    assert request_bytes.hex() == bytes.fromhex(expected.replace(" ", "")).hex()


@given(kind=st.sampled_from([*MessageType]), body=st.binary(max_size=120))
def test_no_body_raises(kind: MessageType, body: bytes) -> None:
    """Whatever a message of any type holds, it is events, and each is a JSON line."""
    for event in decode(encode_message(kind, 1, body)):
        json.dumps(json_line(event), allow_nan=False)


@given(data=st.data())
def test_a_flipped_or_cut_report_never_raises(data: st.DataObject) -> None:
    """Truncated or corrupt inside a good frame: tags, faults, nothing else."""
    body = bytearray(
        report(b"\x8d" + EPC + b"\x81\x00\x01\x86\xc8", tlv(241, b"\x00\x08\xaa"))[10:]
    )
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))

    for event in decode(encode_message(61, 1, bytes(body[:cut]))):
        assert isinstance(event, TagReport | Fault | ReaderMessage)
