"""The scale families, frame by frame."""

import pytest

from gateway.decode.events import Basis, Event, Fault, FaultWhy, Weight
from gateway.decode.families import FAMILIES, family
from gateway.decode.mettler import checksum

SCALES = tuple(name for name in FAMILIES if name.startswith("scale-"))


def decode(name: str, data: bytes) -> list[Event]:
    """Return everything that a fresh decoder of a family finds."""
    decoder = family(name).make()
    return decoder.feed(data) + decoder.flush()


def even_parity(data: bytes) -> bytes:
    """Return 7-bit characters as a 7E1 device sends them, seen on a port opened as 8N1."""
    return bytes(byte | (byte.bit_count() % 2) << 7 for byte in data)


def continuous(weight: bytes, *, a: int = 0x2B, b: int = 0x30, c: int = 0x20) -> bytes:
    """Return Mettler's continuous frame: by default kg, two decimals hidden in ``a``, stable."""
    return b"\x02" + bytes((a, b, c)) + weight + b"000000\r"


@pytest.mark.parametrize(
    ("name", "line", "mass_g", "stable", "basis"),
    [
        ("scale-ad", b"ST,GS,+0012.34kg\r\n", 12_340, True, Basis.GROSS),
        ("scale-ad", b"US,NT,-0000.5kg\r\n", -500, False, Basis.NET),
        ("scale-ad", b"ST,+00123.45  g\r\n", 123, True, Basis.UNKNOWN),
        ("scale-ad", b"ST,GS,+0012,34kg\r\n", 12_340, True, Basis.GROSS),
        ("scale-ad", b"ST,GS,+000001.5 t\r\n", 1_500_000, True, Basis.GROSS),
        ("scale-ad", b"ST,GS,+0010.00lb\r\n", 4_536, True, Basis.GROSS),
        ("scale-ad", b"ST,GS,+0016.00oz\r\n", 454, True, Basis.GROSS),
        ("scale-ad", b"\0\x7fST,GS,+0012.34kg\r", 12_340, True, Basis.GROSS),
        ("scale-tscale", b"ST,GS    20.7g  \r\n", 21, True, Basis.GROSS),
        ("scale-tscale", b"US,GS,   245.6 g\r\n", 246, False, Basis.GROSS),
        ("scale-tscale", b"ST,NT,-   1.640kg\r\n", -1_640, True, Basis.NET),
        ("scale-ohaus", b"-  1.640 kg    N\r\n", -1_640, True, Basis.NET),
        ("scale-ohaus", b"   0.360 kg   ?G\r\n", 360, False, Basis.GROSS),
        ("scale-ohaus", b"   0,360 kg    G\r", 360, True, Basis.GROSS),
        ("scale-spun", b"\0\0\x7f\x7f   117.0 kg   ?G\r\n", 117_000, False, Basis.GROSS),
        ("scale-sics", b"S S     100.00 g\r\n", 100, True, Basis.NET),
        ("scale-sics", b"S D    -1.2345 kg\r\n", -1_234, False, Basis.NET),
    ],
)
def test_a_frame_in_grams(name: str, line: bytes, mass_g: int, stable: bool, basis: Basis) -> None:
    """Number, sign, unit, stability and basis are read as the maker's manual has them."""
    (weight,) = decode(name, line)

    assert isinstance(weight, Weight)
    assert (weight.mass_g, weight.stable, weight.basis) == (mass_g, stable, basis)


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("scale-ad", b"OL,GS,     .  kg\r\n", FaultWhy.OVERLOAD),
        ("scale-ad", b"OL,-9999999E+19\r\n", FaultWhy.UNDERLOAD),
        ("scale-ad", b"ST,TR,+0012.34kg\r\n", FaultWhy.TARE),
        ("scale-ad", b"ST,GS,+0012.34pc\r\n", FaultWhy.UNKNOWN_UNIT),
        ("scale-ad", b"ST,GS,+0012.34\r\n", FaultWhy.NO_UNIT),
        ("scale-ad", b"XX,GS,+0012.34kg\r\n", FaultWhy.MALFORMED),
        ("scale-ad", b"T,GS,+0012.34kg\r\n", FaultWhy.MALFORMED),
        ("scale-ad", b"ST,GS,+0012.34kg", FaultWhy.TRUNCATED),
        ("scale-ad", b"ST,GS,+1,234.5kg\r\n", FaultWhy.MALFORMED),
        ("scale-ad", b"ST,GS,+0012.34kg" + b" " * 80 + b"\r\n", FaultWhy.TOO_LONG),
        ("scale-ad", b"ST,GS,+001\xb2.34kg\r\n", FaultWhy.BAD_PARITY),
        ("scale-tscale", b"OL,GS,       g\r\n", FaultWhy.OVERLOAD),
        ("scale-tscale", b"UL\r\n", FaultWhy.UNDERLOAD),
        ("scale-tscale", b"ST,GS    20.7  \r\n", FaultWhy.NO_UNIT),
        ("scale-tscale", b"ST,GS    20.7ct  \r\n", FaultWhy.UNKNOWN_UNIT),
        ("scale-ohaus", b"   0.360 kg    T\r\n", FaultWhy.TARE),
        ("scale-ohaus", b"   0.360 kg\r\n", FaultWhy.MALFORMED),
        ("scale-ohaus", b"  12 pcs       G\r\n", FaultWhy.UNKNOWN_UNIT),
        ("scale-ohaus", b"     Err8.3     \r\n", FaultWhy.OVERLOAD),
        ("scale-ohaus", b"     Err8.4     \r\n", FaultWhy.UNDERLOAD),
        ("scale-sics", b"S I\r\n", FaultWhy.NOT_EXECUTABLE),
        ("scale-sics", b"S +\r\n", FaultWhy.OVERLOAD),
        ("scale-sics", b"S -\r\n", FaultWhy.UNDERLOAD),
        ("scale-sics", b"ES\r\n", FaultWhy.SYNTAX_ERROR),
        ("scale-sics", b"ET\r\n", FaultWhy.TRANSMISSION_ERROR),
        ("scale-sics", b"EL\r\n", FaultWhy.LOGICAL_ERROR),
        ("scale-sics", b'I4 A "1234567"\r\n', FaultWhy.MALFORMED),
        ("scale-sics", b"S S     100.00\r\n", FaultWhy.NO_UNIT),
    ],
)
def test_what_is_no_weight_is_a_named_fault(name: str, line: bytes, why: FaultWhy) -> None:
    """Overload, underload, errors, tare and unknown units never become a weight."""
    (event,) = decode(name, line)

    assert isinstance(event, Fault)
    assert event.why is why


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("scale-ad", b"ST,GS,+0012.34kg\r\n"),
        ("scale-tscale", b"ST,GS    20.7g  \r\n"),
        ("scale-ohaus", b"   0.360 kg    G\r\n"),
        ("scale-sics", b"S S     100.00 g\r\n"),
    ],
)
def test_seven_bit_parity_is_taken_off(name: str, line: bytes) -> None:
    """A 7E1 indicator is read on a port opened as 8N1."""
    assert decode(name, even_parity(line)) == decode(name, line)


