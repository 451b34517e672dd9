"""What a detector tells: readings as evidence, and for how long something that is over is told.

After an outage one batch holds hours. What began and ended inside it is told all the same, once:
by the decision that follows the very batch it came with.
"""

from typing import Final

from backend.collateral.types import Evidence, Sample, SensorKey
from backend.telemetry.types import datetime_of
from schemas.quantities import UNITS, Quantity

HOLD_US: Final = 10_000_000  # What is over with its reading is shown a moment longer.


def is_told(arrived_us: int, since_us: int, now_us: int) -> bool:
    """Return whether something that is over is to be told.

    Args:
        arrived_us: when the reading came that ended it.
        since_us: when the first of the readings came that this decision follows.
        now_us: the time; all by our clock.
    """
    return arrived_us >= since_us or now_us - arrived_us < HOLD_US


def reading(
    key: SensorKey,
    quantity: Quantity | None,
    sample: Sample,
    text: str,
    expected: str = "",
    log_odds: float | None = None,
) -> Evidence:
    """Return one reading as evidence; ``expected`` is what it would be if all were well."""
    unit = "" if quantity is None else f" {sample.value:g} {UNITS[quantity]}"
    return Evidence(
        at=datetime_of(sample.at_us),
        gateway=key[0],
        envelope_number=sample.envelope_number,
        sensor=key[1],
        quantity=None if quantity is None else quantity.value,
        value=None if quantity is None else sample.value,
        text=f"{text}{':' if unit else ''}{unit}",
        image_sha256=sample.image_sha256,
        expected=expected,
        log_odds=log_odds,
    )
