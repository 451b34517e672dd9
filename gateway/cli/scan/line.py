"""Listen on a port, and ask what cannot do harm; the only module of the search that opens one.

A port that another program holds is left alone: it is opened for this process only (flock(2),
which the daemon does too).
"""

import errno
import termios
from collections.abc import Iterable
from dataclasses import dataclass
from time import sleep
from typing import Final

import serial

from gateway.cli.scan import modbus_rtu
from gateway.cli.scan.found import MODBUS, Found, FoundUnit, PortState, Setting
from gateway.cli.scan.ports import SerialPort
from gateway.cli.scan.score import Score, equals, rank, score_family
from gateway.clock import SystemClock
from gateway.decode import chafon, yr903, yrm100
from gateway.decode.families import family
from gateway.decode.lines import json_line

LISTEN_S: Final = 2.5  # Slow devices speak once a second: this holds two of their frames.
BYTES_MAX: Final = 65_536  # More tells nothing more.
PAUSE_S: Final = 0.1  # A line that rests for so long has ended its frame.
ANSWER_S: Final = 1.5  # An inventory takes a reader a second.
UNIT_S: Final = 0.15
_CLOCK: Final = SystemClock()
_REST_S: Final = 0.005  # Between two Modbus frames, 3.5 characters at least.

# The usual ones first; a wrong one shows at once as noise, and costs LISTEN_S.
LISTENED: Final = (
    Setting(),
    Setting(baud=115_200),
    Setting(baud=38_400),
    Setting(baud=57_600),
    Setting(baud=19_200),
    Setting(baud=4_800),
    Setting(baud=2_400, bytesize=7, parity="E"),
    Setting(bytesize=7, parity="E"),
    Setting(baud=2_400),
)
MODBUS_ASKED: Final = (
    Setting(),
    Setting(baud=19_200, parity="E"),
    Setting(parity="E"),
    Setting(baud=19_200),
    Setting(baud=38_400),
    Setting(baud=115_200),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one family is asked; nothing on the device is changed by it."""

    family: str
    setting: Setting
    texts: tuple[bytes, ...]


# Versions, weights, and one inventory. Each is sent twice: two valid answers are no chance.
# Chafon first: its frames begin with their length, so that other questions may stay in its way.
QUESTIONS: Final = (
    Question(
        family="rfid-chafon",
        setting=Setting(baud=57_600),
        texts=(chafon.encode_inventory_18(), chafon.encode_inventory_288()),
    ),
    Question(family="scale-sics", setting=Setting(), texts=(b"SI\r\n", b"S\r\n")),
    Question(
        family="rfid-yrm100",
        setting=Setting(baud=115_200),
        texts=(yrm100.encode_command(0x03, b"\0"), yrm100.encode_inventory()),
    ),
    Question(
        family="rfid-yr903",
        setting=Setting(baud=115_200),
        texts=(yr903.encode_command(0x72), yr903.encode_inventory()),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How far a search goes: whether it asks, and up to which Modbus unit."""

    ask: bool
    units: int
    listen_s: float = LISTEN_S


def search_port(port: SerialPort, search: Search) -> Found:
    """Return what speaks on ``port``."""
    try:
        with _open(port) as line:
            heard = _listen(line, port, search)
            # Where something speaks, a question would only talk into it: another master's bus.
            if heard.state is not PortState.SILENT or not search.ask:
                return heard
            return _ask_families(line, port) or _ask_modbus(line, port, search) or heard
    except (serial.SerialException, OSError, ValueError) as error:
        return Found(port=port.name, text=port.text, state=_state_of(error), why=_short(error))


def _open(port: SerialPort) -> serial.Serial:
    return serial.Serial(port.path, LISTENED[0].baud, timeout=PAUSE_S, exclusive=True)


def _state_of(error: Exception) -> PortState:
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(error):
        return PortState.BUSY
    if number in (errno.EACCES, errno.EPERM):
        return PortState.FORBIDDEN
    return PortState.ABSENT


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _listen(line: serial.Serial, port: SerialPort, search: Search) -> Found:
    """Return what speaks by itself; on a line that is silent at one speed it is at all."""
    spoke = False
    for setting in LISTENED:
        if not _apply(line, setting):
            continue
        chunks = _collect(line, search.listen_s)
        if not chunks:
            break
        spoke = True
        if scores := rank(chunks):
            return _recognised(port, setting, scores[0], equals(scores[0], scores))
    state = PortState.UNKNOWN if spoke else PortState.SILENT
    return Found(port=port.name, text=port.text, state=state)


def _ask_families(line: serial.Serial, port: SerialPort) -> Found | None:
    for question in QUESTIONS:
        if not _apply(line, question.setting):
            continue
        chunks: list[bytes] = []
        for text in question.texts * 2:
            line.write(text)
            chunks += _collect(line, ANSWER_S, answer=True)
            if not chunks:
                break  # Whoever does not answer the first is somebody else.
        score = score_family(family(question.family), chunks)
        if score.holds:
            return _recognised(port, question.setting, score, [])
    return None


def _ask_modbus(line: serial.Serial, port: SerialPort, search: Search) -> Found | None:
    for setting in MODBUS_ASKED:
        if not _apply(line, setting):
            continue
        units = [
            FoundUnit(unit=unit, identity=_identity(line, unit))
            for unit in range(1, search.units + 1)
            if _exchange(line, modbus_rtu.encode_read(unit), unit, modbus_rtu.READ_HOLDING)
        ]
        if units:
            return Found(
                port=port.name,
                text=port.text,
                state=PortState.RECOGNISED,
                setting=setting,
                family=MODBUS,
                confidence=1.0,
                frames=len(units),
                units=units,
            )
    return None


def _identity(line: serial.Serial, unit: int) -> str:
    request = modbus_rtu.encode_identify(unit)
    answer = _exchange(line, request, unit, modbus_rtu.ENCAPSULATED)
    return modbus_rtu.decode_identity(answer, unit)


def _exchange(line: serial.Serial, request: bytes, unit: int, function: int) -> bytes:
    """Return the answer of ``unit``; empty where none came that is its own."""
    sleep(_REST_S)
    line.reset_input_buffer()
    line.write(request)
    data = bytearray()
    until_s = _CLOCK.monotonic_s() + UNIT_S
    while _CLOCK.monotonic_s() < until_s and len(data) < BYTES_MAX:
        data += line.read(max(line.in_waiting, 1))
        if modbus_rtu.answers(bytes(data), unit, function):
            return bytes(data)
    return b""


def _apply(line: serial.Serial, setting: Setting) -> bool:
    """Drive the line by ``setting``; return whether the port can."""
    try:
        line.apply_settings(
            {
                "baudrate": setting.baud,
                "bytesize": setting.bytesize,
                "parity": setting.parity,
                "stopbits": setting.stopbits,
            }
        )
    except termios.error:  # A pseudo terminal knows no parity; some adapters no odd speeds.
        line.apply_settings({"bytesize": 8, "parity": "N", "stopbits": 1})
        return False
    line.reset_input_buffer()  # What came at another speed.
    return True


def _collect(line: serial.Serial, span_s: float, *, answer: bool = False) -> list[bytes]:
    """Return what comes within ``span_s``, cut where the line rested; an ``answer`` ends there."""
    chunks: list[bytes] = []
    current = bytearray()
    until_s = _CLOCK.monotonic_s() + span_s
    total = 0
    while _CLOCK.monotonic_s() < until_s and total < BYTES_MAX:
        got = line.read(max(line.in_waiting, 1))
        total += len(got)
        current += got
        if not got and current:
            chunks.append(bytes(current))
            current.clear()
            if answer:
                break
    return [*chunks, bytes(current)] if current else chunks


def _recognised(
    port: SerialPort, setting: Setting, score: Score, alternatives: Iterable[str]
) -> Found:
    return Found(
        port=port.name,
        text=port.text,
        state=PortState.RECOGNISED,
        setting=setting,
        family=score.family,
        alternatives=list(alternatives),
        confidence=round(score.confidence, 3),
        frames=score.frames,
        faults=score.faults,
        example={} if score.example is None else dict(json_line(score.example)),
    )
