"""Replayed readings: a channel that says again, value for value, what it said days before.

Noise does not repeat. Of each channel's values, without repetitions (a gateway thins those out in
its own time), 96 in a row make a fingerprint. Once an hour one is kept, for a week; one place in
thirty-two is looked up, chosen by the values themselves, so that it is the same in a replay
however late it begins. What a fingerprint is worth is how many bits it takes to write it down by
the channel's own habits: a display that alternates between two values is worth nothing, and
a channel that repeats itself by nature is not believed.

Source: chunks by content: Muthitacharoen et al., "A low-bandwidth network file system", SOSP 2001;
code length: Krichevsky and Trofimov, IEEE Trans. Inf. Theory 27 (1981).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import pairwise
from math import log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.series import Series, SeriesBook
from backend.collateral.types import Echo
from backend.telemetry.types import Floats
from schemas.quantities import Quantity

# What goods are counted and weighed by, and the sensor on their box. A site has few of these; the
# many channels of climate, at a thousand readings a second, would cost the ingest a twentieth.
TRACED: Final = frozenset({Quantity.MASS, Quantity.SHOCK, Quantity.INVENTORY})
VALUES: Final = 96  # Of a fingerprint: two minutes of an RFID reader's counts.
SLOT_US: Final = 3_600_000_000
KEPT_MAX: Final = 168  # A week of hours; two kilobytes a channel.
SLOTS_MIN: Final = 24  # What a channel repeats by nature shows within a day.
HITS_SHARE_MAX: Final = 0.02
# A week's fingerprints against a month's places are 2**22 comparisons: 40 bits leave one chance
# in 200,000.
BITS_MIN: Final = 40
_DIGEST_BYTES: Final = 5
_DIGEST_CHARS: Final = 2 * _DIGEST_BYTES
_PLACES: Final = np.uint64(32)
_MIXERS: Final = tuple(
    np.uint64(each)
    for each in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)


def fold_echo(echo: Echo, readings: Series, book: SeriesBook) -> Echo:
    """Return what is remembered of a channel after a batch's readings of good quality."""
    if len(readings) == 0:
        return echo
    tail = np.array(echo.tail, dtype=np.float64)
    value = readings.value
    changed = value != np.concatenate((tail[-1:] if len(tail) else value[:1] - 1.0, value[:-1]))
    rows = np.flatnonzero(changed)
    if len(rows) == 0:
        return echo
    values = np.concatenate((tail, value[rows]))
    places, data = _places(values, max(len(tail), VALUES - 1)), values.tobytes()
    chosen = rows[np.array(places, dtype=np.int64) - len(tail)]
    slots: list[int] = (readings.at_us[chosen] // SLOT_US).tolist()
    for place, row, slot in zip(places, chosen.tolist(), slots, strict=True):
        said = data[(place - VALUES + 1) * values.itemsize : (place + 1) * values.itemsize]
        digest = blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()
        # Of most nothing is remembered.
        if slot != echo.slot or digest in echo.kept:
            last = values[place - VALUES + 1 : place + 1]
            echo = _look(echo, digest, last, (readings, row), book)
    return replace(echo, tail=tuple(values[-(VALUES - 1) :].tolist()))


def _places(values: Floats, begin: int) -> list[int]:
    """Return the places from ``begin`` on to be looked up, chosen by the values before each."""
    if len(values) <= begin:
        return []
    bits = values[begin - len(_MIXERS) + 1 :].view(np.uint64)
    count = len(bits) - len(_MIXERS) + 1
    mixed: NDArray[np.uint64] = np.zeros(count, dtype=np.uint64)
    for offset, mixer in enumerate(_MIXERS):
        mixed ^= bits[offset : offset + count] * mixer
    mixed ^= mixed >> np.uint64(29)
    chosen = (mixed * _MIXERS[0] >> np.uint64(40)) % _PLACES == 0
    return (np.flatnonzero(chosen) + begin).tolist()


def _look(
    echo: Echo, digest: str, values: Floats, at: tuple[Series, int], book: SeriesBook
) -> Echo:
    """Return what is remembered after one fingerprint was looked up."""
    readings, row = at
    place = echo.kept.find(digest)
    while place >= 0 and place % _DIGEST_CHARS:
        place = echo.kept.find(digest, place + 1)
    slot = int(readings.at_us[row]) // SLOT_US
    if place < 0:
        if slot == echo.slot:
            return echo
        kept = (echo.kept + digest)[-KEPT_MAX * _DIGEST_CHARS :]
        return replace(echo, slot=slot, kept=kept, slots=echo.slots + 1)
    after = replace(echo, hits=echo.hits + 1)
    trusted = echo.slots >= SLOTS_MIN and echo.hits <= HITS_SHARE_MAX * echo.slots
    bits = int(code_bits(values.tolist())) if trusted else 0
    if bits < BITS_MIN:
        return after
    arrived_us = book.arrivals_us(readings.place[row : row + 1])
    return replace(after, found=readings.sample(row), bits=bits, arrived_us=int(arrived_us[0]))


def code_bits(values: Sequence[float]) -> float:
    """Return how many bits it takes to write values down, each by what followed its like before.

    What learning that costs is taken off, so that a rhythm of two values is worth nearly nothing.
    """
    alphabet = len(set(values))
    pairs: Counter[tuple[float, float]] = Counter()
    seen: Counter[float] = Counter()
    bits = 0.0
    for before, now in pairwise(values):
        odds = (pairs[before, now] + 0.5) / (seen[before] + alphabet / 2.0)
        bits -= log2(odds) if pairs[before, now] else 0.0
        pairs[before, now] += 1
        seen[before] += 1
    return bits
