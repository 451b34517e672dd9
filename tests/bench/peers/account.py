"""What was polled, what arrived, what is lost, what came twice.

The recorder appends six bytes for each value: unit, register, value, big-endian u16 each.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORD = np.dtype([("unit", ">u2"), ("register", ">u2"), ("value", ">u2")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Counts of readings; ``lost`` were read from a device and arrived never."""

    polled: int
    arrived: int
    lost: int
    twice: int


def polled(stats_file: Path) -> tuple[float, int]:
    """Return when the devices counted last, in seconds of some clock, and all reads until then."""
    stats = json.loads(stats_file.read_text())
    return stats["t_s"], sum(map(sum, stats["reads"].values()))


def arrived(record_file: Path) -> int:
    """Return how many values were recorded so far."""
    return record_file.stat().st_size // RECORD.itemsize if record_file.exists() else 0


def account(stats_file: Path, record_file: Path, *, registers: int) -> Account:
    """Return the account of a whole run; counters must not have wrapped."""
    records = np.fromfile(record_file, dtype=RECORD)
    lost = twice = total = 0
    for unit, counts in _reads(stats_file).items():
        own = records[records["unit"] == unit]
        for register, count in enumerate(counts[:registers]):
            assert count < 65_536, f"unit {unit} register {register} wrapped: shorten the run"
            values = own["value"][own["register"] == register]
            distinct = np.unique(values)
            total += count
            lost += count - int(np.count_nonzero((distinct >= 1) & (distinct <= count)))
            twice += len(values) - len(distinct)
    return Account(polled=total, arrived=len(records), lost=lost, twice=twice)


def _reads(stats_file: Path) -> dict[int, Sequence[int]]:
    reads = json.loads(stats_file.read_text())["reads"]
    return {int(unit): counts for unit, counts in reads.items()}
