"""What a network reader's events amount to: sightings, rounds, its own troubles. Pure.

A round ends when the reader says that it has looked; only then does each sensor get its count of
distinct tags, and with it the right to find goods missing. A sensor with an unplugged antenna
gets none: it sees less than it should, and what it does not see is unwatched, not gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.config.llrp import LlrpSection
from gateway.decode.events import (
    Event,
    Fault,
    ReaderEvent,
    ReaderWhat,
    TagReport,
)
from gateway.drivers.convert import event_of, fault_of
from gateway.drivers.reader_clock import ReaderClock
from gateway.reading import Arrival, EventReading, Scalar, Sighting
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import EventType, Quantity

UNKNOWN_ANTENNA: Final = 0  # A report that names none; readers count from 1.
TAGS_MAX: Final = 10_000  # More than a sensor reads in a round; a mad reader must not grow.
COUNT_MAX: Final = 2**32 - 1  # What an envelope's column holds.
# The ordinary course of an inventory, of which the count is the reading.
_ORDINARY: Final = frozenset(
    {
        ReaderWhat.CONNECTED,
        ReaderWhat.ROSPEC_STARTED,
        ReaderWhat.ROSPEC_ENDED,
        ReaderWhat.AISPEC_ENDED,
        ReaderWhat.GPI,
    }
)


@dataclass(slots=True)
class Rounds:
    """One connection's rounds over the antennas of one reader."""

    config: LlrpSection
    clock: ReaderClock = field(default_factory=ReaderClock)
    ended: int = 0  # Rounds that the reader has completed.
    over: bool = False  # The ROSpec has ended and is to be started again.
    _owners: Mapping[int, str] = field(init=False)
    _tags: dict[str, set[bytes]] = field(init=False)
    _plugged: set[int] = field(default_factory=set[int])  # Antennas that were ever connected.
    _lost: set[int] = field(default_factory=set[int])
    _counted: bool = False

    def __post_init__(self) -> None:
        self._owners = {antenna.number: antenna.sensor for antenna in self.config.antenna}
        self._tags = {sensor: set() for sensor in self.config.sensors}

    def begin(self, antennas: Mapping[int, bool], time_unix_us: int) -> list[Arrival]:
        """Note which antennas are connected at the start; return what is missing of them."""
        self._plugged |= {number for number, connected in antennas.items() if connected}
        news: list[Arrival] = []
        for number, connected in antennas.items():
            if not connected and self._wanted(number):
                self._lost.add(number)
                news.append(
                    [self._event(ReaderWhat.ANTENNA_DISCONNECTED, number, "", time_unix_us)]
                )
        return news

    def take(self, events: Sequence[Event], time_unix_us: int) -> list[Arrival]:
        """Return what ``events``, which arrived at ``time_unix_us``, amount to."""
        arrivals: list[Arrival] = []
        newest_us: int | None = None
        for event in events:
            match event:
                case TagReport():
                    arrivals.append([self._sighting(event, time_unix_us)])
                    if event.last_seen_us is not None:
                        newest_us = max(newest_us or 0, event.last_seen_us)
                case ReaderEvent():
                    arrivals += self._own(event, time_unix_us)
                case Fault():
                    said = fault_of(self.config.sensor, event.why.value, event.bytes, time_unix_us)
                    arrivals.append([said])
                case _:
                    pass
        if newest_us is not None:
            arrivals += self._tell_clock(newest_us, time_unix_us)
        return arrivals

    def _own(self, event: ReaderEvent, time_unix_us: int) -> list[Arrival]:
        arrivals: list[Arrival] = []
        match event.what:
            case ReaderWhat.AISPEC_ENDED:
                arrivals = self._count(time_unix_us)
                self._counted = True
            case ReaderWhat.ROSPEC_ENDED:
                if not self._counted:  # A reader that keeps the end of its AISpec to itself.
                    arrivals = self._count(time_unix_us)
                self._counted = False
                self.over = True
            case ReaderWhat.ROSPEC_STARTED:
                self.over = False
            case ReaderWhat.ANTENNA_CONNECTED if event.antenna is not None:
                self._lost.discard(event.antenna)
                self._plugged.add(event.antenna)
            case ReaderWhat.ANTENNA_DISCONNECTED if event.antenna is not None:
                if self._wanted(event.antenna):
                    self._lost.add(event.antenna)
            case _:
                pass
        if event.what not in _ORDINARY:
            said = self._event(event.what, event.antenna, event.text, time_unix_us)
            arrivals.append([said])
        if event.time_us is not None:
            arrivals += self._tell_clock(event.time_us, time_unix_us)
        return arrivals

    def _count(self, time_unix_us: int) -> list[Arrival]:
        """End a round: each sensor whose antennas all look says how many tags it saw."""
        self.ended += 1
        blind = {self._sensor(number) for number in self._lost}
        counts: list[Arrival] = [
            [
                Scalar(
                    sensor=sensor,
                    quantity=Quantity.INVENTORY,
                    time_unix_us=time_unix_us,
                    value=float(len(tags)),
                )
            ]
            for sensor, tags in self._tags.items()
            if sensor not in blind
        ]
        for tags in self._tags.values():
            tags.clear()
        return counts

    def _sighting(self, report: TagReport, time_unix_us: int) -> Sighting:
        antenna = UNKNOWN_ANTENNA if report.antenna is None else report.antenna
        self._plugged.add(antenna)
        sensor = self._sensor(antenna)
        if len(self._tags[sensor]) < TAGS_MAX:
            self._tags[sensor].add(report.epc)
        return Sighting(
            sensor=sensor,
            time_unix_us=time_unix_us,
            epc=report.epc,
            antenna=antenna,
            rssi_cdbm=RSSI_UNKNOWN if report.rssi_dbm is None else round(report.rssi_dbm * 100),
            count=min(report.count, COUNT_MAX),
        )

    def _tell_clock(self, theirs_us: int, time_unix_us: int) -> list[Arrival]:
        offset_us = self.clock.hear(theirs_us, time_unix_us)
        if offset_us is None:
            return []
        text = f"the reader's clock is {offset_us / 1e6:+.3f} s from the gateway's"
        body = {"what": "clock_offset", "antenna": None, "text": text, "offset_us": offset_us}
        return [[event_of(self.config.sensor, EventType.READER_EVENT, body, time_unix_us)]]

    def _event(
        self, what: ReaderWhat, antenna: int | None, text: str, time_unix_us: int
    ) -> EventReading:
        sensor = self.config.sensor if antenna is None else self._sensor(antenna)
        body = {"what": what.value, "antenna": antenna, "text": text}
        return event_of(sensor, EventType.READER_EVENT, body, time_unix_us)

    def _sensor(self, antenna: int) -> str:
        return self._owners.get(antenna, self.config.sensor)

    def _wanted(self, antenna: int) -> bool:
        """Tell whether an antenna's loss is one: it was named, or it was there before."""
        if antenna in self._owners or antenna in self.config.antennas:
            return True
        return not self.config.antennas and antenna in self._plugged
