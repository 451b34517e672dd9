"""Readings by which the outbox tells what became of others: signed as any, in the same stream."""

from typing import Final

from gateway.outbox.bounds import Fault
from gateway.reading import GATEWAY_SENSOR, EventReading
from schemas.bodies import encode_body
from schemas.envelope import NUMBER_MAX
from schemas.errors import MalformedError
from schemas.fields import name_field
from schemas.quantities import EventType

TEXT_MAX: Final = 200  # Of what a file or a library says.


def gateway_record(kind: EventType, body: dict[str, object], time_unix_us: int) -> EventReading:
    """Return an event of the gateway itself."""
    return EventReading(
        sensor=GATEWAY_SENSOR, time_unix_us=time_unix_us, type=kind, body=encode_body(body)
    )


def drop_record(count: int, why: str, time_unix_us: int) -> EventReading:
    """Return the record that ``count`` readings are in no envelope."""
    return gateway_record(EventType.READINGS_DROPPED, {"count": count, "why": why}, time_unix_us)


def unsealable_record(count: int, fault: Fault, time_unix_us: object) -> EventReading:
    """Return the record that a journal row of ``count`` readings was set aside, and why.

    ``time_unix_us`` is what the row says: it may be what is wrong with it.
    """
    return gateway_record(
        EventType.READINGS_DROPPED,
        {"count": count, "why": "unsealable", "sensor": _plain(fault.sensor), **_told(fault)},
        min(max(time_unix_us, 0), NUMBER_MAX) if isinstance(time_unix_us, int) else 0,
    )


def fault_record(fault: Fault, time_unix_us: int) -> EventReading:
    """Return the event that a reading of a sensor was out of bounds."""
    return EventReading(
        sensor=fault.sensor if _is_name(fault.sensor) else GATEWAY_SENSOR,
        time_unix_us=time_unix_us,
        type=EventType.FAULT,
        body=encode_body({"why": "out_of_bounds", **_told(fault)}),
    )


def disk_full_record(time_s: float, time_unix_us: int) -> EventReading:
    """Return the event that the disk was full for so long; no reading was lost by that alone."""
    body: dict[str, object] = {
        "why": "disk_full",
        "field": "disk",
        "value": f"full for {time_s:.1f} s",
        "bound": "with room for what is read",
    }
    return gateway_record(EventType.FAULT, body, time_unix_us)


def _told(fault: Fault) -> dict[str, object]:
    return {"field": fault.field, "value": _plain(fault.value), "bound": _plain(fault.bound)}


def _plain(text: str) -> str:
    """Return ``text`` as an event's body may hold it: of bounded length, without NUL."""
    return text[:TEXT_MAX].encode("utf-8", "replace").decode().replace("\0", "?")


def _is_name(text: str) -> bool:
    try:
        name_field(text, "sensor")
    except MalformedError:
        return False
    return True