@pytest.mark.parametrize("cut", range(1, 16))
@pytest.mark.parametrize("name", SCALES)
def test_a_stream_that_starts_within_a_frame_yields_no_wrong_weight(name: str, cut: int) -> None:
    """What was cut off in front, a sign or a digit, never changes a weight."""
    frames = {
        "scale-ad": b"ST,GS,-0012.34kg\r\n",
        "scale-tscale": b"ST,GS,-  12.34kg\r\n",
        "scale-ohaus": b"-  12.34 kg    G\r\n",
        "scale-spun": b"-  12.34 kg    G\r\n",
        "scale-sics": b"S S  -12.34 kg\r\n",
        "scale-tfo": b"A    -12.3\r\n",
    }
    stream = frames[name][cut:] + frames[name] * 2
    shown = {event.mass_g for event in decode(name, stream) if isinstance(event, Weight)}

    assert shown <= {-12_340}


def test_a_line_that_lost_a_byte_is_refused() -> None:
    """Columns have no checksum: a line narrower than its neighbours is no weight."""
    good, lost = b"    20.0 kg    G\r\n", b"    0.0 kg    G\r\n"
    events = decode("scale-spun", good * 2 + lost + good)

    assert [type(event) for event in events] == [Weight, Weight, Fault, Weight]
    assert {e.mass_g for e in events if isinstance(e, Weight)} == {20_000}


def test_columns_that_stay_narrower_are_a_new_format() -> None:
    """When an operator switches the display, only one line is lost."""
    wide, narrow = b"    20.0 kg    G\r\n", b"   20.0 kg    G\r\n"
    events = decode("scale-spun", wide * 2 + narrow * 3)

    assert [type(event) for event in events] == [Weight, Weight, Fault, Weight, Weight]


