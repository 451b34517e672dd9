"""What is remembered of a channel so that it is noticed when it says again what it said before."""

from dataclasses import dataclass

from backend.collateral.types.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """The channel's last values, each unlike the one before it, and fingerprints of earlier ones.

    ``slot`` numbers the span of time of the last fingerprint, ``kept`` holds them as hexadecimal,
    oldest first; ``slots`` counts them ever, ``hits`` how often one was met again. ``found`` is
    the last reading that met one with enough in it to mean something, ``bits`` how much, and
    ``arrived_us`` when it came, by our clock.
    """

    tail: tuple[float, ...] = ()
    slot: int = -1
    kept: str = ""
    slots: int = 0
    hits: int = 0
    found: Sample | None = None
    bits: int = 0
    arrived_us: int = 0
