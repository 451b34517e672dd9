"""What to evaluate, checked: each refusal names the key, the value and the bound."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import DeployError
from firmware_sim.months.script import DAYS_MAX, SENSOR_KINDS, SITES_MAX

SEEDS_MAX: Final = 10_000
SEED_MAX: Final = 2**31 - 1
JOBS_MAX: Final = 256
STEP_S_MAX: Final = 21_600  # A span of the sampler.


class OptionError(DeployError):
    """An argument can not be."""

    def __init__(self, key: str, value: object, bound: str) -> None:
        super().__init__(f"{key} is {value!r}, must be {bound}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A run of the evaluation; ``step_s`` is the longest batch, in which nothing may be found."""

    scenario: str
    sites: int
    days: int
    seeds: tuple[int, ...]
    without: tuple[str, ...]
    jobs: int
    step_s: int
    out: Path
    only: tuple[int, str, str] | None = None


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds in ``1..40``, ``7`` or ``1,4,9``.

    Raises:
        OptionError: It is none of these, or out of bounds.
    """
    bound = f"seeds from 0 to {SEED_MAX}, such as 1..40, 7 or 1,4,9, at most {SEEDS_MAX}"
    found: list[int] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        if not first.isdecimal() or (dots and not last.isdecimal()):
            raise OptionError("SEEDS", text, bound)
        begin, end = int(first), int(last if dots else first)
        if begin > end or end > SEED_MAX or end - begin >= SEEDS_MAX:
            raise OptionError("SEEDS", text, bound)
        found += range(begin, end + 1)
    if len(found) > SEEDS_MAX or len(set(found)) < len(found):
        raise OptionError("SEEDS", text, f"{bound}, none twice")
    return tuple(found)


def parse_without(text: str) -> tuple[str, ...]:
    """Return the kinds of sensor to leave out; none in an empty text.

    Raises:
        OptionError: There is no such kind.
    """
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for kind in kinds:
        if kind not in SENSOR_KINDS:
            raise OptionError("WITHOUT", kind, f"one of {', '.join(SENSOR_KINDS)}")
    return kinds


def parse_only(text: str) -> tuple[int, str, str] | None:
    """Return seed, site and label of ``SEED:SITE:LABEL``; None for an empty text.

    Raises:
        OptionError: It has another form.
    """
    if not text:
        return None
    seed, _, rest = text.partition(":")
    site, _, label = rest.partition(":")
    if not seed.isdecimal() or not site or not label:
        raise OptionError("ONLY", text, "SEED:SITE:LABEL, as the list of misses gives it")
    return int(seed), site, label


def check_range(key: str, value: int, most: int) -> int:
    """Return ``value`` if it is from 1 to ``most``.

    Raises:
        OptionError: It is not.
    """
    if not 1 <= value <= most:
        raise OptionError(key, value, f"from 1 to {most}")
    return value


def check_options(options: Options) -> Options:
    """Return ``options`` if all are within their bounds.

    Raises:
        OptionError: One is not.
    """
    check_range("SITES", options.sites, SITES_MAX)
    check_range("DAYS", options.days, DAYS_MAX)
    check_range("JOBS", options.jobs, JOBS_MAX)
    check_range("STEP_S", options.step_s, STEP_S_MAX)
    if options.only is not None and options.only[0] not in options.seeds:
        raise OptionError("ONLY", options.only[0], "a seed of SEEDS")
    return options