def test_a_foreign_line_within_tfo_fields_is_one_fault() -> None:
    """Fields out of order are reported once, and the next whole frame is read."""
    frame = (
        b"F      0.0\rH      0.0\rQ      0.0\rX      0.0\rA    366.0\r0     23.0\r4    343.5\r"
        b"1      0.0\r2       0\rB\x83\rC20\xf4 02\xf3 2023\xf2 MON 09:20AM\rV1\r\n"
    )
    events = decode("scale-tfo", frame[40:] + frame + frame[:33] + frame)

    assert [type(event) for event in events] == [Fault, Weight, Fault, Weight]
    assert all(not e.stable and e.mass_g == 366_000 for e in events if isinstance(e, Weight))


@pytest.mark.parametrize(
    ("frame", "mass_g", "stable", "basis"),
    [
        pytest.param(continuous(b" 12345"), 1_234_500, True, Basis.GROSS, id="kg x 0.1"),
        pytest.param(continuous(b"   500", a=0x2C), 5_000, True, Basis.GROSS, id="kg x 0.01"),
        pytest.param(continuous(b"   500", a=0x2A), 500_000, True, Basis.GROSS, id="kg x 1"),
        pytest.param(continuous(b"   500", a=0x28), 50_000_000, True, Basis.GROSS, id="kg x 100"),
        pytest.param(
            continuous(b"000500", b=0x3B), -50_000, False, Basis.NET, id="net, moving, -"
        ),
        pytest.param(continuous(b"   500", b=0x20), 22_680, True, Basis.GROSS, id="lb"),
        pytest.param(continuous(b"   500", c=0x21), 50, True, Basis.GROSS, id="g"),
    ],
)
def test_mettler_continuous_frames(frame: bytes, mass_g: int, stable: bool, basis: Basis) -> None:
    """Status bytes place the decimal point and tell unit, sign, motion and basis."""
    with_sum = frame + bytes((checksum(frame),))
    for stream in (frame * 2, with_sum * 2, even_parity(frame * 2), even_parity(with_sum * 2)):
        events = decode("scale-ohaus", stream)

        assert [e.mass_g for e in events if isinstance(e, Weight)] == [mass_g] * 2
        assert {(e.stable, e.basis) for e in events if isinstance(e, Weight)} == {(stable, basis)}


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        pytest.param(continuous(b"999999", b=0x34), FaultWhy.OVERLOAD, id="over"),
        pytest.param(continuous(b"999999", b=0x36), FaultWhy.UNDERLOAD, id="under"),
        pytest.param(continuous(b"   500", c=0x24), FaultWhy.UNKNOWN_UNIT, id="troy ounces"),
        pytest.param(continuous(b"  -500"), FaultWhy.MALFORMED, id="no digits"),
        pytest.param(continuous(b"   500", a=0x0B), FaultWhy.MALFORMED, id="bit 5 clear"),
        pytest.param(continuous(b"   500")[:-1], FaultWhy.TRUNCATED, id="cut"),
    ],
)
def test_mettler_faults(frame: bytes, why: FaultWhy) -> None:
    """Out of range, a foreign unit or broken status bytes are no weight."""
    (event,) = decode("scale-ohaus", frame)

    assert isinstance(event, Fault)
    assert event.why is why


def test_mettler_wrong_checksum_is_no_weight() -> None:
    """A frame that is followed by neither STX nor its checksum is refused."""
    frame = continuous(b"   500")
    first, *_ = decode("scale-ohaus", frame + bytes((checksum(frame) ^ 0x55,)) + frame)

    assert isinstance(first, Fault)
    assert first.why is FaultWhy.BAD_CHECKSUM


FOREIGN = {
    "print form of another scale": b"^KJIK000\r\n2023-11-07\r\n17:19:38\r\n  1.94 kg\r\n",
    "laboratory balance": b"     N       0.3746 g   \r\n",
    "labelled report": b"GROSS WEIGHT    1138.0\r\nNET WEIGHT        21.5\r\nTARE      1116.5\r\n",
    "counter": b"+007.12/3 G S\r\n",
    "GNSS": b"$GPGLL,5157.00000,N,00403.00000,E,120000.00,A,A*6E\r\n",
    "UHF reader": bytes.fromhex("bb02220011c43000e200001d7315016521408fc6b83ec27e"),
}


@pytest.mark.parametrize("device", FOREIGN)
@pytest.mark.parametrize("name", SCALES)
def test_frames_of_other_devices_are_no_weight(name: str, device: str) -> None:
    """A number beside a unit is not yet a weight: the family's whole syntax is."""
    events = decode(name, FOREIGN[device] * 3)

    assert events
    assert all(isinstance(event, Fault) for event in events)
