"""Whether exceedances came as rarely and as independently as a model promised. Pure.

Chi-squared tails of one and two degrees of freedom have closed forms, so nothing is approximated
but what the tests themselves approximate: with few windows their power is low.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

GREEN_BELOW: Final = 0.95  # Source: Basel Committee, Supervisory framework for the use of
RED_FROM: Final = 0.9999  # backtesting, January 1996, section III: the three zones.


class Light(StrEnum):
    """The zone that a number of exceedances falls into."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """A likelihood ratio, and the probability of one as great if the model were right."""

    ratio: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """How often an outcome followed another: ``n01`` is an exceedance after none."""

    n00: int
    n01: int
    n10: int
    n11: int


def kupiec(exceedances: int, windows: int, rate: float) -> Likelihood:
    """Return whether exceedances are as frequent as promised; too few are a deviation, too.

    Source: P. Kupiec, Techniques for Verifying the Accuracy of Risk Measurement Models, Journal of
    Derivatives 3 (1995), the proportion-of-failures test.
    """
    observed = exceedances / windows
    ratio = 2 * (
        _log_likelihood(exceedances, windows, observed)
        - _log_likelihood(exceedances, windows, rate)
    )
    return Likelihood(ratio=max(0.0, ratio), p_value=_tail_one(ratio))


def transitions(outcomes: Sequence[bool]) -> Transitions:
    """Return how often each outcome followed each."""
    counts = {(a, b): 0 for a in (False, True) for b in (False, True)}
    for before, after in pairwise(outcomes):
        counts[bool(before), bool(after)] += 1
    return Transitions(
        n00=counts[False, False],
        n01=counts[False, True],
        n10=counts[True, False],
        n11=counts[True, True],
    )


def christoffersen(counts: Transitions) -> Likelihood:
    """Return whether an exceedance makes the next one likelier.

    Source: P. Christoffersen, Evaluating Interval Forecasts, International Economic Review 39
    (1998), the test of independence against a first-order Markov chain.
    """
    after_none, after_one = counts.n00 + counts.n01, counts.n10 + counts.n11
    total = after_none + after_one
    if total == 0 or after_one == 0:
        return Likelihood(ratio=0.0, p_value=1.0)  # Nothing came after an exceedance.
    together = (counts.n01 + counts.n11) / total
    apart = _log_likelihood(counts.n01, after_none, counts.n01 / max(1, after_none))
    apart += _log_likelihood(counts.n11, after_one, counts.n11 / after_one)
    ratio = 2 * (apart - _log_likelihood(counts.n01 + counts.n11, total, together))
    return Likelihood(ratio=max(0.0, ratio), p_value=_tail_one(ratio))


def conditional_coverage(coverage: Likelihood, independence: Likelihood) -> Likelihood:
    """Return both together: as frequent as promised and independent."""
    ratio = coverage.ratio + independence.ratio
    return Likelihood(ratio=ratio, p_value=math.exp(-ratio / 2))


def traffic_light(exceedances: int, windows: int, rate: float) -> Light:
    """Return the zone: by how surely a right model would have fewer or as many exceedances."""
    cumulative = binomial_at_most(exceedances, windows, rate)
    if cumulative < GREEN_BELOW:
        return Light.GREEN
    return Light.YELLOW if cumulative < RED_FROM else Light.RED


def binomial_at_most(count: int, trials: int, rate: float) -> float:
    """Return the probability of so many successes or fewer."""
    term = (1 - rate) ** trials
    if term == 0:  # So many trials that it is no number any more: by logarithms.
        logs = (
            math.lgamma(trials + 1)
            - math.lgamma(each + 1)
            - math.lgamma(trials - each + 1)
            + each * math.log(rate)
            + (trials - each) * math.log1p(-rate)
            for each in range(count + 1)
        )
        return min(1.0, math.fsum(math.exp(log) for log in logs))
    terms = [term]
    for each in range(count):
        term *= (trials - each) / (each + 1) * rate / (1 - rate)
        terms.append(term)
    return min(1.0, math.fsum(terms))


def _log_likelihood(successes: int, trials: int, rate: float) -> float:
    """Return the log of a Bernoulli sequence's likelihood, where 0 log 0 is 0."""
    failures = trials - successes
    found = successes * math.log(rate) if successes else 0.0
    return found + (failures * math.log1p(-rate) if failures else 0.0)


def _tail_one(ratio: float) -> float:
    """Return the upper tail of chi-squared with one degree of freedom."""
    return math.erfc(math.sqrt(max(0.0, ratio) / 2))
