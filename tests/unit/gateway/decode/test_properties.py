"""What every family's decoder must hold, whatever the bytes."""

import json
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.protocols import Validator

from gateway.decode.events import (
    FAULT_BYTES_MAX,
    Decoder,
    Event,
    Fault,
    Fix,
    Position,
    ReaderReply,
)
from gateway.decode.families import FAMILIES
from gateway.decode.lines import json_line
from gateway.decode.yrm100 import crc16_gen2

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "schemas" / "decode-lines.schema.json").read_text(encoding="utf-8"))
VALIDATOR: Validator = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def nmea(body: str) -> bytes:
    """Return a sentence with its checksum."""
    total = 0
    for char in body.encode():
        total ^= char
    return f"${body}*{total:02X}\r\n".encode()


def tag(epc: bytes, rssi: int = 0xC4) -> bytes:
    """Return a YRM100 tag notification."""
    pc = (len(epc) // 2 << 11).to_bytes(2, "big")
    parameters = bytes((rssi,)) + pc + epc + crc16_gen2(pc + epc).to_bytes(2, "big")
    body = b"\x02\x22" + len(parameters).to_bytes(2, "big") + parameters
    return b"\xbb" + body + bytes((sum(body) & 0xFF,)) + b"\x7e"


def message(topic: str, payload: object) -> bytes:
    """Return a captured MQTT message."""
    return json.dumps({"topic": topic, "payload": payload}).encode() + b"\n"


def yr903(command: int, data: bytes) -> bytes:
    """Return a frame of a YR903, its check such that all bytes sum to zero."""
    body = bytes((0xA0, 3 + len(data), 1, command)) + data
    return body + bytes((-sum(body) & 0xFF,))


def ubx(kind: int, number: int, payload: bytes) -> bytes:
    """Return a UBX frame."""
    body = bytes((kind, number)) + len(payload).to_bytes(2, "little") + payload
    a = b = 0
    for byte in body:
        a = (a + byte) % 256
        b = (b + a) % 256
    return b"\xb5\x62" + body + bytes((a, b))


# 2026-01-02 12:00:00, 3D, 9 satellites, 4.05 E 51.95 N, 2.5 m.
PVT = ubx(
    0x01,
    0x07,
    bytes.fromhex("00000000ea0701020c000007000000000000000003010009")
    + struct.pack("<ii", 40_500_000, 519_500_000)
    + bytes(8)
    + (2_500).to_bytes(4, "little")
    + bytes(48),
)
TFO = (
    b"F      0.0\rH      0.0\rQ      0.0\rX      0.0\rA    366.0\r0     23.0\r4    343.5\r"
    b"1      0.0\r2       0\rB\x83\rC20\xf4 02\xf3 2023\xf2 MON 09:20AM\rV1\r\n"
)
SCENE = {"UtcTime": "2026-01-02T03:04:05Z", "Source": {"V": "v0"}, "Data": {"State": "true"}}
TRACKED = {
    "id": "1.5-a",
    "camera": "dock",
    "label": "person",
    "score": 0.9,
    "current_zones": ["gate"],
    "start_time": 1.5,
    "end_time": None,
}
REVIEW = {"id": "2.5-b", "camera": "dock", "severity": "alert", "data": {"objects": ["person"]}}
NOTE = {"type": "face", "id": "1.5-a", "name": "visitor", "timestamp": 1.25}
# ROSpec 1, antenna 1, -56 dBm, 3 reads, first seen.
LLRP_FIELDS = bytes.fromhex("890000000181000186c888000382000588801983ab7e")
# For each family: good frames, and faults that it names.
FRAMES: dict[str, list[bytes]] = {
    "nmea": [
        nmea("GPRMC,120000.00,A,5157.00000,N,00403.00000,E,0.1,,020126,,,A"),
        nmea("GPGGA,120000.00,5157.00000,N,00403.00000,E,1,08,0.9,5.0,M,46.0,M,,"),
        nmea("GPGGA,120001.00,,,,,0,00,99.99,,,,,,"),
        nmea("GNGSA,A,3,01,02,03,04,,,,,,,,,1.5,0.9,1.2,1"),
        b"$GPGGA,120001.00,5157.00000,N,00403.00000,E,1,08,0.9,5.0,M,46.0,M,,*00\r\n",
        b"\0\0",
    ],
    "ubx": [
        PVT,
        nmea("GPGGA,120001.00,5157.00000,N,00403.00000,E,1,08,0.9,5.0,M,46.0,M,,"),
        ubx(0x01, 0x03, bytes((0, 0, 0, 0, 3, 0x0D, 0, 0x10)) + bytes(8)),
        ubx(0x0A, 0x09, bytes(22) + b"\x0c" + bytes(22) + b"\x40" + bytes(14)),
        ubx(0x27, 0x09, bytes((2, 0x1B, 0, 0))),
        b"\xb5\x62\x01\x07\x5c\x00",
        PVT[:-1] + b"\x00",
    ],
    "gpsd": [
        b'{"class":"TPV","device":"/dev/ttyACM0","mode":3,"time":"2026-01-02T12:00:00.500Z",'
        b'"lat":51.95,"lon":4.05,"eph":3.2,"speed":0.1}\r\n',
        b'{"class":"SKY","device":"/dev/ttyACM0","hdop":0.9,"uSat":9,"satellites":[]}\r\n',
        b'{"class":"TPV","device":"/dev/ttyACM0","mode":1}\r\n',
        b'{"class":"ERROR","message":"Unrecognized request"}\r\n',
        b'{"class":"TPV","mode":3,"lat":95,"lon":4}\r\n',
        b'{"class":"DEVICES","devices":[]}\r\n',
    ],
    "scale-ad": [b"ST,GS,+0012.34kg\r\n", b"US,NT,-0000.50kg\r\n", b"OL,GS,     .  kg\r\n"],
    "scale-tscale": [b"ST,GS    20.7g  \r\n", b"US,GS,   245.6 g\r\n", b"ST,GS  1.0 pcs\r\n"],
    "scale-ohaus": [
        b"-  1.640 kg   ?N\r\n",
        b"   0.360 kg    G\r\n",
        b"\x0200\x20 012000000000\r",
    ],
    "scale-sics": [b"S S     100.00 g\r\n", b"S D    -100.00 g\r\n", b"S +\r\n", b"ES\r\n"],
    "scale-spun": [b"    20.0 kg   ?G\r\n", b"     0.0 kg    G\r\n", b"\0\0\x7f\x7f"],
    "scale-tfo": [TFO, TFO[:60], b"\r\n"],
    "rfid-yrm100": [
        tag(bytes.fromhex("3074257bf7194e4000001a85")),
        tag(bytes.fromhex("bb7ebb7ebb7ebb7ebb7ebb7e")),
        bytes.fromhex("bb01ff000115167e"),
        bytes.fromhex("bb02220011c8"),
    ],
    "rfid-yr903": [
        yr903(0x89, bytes.fromhex("0530003074257bf7194e4000001a8562")),
        yr903(0x89, bytes.fromhex("0530a0a0a0a0a0a0a0a0a0a0a0a0a0e2")),
        yr903(0x89, bytes.fromhex("01002200000003")),
        yr903(0x89, b"\x22"),
        bytes.fromhex("a013018905"),
    ],
    "rfid-chafon": [
        bytes.fromhex("1500010301010c0000000000000000000003136bb1a5"),
        bytes.fromhex("13000103010c49440000000000000a000334a5fb"),
        bytes.fromhex("0700010101001e4b"),
        bytes.fromhex("1100210000160c034e001e0a01000000e651"),
        bytes.fromhex("1500010301"),
    ],
    "llrp": [
        bytes.fromhex("043d000000310000000100f000278d3074257bf7194e4000001a85") + LLRP_FIELDS,
        bytes.fromhex("043e0000000a00000007"),
        bytes.fromhex("043f000000203afb30a700f600160080000c00058880119f8ead010000060000"),
        bytes.fromhex("04640000001600000002011f000c006d00046e6f7065"),
        bytes.fromhex("043d0000001000000001ff0001020304"),
        bytes.fromhex("0c3e0000000a00000007"),
    ],
    "frigate": [
        message("frigate/available", "online"),
        message("frigate/dock/status/detect", "offline"),
        message("frigate/events", {"type": "new", "after": TRACKED}),
        message("frigate/reviews", {"type": "end", "after": REVIEW}),
        message("frigate/tracked_object_update", NOTE),
        b'{"topic": "frigate/available", "pay\n',
        b"[\n",
    ],
    "onvif-mqtt": [
        message("cam/onvif-ej/VideoSource/ImageTooDark/ImagingService/v0", SCENE),
        message("cam/onvif-ej/VideoSource/MotionAlarm/v0", SCENE),
        b"{}{}[",
    ],
}
END = {"rfid-yrm100": b"", "rfid-yr903": b"", "rfid-chafon": b"", "nmea": b"\r\n"}
LINES_OF = {"scale-tfo": 12}
# On TCP there is no noise: bytes that are no message end the connection (test_llrp_wire).
SEARCHING = [name for name in FAMILIES if name != "llrp"]


def run(decoder: Decoder, chunks: list[bytes]) -> list[Event]:
    """Return what a decoder yields for chunks, and at their end."""
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.flush()


def streams(name: str) -> st.SearchStrategy[bytes]:
    """Return streams of frames, halves of frames and noise."""
    frames = FRAMES[name]
    halves = [frame[: len(frame) // 2] for frame in frames]
    part = st.sampled_from(frames + halves) | st.binary(max_size=40)
    return st.lists(part, max_size=8).map(b"".join)


def test_every_family_has_frames_here() -> None:
    """A new family is not forgotten in these tests."""
    assert set(FRAMES) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_result_does_not_depend_on_how_bytes_arrive(name: str, data: st.DataObject) -> None:
    """However a port cuts the stream, the events are the same, in the same order."""
    stream = data.draw(streams(name))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    chunks = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    make = FAMILIES[name].make

    assert run(make(), chunks) == run(make(), [stream])


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_noise_never_raises_and_its_faults_are_bounded(name: str, data: st.DataObject) -> None:
    """Any bytes at all yield events, and a fault holds few of them."""
    noise = data.draw(st.binary(max_size=600) | streams(name))

    for event in run(FAMILIES[name].make(), [noise]):
        if isinstance(event, Fault):
            assert len(event.bytes) <= FAULT_BYTES_MAX


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_every_line_has_the_documented_form(name: str, data: st.DataObject) -> None:
    """Whatever comes out is a line that the JSON Schema allows."""
    for event in run(FAMILIES[name].make(), [data.draw(streams(name))]):
        line: Any = json.loads(json.dumps(json_line(event), allow_nan=False))
        assert VALIDATOR.is_valid(line), line


@pytest.mark.parametrize("name", FAMILIES)
def test_every_good_frame_has_the_documented_form(name: str) -> None:
    """The good frames of each family are lines that the JSON Schema allows."""
    for event in run(FAMILIES[name].make(), [b"".join(FRAMES[name])]):
        assert VALIDATOR.is_valid(json.loads(json.dumps(json_line(event)))), event


def test_the_schema_refuses_a_place_without_a_fix() -> None:
    """The documented form itself knows that no fix means no coordinates."""
    line = json_line(Position(time_us=None, lat_deg=51.95, lon_deg=4.05, fix=Fix.NONE))

    assert not VALIDATOR.is_valid(json.loads(json.dumps(line)))


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_after_flush_a_decoder_is_as_new(name: str, data: st.DataObject) -> None:
    """A port that was closed and opened again remembers nothing."""
    used, make = FAMILIES[name].make(), FAMILIES[name].make
    run(used, [data.draw(streams(name))])
    stream = data.draw(streams(name))

    assert run(used, [stream]) == run(make(), [stream])


@pytest.mark.parametrize("name", SEARCHING)
@given(noise=st.binary(max_size=300))
@example(noise=b"x" * 5_000)
@example(noise=b"\xbb\x02\x22\x00\x11")
@example(noise=b"\x02")
@example(noise=b'{"')
@example(noise=b"\xb5\x62\x01\x07\x00\x10")
@example(noise=b"\xa0\xff")
@example(noise=b"\xff")
def test_a_good_frame_after_noise_is_read(name: str, noise: bytes) -> None:
    """Noise costs no later frame: what two good frames say is read after any noise."""
    good = FRAMES[name][0]
    again = good * 2 if name != "nmea" else good
    alone = run(FAMILIES[name].make(), [again])
    after = run(FAMILIES[name].make(), [noise + b"\n" + END.get(name, b"\r\n") + again])

    assert alone[-1] in after


def flips(make: Callable[[], Decoder], frame: bytes) -> list[Event]:
    """Return what all single-bit errors of a frame yield, faults and dead answers left out."""
    broken = [
        frame[:i] + bytes((frame[i] ^ 1 << bit,)) + frame[i + 1 :]
        for i in range(len(frame))
        for bit in range(8)
    ]
    events = [event for data in broken for event in run(make(), [data])]
    return [event for event in events if not isinstance(event, Fault | ReaderReply)]


@pytest.mark.parametrize("name", ["rfid-yrm100", "rfid-yr903", "rfid-chafon"])
def test_a_flipped_bit_never_yields_another_tag(name: str) -> None:
    """Checksums let no single-bit error through."""
    assert flips(FAMILIES[name].make, FRAMES[name][0]) == []


def test_a_flipped_bit_never_yields_another_ubx_position() -> None:
    """The Fletcher checksum lets no single-bit error through."""
    assert flips(FAMILIES["ubx"].make, PVT) == []


def test_a_flipped_bit_never_yields_another_position() -> None:
    """The NMEA checksum lets no single-bit error in the sentence through."""
    frame = FRAMES["nmea"][1]
    true = run(FAMILIES["nmea"].make(), [frame])

    for event in flips(FAMILIES["nmea"].make, frame):
        assert isinstance(event, Position)
        assert event in true
