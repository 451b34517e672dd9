"""The newest reading of every channel, and how many came: what an installer wants to see. Pure."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.quantities import Quality, Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A reading and when it came, on the clock that only grows."""

    reading: Reading
    heard_s: float


@dataclass(slots=True)
class Latest:
    """The newest reading of each channel of one gateway, journalled or not.

    ``counts`` has the scalars of each sensor and quality since the start; sightings and events
    count as good. Bounded by the configuration: it names every sensor.
    """

    counts: Counter[tuple[str, Quality]] = field(default_factory=Counter[tuple[str, Quality]])
    _newest: dict[tuple[str, Quantity | type], Newest] = field(
        default_factory=dict[tuple[str, Quantity | type], Newest]
    )

    def note(self, reading: Reading, now_s: float) -> None:
        """Remember ``reading`` as the newest of its channel."""
        match reading:
            case Scalar():
                channel: Quantity | type = reading.quantity
                self.counts[reading.sensor, reading.quality] += 1
            case Sighting() | EventReading():
                channel = type(reading)
                self.counts[reading.sensor, Quality.GOOD] += 1
        self._newest[reading.sensor, channel] = Newest(reading=reading, heard_s=now_s)

    def of(self, sensor: str) -> list[Newest]:
        """Return the newest reading of each channel of ``sensor``."""
        return [newest for (name, _), newest in self._newest.items() if name == sensor]

    def forget(self, sensors: Collection[str]) -> None:
        """Forget ``sensors``: they are no longer read."""
        for key in [key for key in self._newest if key[0] in sensors]:
            del self._newest[key]
        for count in [key for key in self.counts if key[0] in sensors]:
            del self.counts[count]
