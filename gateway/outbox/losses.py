"""What was not journalled, or was set aside, since it was last told; one thread at a time."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, cast

import cbor2
import structlog

from gateway.outbox.bounds import Fault
from gateway.outbox.records import (
    TEXT_MAX,
    disk_full_record,
    drop_record,
    fault_record,
    gateway_record,
)
from gateway.outbox.recovery import Quarantine
from gateway.reading import Entry, EventReading, count_readings
from schemas.quantities import EventType

NAMES_MAX: Final = 16  # Of deleted files in one record: an event's body is bounded.
FAULTS_MAX: Final = 16  # Told at a time, one of a sensor's field; all are counted in any case.

_log = structlog.get_logger()


class Losses:
    """Counts, faults and files that no record tells of yet; true while there are some."""

    def __init__(self) -> None:
        self.dropped = 0  # Readings since the start, told or not.
        self._drops: Counter[str] = Counter()
        self._faults: dict[tuple[str, str], Fault] = {}
        self._records: list[EventReading] = []
        self._waited_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._drops or self._faults or self._records or self._waited_s)

    def drop(self, why: str, count: int) -> None:
        """Count readings that were dropped."""
        if count:
            self._drops[why] += count
            self.dropped += count

    def note_fault(self, fault: Fault, count: int) -> None:
        """Note that ``count`` readings were dropped because no envelope could hold them."""
        self.drop("out_of_bounds", count)
        if len(self._faults) < FAULTS_MAX:
            self._faults.setdefault((fault.sensor, fault.field), fault)

    def note_quarantine(self, quarantine: Quarantine, now_unix_us: int) -> None:
        """Note that a file was set aside."""
        body: dict[str, object] = {
            "file": quarantine.file.name,
            "why": quarantine.why[:TEXT_MAX].replace("\0", "?"),
        }
        if quarantine.deleted:
            body["deleted"] = len(quarantine.deleted)
            body["deleted_files"] = list(quarantine.deleted[:NAMES_MAX])
        self._records.append(gateway_record(EventType.OUTBOX_QUARANTINED, body, now_unix_us))

    def note_wait(self, time_s: float) -> None:
        """Note that the disk was full for so long; what was read meanwhile waited in memory."""
        self._waited_s += time_s

    def note_refused(self, refused: Sequence[Entry]) -> None:
        """Count readings that the full file refused, those that a refused record counted too."""
        for entry in refused:
            match entry:
                case EventReading(type=EventType.READINGS_DROPPED):
                    body = cast("dict[str, Any]", cbor2.loads(entry.body))
                    self._drops[body["why"]] += body["count"]
                case EventReading(type=EventType.OUTBOX_QUARANTINED):
                    self._records.append(entry)
                case _:
                    self.drop("outbox_full", count_readings((entry,)))

    def take_records(self, now_unix_us: int) -> list[EventReading]:
        """Return the records of all losses; they are told with that, unless refused."""
        for why, count in self._drops.items():
            _log.warning("readings_dropped", why=why, count=count)
        for fault in self._faults.values():
            _log.error("reading_out_of_bounds", fault=str(fault))
        if self._waited_s:
            _log.info("outbox_disk_was_full", time_s=round(self._waited_s, 1))
            self._records.append(disk_full_record(self._waited_s, now_unix_us))
        records = [
            *(drop_record(count, why, now_unix_us) for why, count in self._drops.items()),
            *(fault_record(fault, now_unix_us) for fault in self._faults.values()),
            *self._records,
        ]
        self._drops.clear()
        self._faults.clear()
        self._records.clear()
        self._waited_s = 0.0
        return records
