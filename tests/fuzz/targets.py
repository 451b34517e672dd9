"""What is fuzzed, and what must hold whatever the bytes."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

from gateway.decode.epc import decode_epc, encode_epc
from gateway.decode.events import FAULT_BYTES_MAX, Decoder, DecoderFactory, Event, Fault
from gateway.decode.families import FAMILIES
from gateway.decode.lines import json_line
from gateway.decode.modbus import (
    REGISTERS_MAX,
    RegisterType,
    WordOrder,
    decode_registers,
    decode_text,
    probe,
    probe_bits,
)
from gateway.drivers.convert import arrival_of
from schemas.command import decode_command
from schemas.cose import Sign1, decode_sign1
from schemas.digest import decode_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, decode_envelope
from schemas.errors import MalformedError
from schemas.receipt import decode_receipt

RETAINED_BYTES_MAX: Final = 65_536
# Families whose one message may be longer: two buffers of it, with room to grow.
_RETAINED_BYTES_MAX: Final[Mapping[str, int]] = {
    "frigate": 700_000,
    "onvif-mqtt": 700_000,
    "llrp": 3_000_000,
}
BYTE_BY_BYTE_MAX: Final = 16_384


class BrokenError(AssertionError):
    """Something that must hold did not; says what, and shows the values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes: ``check`` raises if what must hold does not.

    ``streamed``: its bytes come in pieces and without end; ``signed``: they are signed CBOR.
    """

    name: str
    check: Callable[[bytes, Sequence[int]], None]
    streamed: bool = False
    signed: bool = False


def target(name: str) -> Target:
    """Return the target called ``name``.

    Raises:
        ValueError: There is none.
    """
    if (found := TARGETS.get(name)) is None:
        msg = f"family: {name!r} is not one of {', '.join(TARGETS)}"
        raise ValueError(msg)
    return found


def retained_bytes(value: object) -> int:
    """Return how many bytes an object and all that it alone can reach take."""
    seen: set[int] = set()
    waiting: list[object] = [value]
    total = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type) or callable(item):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        waiting.extend(_parts(item))
    return total


def _parts(item: object) -> list[object]:
    if isinstance(item, Mapping):
        pairs = cast("Mapping[object, object]", item).items()
        return [part for pair in pairs for part in pair]
    if isinstance(item, list | tuple | set | frozenset):
        return list(cast("list[object]", item))
    parts: list[object] = list(getattr(item, "__dict__", {}).values())
    slots = [slot for kind in type(item).__mro__ for slot in getattr(kind, "__slots__", ())]
    return parts + [getattr(item, slot) for slot in slots if hasattr(item, slot)]


def _check_stream(name: str, make: DecoderFactory, data: bytes, cuts: Sequence[int]) -> None:
    """Feed ``data`` whole, cut, and byte by byte: no exception, the same events, little kept."""
    decoder = make()
    whole = decoder.feed(data)
    _check_retained(name, decoder)
    whole += decoder.flush()
    _check_retained(name, decoder)
    chunks = [data[a:b] for a, b in pairwise([0, *cuts, len(data)])]
    if _run(make(), chunks) != whole:
        msg = f"the events depend on the chunks: {cuts}"
        raise BrokenError(msg)
    if len(data) <= BYTE_BY_BYTE_MAX:
        if _run(make(), [bytes((byte,)) for byte in data]) != whole:
            msg = "the events depend on whether the bytes come one by one"
            raise BrokenError(msg)
        if _run(decoder, [data]) != whole:
            msg = "the events depend on what was decoded before the last flush"
            raise BrokenError(msg)
    for event in whole[:1_000]:
        _check_event(event)


def _run(decoder: Decoder, chunks: Sequence[bytes]) -> list[Event]:
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.flush()


def _check_retained(name: str, decoder: Decoder) -> None:
    bound = _RETAINED_BYTES_MAX.get(name, RETAINED_BYTES_MAX)
    if (kept := retained_bytes(decoder)) > bound:
        msg = f"the decoder keeps {kept} bytes, at most {bound}"
        raise BrokenError(msg)


def _check_event(event: Event) -> None:
    """Check that an event can be printed, sent, and is small where it is evidence."""
    json.dumps(json_line(event), allow_nan=False)
    arrival_of("sensor", event, 1_790_000_000_000_000)
    if isinstance(event, Fault) and len(event.bytes) > FAULT_BYTES_MAX:
        msg = f"a fault keeps {len(event.bytes)} bytes, at most {FAULT_BYTES_MAX}"
        raise BrokenError(msg)


def _check_epc(data: bytes, _cuts: Sequence[int]) -> None:
    epc = decode_epc(data)
    if epc.hex != data.hex().upper():
        msg = f"the hex is not kept: {epc.hex}"
        raise BrokenError(msg)
    if epc.tag_uri is not None and decode_epc(encode_epc(epc.tag_uri)).tag_uri != epc.tag_uri:
        msg = f"the tag URI does not come back: {epc.tag_uri}"
        raise BrokenError(msg)
    try:
        encode_epc(data.decode("utf-8", "replace"))
    except ValueError:
        return


def _check_modbus(data: bytes, cuts: Sequence[int]) -> None:
    bit = len(cuts)
    order = list(WordOrder)[bit % len(WordOrder)]
    for kind in RegisterType:
        for scale in (1.0, 1e308):
            decode_registers(data, kind, order, scale=scale, offset=-scale, bit=bit)
            decode_registers(data[: 2 * (1 + bit % 4)], kind, order, scale=scale)
    decode_text(data, order)
    # A whole answer is thousands of rows: seldom.
    registers = REGISTERS_MAX if data[:1] == b"\xff" else 4
    block = data[: min(2 * registers, len(data) // 2 * 2)] or bytes(2)
    for row in probe(block):
        if not isinstance(row.value, Fault):
            json.dumps(row.value, allow_nan=False)
    list(probe_bits(block))
    if len(data) % 2 or len(data) > 2 * REGISTERS_MAX:
        try:
            next(probe(data))
        except ValueError:
            return
        msg = f"a block of {len(data)} bytes is probed"
        raise BrokenError(msg)


def _codec(decode: Callable[[Sign1], Any]) -> Callable[[bytes, Sequence[int]], None]:
    """Return a check that ``decode`` refuses what it does not understand in one way only."""

    def check(data: bytes, _cuts: Sequence[int]) -> None:
        try:
            decode(decode_sign1(data, bytes_max=ENVELOPE_BYTES_MAX))
        except MalformedError as error:
            if len(str(error)) > 1_000:
                msg = f"the refusal is {len(str(error))} characters long"
                raise BrokenError(msg) from error

    return check


def _stream(name: str, make: DecoderFactory) -> Target:
    return Target(
        name=name, check=lambda data, cuts: _check_stream(name, make, data, cuts), streamed=True
    )


_PURE: Final[Mapping[str, Callable[[bytes, Sequence[int]], None]]] = {
    "epc": _check_epc,
    "modbus": _check_modbus,
}
_SIGNED: Final[Mapping[str, Callable[[Sign1], Any]]] = {
    "envelope": decode_envelope,
    "receipt": decode_receipt,
    "digest": decode_digest,
    "command": decode_command,
}

TARGETS: Final[Mapping[str, Target]] = {
    **{family.name: _stream(family.name, family.make) for family in FAMILIES.values()},
    **{name: Target(name=name, check=check) for name, check in _PURE.items()},
    **{name: Target(name=name, check=_codec(d), signed=True) for name, d in _SIGNED.items()},
}
