"""Rows for PostgreSQL's binary COPY, built from columns: no Python object for each reading.

Source: PostgreSQL 15 documentation, COPY, "Binary Format"; a timestamptz is microseconds since
2000-01-01 UTC, all numbers big-endian.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backend.telemetry.types import EnvelopeRow, EventRow, ScalarColumns, SightingColumns

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER: Final = struct.pack(">h", -1)
POSTGRES_EPOCH_UNIX_US: Final = 946_684_800_000_000
_JSONB_VERSION: Final = b"\x01"
_NULL: Final = struct.pack(">i", -1)


def scalar_rows(columns: ScalarColumns) -> bytes:
    """Return the COPY rows of scalar_reading (at, channel_id, envelope_number, value, quality)."""
    rows = np.empty(len(columns), dtype=_SCALAR)
    rows["fields"] = 5
    _fill(rows, "at", columns.at_us - POSTGRES_EPOCH_UNIX_US)
    _fill(rows, "channel", columns.channel)
    _fill(rows, "number", columns.envelope_number)
    _fill(rows, "value", columns.value)
    _fill(rows, "quality", columns.quality)
    return rows.tobytes()


def sighting_rows(columns: SightingColumns) -> bytes:
    """Return the COPY rows of sighting_reading; EPCs of one length lie together."""
    parts: list[bytes] = []
    lengths = columns.epc[:, 0]
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        rows = np.empty(len(chosen), dtype=_sighting(int(length)))
        rows["fields"] = 7
        _fill(rows, "at", columns.at_us[chosen] - POSTGRES_EPOCH_UNIX_US)
        _fill(rows, "channel", columns.channel[chosen])
        _fill(rows, "number", columns.envelope_number[chosen])
        rows["epc_length"] = length
        rows["epc"] = columns.epc[chosen, 1 : 1 + int(length)]
        _fill(rows, "antenna", columns.antenna[chosen])
        _fill(rows, "rssi", columns.rssi_cdbm[chosen])
        _fill(rows, "count", columns.count[chosen])
        parts.append(rows.tobytes())
    return b"".join(parts)


def event_rows(events: Sequence[EventRow]) -> bytes:
    """Return the COPY rows of event_reading."""
    return b"".join(
        struct.pack(
            ">hiqiiiq",
            6,
            8,
            event.at_us - POSTGRES_EPOCH_UNIX_US,
            4,
            event.channel,
            8,
            event.envelope_number,
        )
        + _field(event.type.value.encode())
        + _field(_JSONB_VERSION + event_json(event.body).encode())
        + (_NULL if event.image_sha256 is None else _field(event.image_sha256))
        for event in events
    )


def envelope_rows(envelopes: Sequence[EnvelopeRow]) -> bytes:
    """Return the COPY rows of envelope, in the order of ENVELOPE_COLUMNS."""
    parts: list[bytes] = []
    for row in envelopes:
        parts.extend(
            (
                b"\x00\x08",
                _field(row.gateway.encode()),
                struct.pack(">iq", 8, row.number),
                _field(row.sha256),
                _field(row.key_id),
                struct.pack(
                    ">iqiqii",
                    8,
                    row.base_unix_us - POSTGRES_EPOCH_UNIX_US,
                    8,
                    row.received_unix_us - POSTGRES_EPOCH_UNIX_US,
                    4,
                    row.readings,
                ),
                _field(row.bytes),
            )
        )
    return b"".join(parts)


def event_json(body: Mapping[str, object]) -> str:
    """Return an event's body as JSON text: byte strings become hexadecimal."""
    return json.dumps(body, default=_plain, separators=(",", ":"), allow_nan=False)


def _plain(value: object) -> str:
    assert isinstance(value, bytes), "schemas.bodies lets nothing else pass"
    return value.hex()


def _field(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _fill(rows: NDArray[np.void], name: str, values: NDArray[np.generic]) -> None:
    """Write one column and its length words."""
    rows[f"{name}_length"] = rows.dtype[name].itemsize
    rows[name] = values


def _fields(*columns: tuple[str, str]) -> list[tuple[str, str]]:
    described = [("fields", ">i2")]
    for name, kind in columns:
        described += [(f"{name}_length", ">i4"), (name, kind)]
    return described


_SCALAR: Final = np.dtype(
    _fields(
        ("at", ">i8"),
        ("channel", ">i4"),
        ("number", ">i8"),
        ("value", ">f8"),
        ("quality", ">i2"),
    )
)


def _sighting(epc_bytes: int) -> np.dtype[np.void]:
    described: list[object] = [
        *_fields(("at", ">i8"), ("channel", ">i4"), ("number", ">i8")),
        ("epc_length", ">i4"),
        ("epc", "u1", (epc_bytes,)),
        *_fields(("antenna", ">i2"), ("rssi", ">i2"), ("count", ">i4"))[1:],
    ]
    return cast("np.dtype[np.void]", np.dtype(cast("DTypeLike", described)))
