"""One reading as JSON, as everything that is remembered holds it."""

from typing import Any, Final

from backend.collateral.types import Sample

_SAMPLE_FIELDS: Final = (4, 5)  # With and without an image.


def sample_json(sample: Sample) -> list[object]:
    """Return a reading as JSON: time, value, envelope number, time by our clock, image."""
    listed: list[object] = [
        sample.at_us,
        sample.value,
        sample.envelope_number,
        sample.made_us,
    ]
    return listed if sample.image_sha256 is None else [*listed, sample.image_sha256.hex()]


def sample_of(listed: list[Any]) -> Sample:
    """Return a reading from JSON.

    Raises:
        ValueError: It is none.
    """
    if len(listed) not in _SAMPLE_FIELDS:
        message = f"a sample has {len(listed)} fields, must have 4 or 5"
        raise ValueError(message)
    at_us, value, number, made_us, *image = listed
    return Sample(
        at_us=int(at_us),
        value=float(value),
        envelope_number=int(number),
        made_us=int(made_us),
        image_sha256=bytes.fromhex(image[0]) if image else None,
    )
