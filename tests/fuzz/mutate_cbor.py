"""Mutations of what CBOR says, for signed messages: random bytes seldom get past the framing."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final, cast

import cbor2

_EDGES: Final[tuple[object, ...]] = (
    None,
    True,
    0,
    -1,
    255,
    1 << 31,
    (1 << 63) - 1,
    1 << 64,
    -(1 << 70),
    0.5,
    float("nan"),
    float("inf"),
    "",
    "gw-north",
    "\0",
    "x" * 300,
    b"",
    bytes(31),
    bytes(32),
    [],
    {},
    {"a": 1},
    cbor2.CBORTag(64, b"\1\2"),
    cbor2.CBORTag(86, bytes(8)),
    cbor2.CBORTag(0, "2026-01-02T03:04:05Z"),
)


def make_cbor_case(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return a signed message whose payload, or frame, says something else."""
    seed = random.choice(seeds)
    try:
        frame: Any = cbor2.loads(seed)
        parts: list[Any] = list(frame.value)
        content: object = cbor2.loads(parts[2])
    except (cbor2.CBORDecodeError, AttributeError, TypeError, IndexError):
        return seed  # A vector that is no signed message on purpose.
    for _ in range(random.randint(1, 3)):
        content = _mutated(content, random)
    parts[2] = cbor2.dumps(content)
    if random.random() < 0.1:
        parts = cast("list[Any]", _mutated(parts, random))
    return cbor2.dumps(cbor2.CBORTag(frame.tag, parts))


def _mutated(value: object, random: Random) -> object:
    """Return ``value`` with one place in it changed."""
    if isinstance(value, cbor2.CBORTag) and random.random() < 0.9:
        tag = value.tag if random.random() < 0.7 else random.randint(0, 100)
        return cbor2.CBORTag(tag, _mutated(value.value, random))
    if isinstance(value, list | tuple) and value and random.random() < 0.9:
        return _mutated_list(list(cast("Sequence[object]", value)), random)
    if isinstance(value, dict) and value and random.random() < 0.9:
        entries = dict(cast("dict[object, object]", value))
        key = random.choice(list(entries))
        entries[key] = _mutated(entries[key], random)
        return entries
    if isinstance(value, bytes) and value and random.random() < 0.7:
        return _mutated_bytes(value, random)
    if isinstance(value, int) and random.random() < 0.5:
        return value + random.choice((-1, 1, 256, -256))
    return random.choice(_EDGES)


def _mutated_list(items: list[object], random: Random) -> list[object]:
    at = random.randrange(len(items))
    match random.randrange(8):
        case 0:
            del items[at]
        case 1:
            items.insert(at, items[at])
        case 2:
            other = random.randrange(len(items))
            items[at], items[other] = items[other], items[at]
        case _:
            items[at] = _mutated(items[at], random)
    return items


def _mutated_bytes(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    match random.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data + data[at:]
        case 2:
            return data[:at] + b"\xff" * (len(data) - at)
        case _:
            return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
