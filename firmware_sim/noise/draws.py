"""Randomness that goes on: the same numbers whether they are asked for one by one or by the day.

Every model takes its own ``random.Random``, so that one device's noise never shifts another's, and
derives from it one stream for each of its causes, so that it does not matter how its calls are
cut.
"""

import math
import random
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Words16 = NDArray[np.uint16]

_GROWTH_MAX: Final = 1e6  # of the weights in a recursion: ten digits of the result remain
_SEED_BITS: Final = 128


def seeded(seed: int, name: str) -> random.Random:
    """Return the random numbers of ``name`` in the run ``seed``, independent of all others."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 - noise of a simulator, never a secret


def fork(rng: random.Random) -> random.Random:
    """Return random numbers of their own, which follow from those of ``rng``."""
    return random.Random(rng.getrandbits(_SEED_BITS))  # noqa: S311 - as above


def stream(rng: random.Random) -> np.random.Generator:
    """Return a stream of columns of random numbers, seeded by ``rng``."""
    return np.random.Generator(np.random.SFC64(rng.getrandbits(_SEED_BITS)))


class Words:
    """Random 16-bit words, as fast as they come."""

    def __init__(self, rng: random.Random) -> None:
        """Begin the stream."""
        self._bits = np.random.SFC64(rng.getrandbits(_SEED_BITS))
        self._left: Words16 = np.empty(0, dtype=np.uint16)

    def take(self, count: int) -> Words16:
        """Return the next ``count`` words."""
        missing = count - len(self._left)
        if missing <= 0:
            taken, self._left = self._left[:count], self._left[count:]
            return taken
        fresh = np.asarray(self._bits.random_raw(-(-missing // 4)), dtype=np.uint64)
        words = fresh.view(np.uint16)
        taken = np.concatenate((self._left, words[:missing])) if len(self._left) else words
        self._left = words[missing:]
        return taken[:count]


class Gaps:
    """Which of a sequence of trials succeed, each with the same small chance."""

    def __init__(self, chance: float, rng: random.Random) -> None:
        """Begin before the first trial."""
        self._chance = min(1.0, chance)
        self._draws = stream(rng)
        self._ahead = np.empty(0, dtype=np.int64)  # successes drawn, counted from the next trial
        self._last = -1

    def take(self, trials: int) -> NDArray[np.int64]:
        """Return the numbers, from 0, of those of the next ``trials`` that succeed."""
        if self._chance <= 0.0:
            return self._ahead
        while self._last < trials:
            count = 16 + int((trials - self._last) * self._chance)
            fresh = self._last + np.cumsum(self._draws.geometric(self._chance, count))
            self._ahead = np.concatenate((self._ahead, fresh))
            self._last = int(fresh[-1])
        split = int(np.searchsorted(self._ahead, trials))
        found, self._ahead = self._ahead[:split], self._ahead[split:] - trials
        self._last -= trials
        return found


class Arrivals:
    """When something happens that happens ``per_s`` times a second, at any moment alike."""

    def __init__(self, per_s: float, rng: random.Random) -> None:
        """Begin at 0 s."""
        self._mean_s = 1.0 / per_s if per_s > 0.0 else math.inf
        self._rng = rng
        self._next_s = self._gap_s()

    def until(self, end_s: float) -> list[float]:
        """Return the moments up to ``end_s`` that were not returned before."""
        found: list[float] = []
        while self._next_s <= end_s:
            found.append(self._next_s)
            self._next_s += self._gap_s()
        return found

    def _gap_s(self) -> float:
        return self._mean_s * self._rng.expovariate(1.0) if self._mean_s < math.inf else math.inf


class Spells:
    """A state that comes and goes: how long it stays away and how long it lasts, on average.

    Times must be asked for in order; what lies before the last question is forgotten.
    """

    def __init__(
        self,
        away_s: float,
        lasts_s: float,
        rng: random.Random,
        *,
        fixed: bool = False,
        begins_s: float = 0.0,
    ) -> None:
        """Begin without the state at ``begins_s``; ``fixed``: it always lasts the same."""
        self._away_s = away_s
        self._lasts_s = lasts_s
        self._fixed = fixed
        self._rng = rng
        self._edges_s: list[float] = []  # ends and begins in turn, from a begin on
        self._drawn_s = begins_s

    def between(self, begins_s: float, ends_s: float) -> list[tuple[float, float]]:
        """Return the spells that touch a stretch of time, in order; they may go beyond it."""
        while self._drawn_s <= ends_s:
            if not 0.0 < self._away_s < math.inf or self._lasts_s <= 0.0:
                self._drawn_s = math.inf
                break
            start_s = self._drawn_s + self._away_s * self._rng.expovariate(1.0)
            lasts_s = self._lasts_s if self._fixed else self._lasts_s * self._rng.expovariate(1.0)
            self._drawn_s = start_s + lasts_s
            self._edges_s += [start_s, self._drawn_s]
        while self._edges_s and self._edges_s[1] <= begins_s:
            del self._edges_s[:2]
        pairs = zip(self._edges_s[::2], self._edges_s[1::2], strict=True)
        return [(start_s, end_s) for start_s, end_s in pairs if start_s < ends_s]

    def at(self, now_s: float) -> bool:
        """Return whether the state is on at ``now_s``."""
        return any(a <= now_s < b for a, b in self.between(now_s, math.nextafter(now_s, math.inf)))

    def mask(self, times_s: Floats) -> Bools:
        """Return whether it is on at each of ``times_s``, which are in order."""
        on = np.zeros(len(times_s), dtype=np.bool_)
        if len(times_s):
            last_s = math.nextafter(float(times_s[-1]), math.inf)
            for start_s, end_s in self.between(float(times_s[0]), last_s):
                on[slice(*np.searchsorted(times_s, (start_s, end_s)))] = True
        return on


def recursion(value: float, keep: float, shocks: Floats) -> Floats:
    """Return ``y[k] = keep * y[k-1] + shocks[k]`` from ``y[-1] = value``, column by column."""
    found = np.empty_like(shocks)
    if keep <= 0.0:
        found[:] = shocks
        return found
    size = len(shocks)
    if keep < 1.0:
        size = max(1, min(size, int(math.log(_GROWTH_MAX) / -math.log(keep))))
    weights = keep ** np.arange(1.0, size + 1.0)
    for start in range(0, len(shocks), size):
        part = shocks[start : start + size]
        weight = weights[: len(part)]
        now = found[start : start + size]
        np.divide(part, weight, out=now)
        np.cumsum(now, out=now)
        now += value
        now *= weight
        value = float(now[-1])
    return found


class OrnsteinUhlenbeck:
    """A value that wanders about zero with a spread and a memory."""

    def __init__(self, sd: float, tau_s: float, rng: random.Random) -> None:
        """Begin in the stationary distribution."""
        self._sd = sd
        self._tau_s = tau_s
        self._draws = stream(rng)
        self._value = sd * float(self._draws.standard_normal())

    def take(self, count: int, dt_s: float) -> Floats:
        """Return the next ``count`` values, each ``dt_s`` after the one before."""
        if count == 0:
            return np.empty(0)
        # Exact discretisation, so that the spread does not depend on the step.
        keep = math.exp(-dt_s / self._tau_s) if self._tau_s > 0.0 else 0.0
        shocks = self._draws.standard_normal(count)
        shocks *= self._sd * math.sqrt(1.0 - keep * keep)
        found = recursion(self._value, keep, shocks)
        self._value = float(found[-1])
        return found
