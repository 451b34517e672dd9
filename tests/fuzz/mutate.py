"""Mutations of bytes; all chance comes from the generator given."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

CASE_BYTES_MAX: Final = 8_192  # Each case is also fed byte by byte: more would be few cases.
SHORT_BYTES_MAX: Final = 400  # Several frames of most devices: small cases are many cases.
LONG_BYTES_MAX: Final = 1 << 20  # For what must stay bounded however much comes.
MUTATIONS_MAX: Final = 6
# Values at which lengths, counts and signs turn over.
_EDGES: Final = (0x00, 0x01, 0x0A, 0x0D, 0x20, 0x7E, 0x7F, 0x80, 0xA0, 0xB5, 0xBB, 0xFE, 0xFF)


def make_case(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return a few seeds joined and mutated."""
    data = bytearray()
    for _ in range(random.randint(1, 4)):
        data += _window(random.choice(seeds), random)
    for _ in range(random.randint(0, MUTATIONS_MAX)):
        if data:
            random.choice(_MUTATIONS)(data, random)
    if random.random() < 0.05:
        data += _window(random.choice(seeds), random) + data
    return bytes(data[:CASE_BYTES_MAX])


def make_long_case(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return one piece over and over: what ought to be unbounded shows."""
    piece = make_case(seeds, random)[: random.randint(1, 64)] or b"\xff"
    if random.random() < 0.5:
        piece = piece[:1]
    head = make_case(seeds, random)[: random.randint(0, 64)]
    return head + (piece * (LONG_BYTES_MAX // len(piece)))


def make_cuts(length: int, random: Random) -> list[int]:
    """Return where a port cuts ``length`` bytes, in order."""
    return sorted(random.randint(0, length) for _ in range(random.randint(0, 12)))


def _window(seed: bytes, random: Random) -> bytes:
    """Return a part of a long seed, seldom a long one; a short seed as it is."""
    if len(seed) <= SHORT_BYTES_MAX:
        return seed
    size = 1 + int(random.expovariate(1 / SHORT_BYTES_MAX))
    begin = random.randrange(len(seed))
    return seed[begin : begin + size]


def _flip_bit(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data))
    data[at] = random.choice(_EDGES) if random.random() < 0.5 else random.randrange(256)


def _truncate(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def _behead(data: bytearray, random: Random) -> None:
    del data[: random.randrange(len(data))]


def _delete(data: bytearray, random: Random) -> None:
    begin = random.randrange(len(data))
    del data[begin : begin + random.randint(1, 16)]


def _insert(data: bytearray, random: Random) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.randbytes(random.randint(1, 16))


def _repeat(data: bytearray, random: Random) -> None:
    begin = random.randrange(len(data))
    piece = data[begin : begin + random.randint(1, 64)]
    data[begin:begin] = piece * random.randint(1, 8)


def _splice(data: bytearray, random: Random) -> None:
    source, target = random.randrange(len(data)), random.randrange(len(data))
    piece = data[source : source + random.randint(1, 64)]
    data[target : target + len(piece)] = piece


def _swap_number(data: bytearray, random: Random) -> None:
    """Write an edge over two or four bytes, as a length, a count or a coordinate may be."""
    at = random.randrange(len(data))
    size = random.choice((2, 4))
    value = random.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0xFFFF_FFFF, 0x8000_0000))
    order = random.choice(("big", "little"))
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)


_MUTATIONS: Final[tuple[Callable[[bytearray, Random], None], ...]] = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _set_byte,
    _truncate,
    _behead,
    _delete,
    _insert,
    _repeat,
    _splice,
    _swap_number,
)
