"""Events as JSON lines: what ``decode`` prints. The form is schemas/decode-lines.schema.json."""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, assert_never

from gateway.decode.epc import decode_epc
from gateway.decode.events import (
    CameraNote,
    CameraObject,
    CameraReview,
    CameraStatus,
    Event,
    Fault,
    GnssIntegrity,
    Position,
    ReaderCapabilities,
    ReaderEvent,
    ReaderMessage,
    ReaderReply,
    ReaderSaid,
    SceneChange,
    TagRead,
    TagReport,
    Weight,
)

Value: TypeAlias = str | int | float | bool | list[str] | None
JsonLine: TypeAlias = dict[str, Value]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def json_line(event: Event) -> JsonLine:
    """Return ``event`` as the object of one JSON line; ``kind`` says which."""
    match event:
        case Position():
            return _position(event)
        case GnssIntegrity():
            return {
                "kind": "gnss_integrity",
                "jamming": event.jamming.value,
                "spoofing": event.spoofing.value,
                "cw_indicator": event.cw_indicator,
            }
        case Weight():
            return {
                "kind": "weight",
                "mass_g": event.mass_g,
                "stable": event.stable,
                "basis": event.basis.value,
                "shown": event.shown,
                "unit": event.unit,
            }
        case TagRead():
            return {
                "kind": "sighting",
                "epc": event.epc.hex(),
                "rssi_dbm": event.rssi_dbm,
                "antenna": event.antenna,
                "pc": None if event.pc is None else f"{event.pc:04x}",
                "uri": decode_epc(event.epc).tag_uri,
            }
        case ReaderReply():
            return {
                "kind": "reader_reply",
                "command": event.command,
                "parameters": event.parameters.hex(),
            }
        case TagReport() | ReaderEvent() | ReaderMessage() | ReaderCapabilities():
            return _reader(event)
        case Fault():
            return {"kind": "fault", "why": event.why.value, "bytes": event.bytes.hex()}
        case _:
            return _camera(event)


def iso_time(time_us: int | None) -> str | None:
    """Return microseconds since 1970 as ISO 8601 in UTC, with milliseconds at least."""
    if time_us is None:
        return None
    moment = _EPOCH + timedelta(microseconds=time_us)
    precision = "microseconds" if time_us % 1_000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _position(event: Position) -> JsonLine:
    return {
        "kind": "position",
        "time": iso_time(event.time_us),
        "lat": event.lat_deg,
        "lon": event.lon_deg,
        "fix": event.fix.value,
        "hdop": event.hdop,
        "satellites": event.satellites,
        "speed_mps": event.speed_mps,
        "accuracy_m": event.accuracy_m,
    }


def _reader(event: ReaderSaid) -> JsonLine:
    match event:
        case TagReport():
            return {
                "kind": "sighting",
                "epc": event.epc.hex(),
                "rssi_dbm": event.rssi_dbm,
                "antenna": event.antenna,
                "pc": None if event.pc is None else f"{event.pc:04x}",
                "uri": decode_epc(event.epc).tag_uri,
                "count": event.count,
                "first_seen": iso_time(event.first_seen_us),
                "last_seen": iso_time(event.last_seen_us),
                "first_seen_uptime_us": event.first_seen_uptime_us,
                "last_seen_uptime_us": event.last_seen_uptime_us,
                "rospec": event.rospec,
                "channel": event.channel,
                "access_spec": event.access_spec,
            }
        case ReaderEvent():
            return {
                "kind": "reader_event",
                "what": event.what.value,
                "antenna": event.antenna,
                "text": event.text,
                "time": iso_time(event.time_us),
                "uptime_us": event.uptime_us,
            }
        case ReaderMessage():
            return {
                "kind": "reader_message",
                "type": event.type,
                "name": event.name,
                "number": event.number,
                "status": event.status,
                "text": event.text,
                "parameters": event.parameters.hex(),
            }
        case ReaderCapabilities():
            return {
                "kind": "reader_capabilities",
                "antennas": event.antennas,
                "utc_clock": event.utc_clock,
                "manufacturer": event.manufacturer,
                "model": event.model,
                "firmware": event.firmware,
                "warns": event.warns,
                "holds": event.holds,
            }
        case _:
            assert_never(event)


def _camera(
    event: CameraObject | CameraReview | CameraNote | CameraStatus | SceneChange,
) -> JsonLine:
    match event:
        case CameraObject():
            return {
                "kind": "camera_object",
                "camera": event.camera,
                "id": event.object_id,
                "phase": event.phase.value,
                "label": event.label,
                "score": event.score,
                "zones": list(event.zones),
                "entered_zones": list(event.entered_zones),
                "start": iso_time(event.start_us),
                "end": iso_time(event.end_us),
                "has_snapshot": event.has_snapshot,
            }
        case CameraReview():
            return {
                "kind": "camera_review",
                "camera": event.camera,
                "id": event.review_id,
                "phase": event.phase.value,
                "severity": event.severity,
                "labels": list(event.labels),
                "zones": list(event.zones),
                "start": iso_time(event.start_us),
                "end": iso_time(event.end_us),
            }
        case CameraNote():
            return {
                "kind": "camera_note",
                "camera": event.camera,
                "id": event.object_id,
                "what": event.what,
                "text": event.text,
                "time": iso_time(event.time_us),
            }
        case CameraStatus():
            return {
                "kind": "camera_status",
                "camera": event.camera,
                "role": event.role,
                "status": event.status,
            }
        case SceneChange():
            return {
                "kind": "camera_scene",
                "camera": event.camera,
                "source": event.source,
                "what": event.what.value,
                "active": event.active,
                "time": iso_time(event.time_us),
            }
        case _:
            assert_never(event)
