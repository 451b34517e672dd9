"""One reading, as what is remembered of a sensor and of a lot holds it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading that a decision rests on."""

    at_us: int
    value: float
    envelope_number: int
    made_us: int
    image_sha256: bytes | None = None
