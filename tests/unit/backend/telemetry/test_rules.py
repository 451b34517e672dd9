"""Rows for binary COPY, byte by byte."""

import struct

import numpy as np

from backend.ids import ChannelId
from backend.ingest.rules.columns import epc_keys
from backend.telemetry.rules import (
    POSTGRES_EPOCH_UNIX_US,
    event_rows,
    scalar_rows,
    sighting_rows,
)
from backend.telemetry.types import (
    EventRow,
    ScalarColumns,
    SightingColumns,
    datetime_of,
    epc_of,
    key_of,
    unix_us_of,
)
from schemas.quantities import EventType


def test_scalar_row_is_as_postgresql_reads_it() -> None:
    """Five fields, each with its length, big-endian."""
    rows = scalar_rows(
        ScalarColumns(
            at_us=np.array([POSTGRES_EPOCH_UNIX_US + 5]),
            channel=np.array([7], dtype=np.int32),
            envelope=np.array([0], dtype=np.int32),
            envelope_number=np.array([9]),
            value=np.array([1.5]),
            quality=np.array([2], dtype=np.int16),
        )
    )
    assert rows == struct.pack(">hiqiiiqidih", 5, 8, 5, 4, 7, 8, 9, 8, 1.5, 2, 2)


def test_sighting_rows_keep_each_epc_whole() -> None:
    """EPCs of any length, zeros at their end included."""
    epcs = [b"\x30\x00", b"\x31\x32\x33", b"\x30\x01"]
    lengths = np.array([len(epc) for epc in epcs], dtype=np.uint8)
    count = len(epcs)
    rows = sighting_rows(
        SightingColumns(
            at_us=np.full(count, POSTGRES_EPOCH_UNIX_US),
            channel=np.arange(count, dtype=np.int32),
            envelope=np.zeros(count, dtype=np.int32),
            envelope_number=np.ones(count, dtype=np.int64),
            epc=epc_keys(lengths, b"".join(epcs)),
            antenna=np.ones(count, dtype=np.int16),
            rssi_cdbm=np.full(count, -5_000, dtype=np.int16),
            count=np.ones(count, dtype=np.int32),
        )
    )
    for epc in epcs:
        assert struct.pack(">i", len(epc)) + epc in rows


def test_epc_keys_come_back_as_epcs() -> None:
    """A key is the EPC again, though numpy cuts zeros off its end."""
    for epc in (b"", b"\x00", b"\x30\x00\x00", bytes(range(62))):
        assert epc_of(key_of(epc)) == epc
        assert epc_of(key_of(epc).rstrip(b"\0") or b"\0") == epc


def test_event_row_holds_its_body_as_jsonb() -> None:
    """Bytes in a body become hexadecimal; no image is null."""
    row = event_rows(
        [
            EventRow(
                at_us=POSTGRES_EPOCH_UNIX_US,
                channel=ChannelId(1),
                envelope=0,
                envelope_number=1,
                type=EventType.FAULT,
                body={"why": "noise", "bytes": b"\x01\xff"},
                image_sha256=None,
            )
        ]
    )
    assert b'\x01{"why":"noise","bytes":"01ff"}' in row
    assert row.endswith(struct.pack(">i", -1))


def test_times_are_exact_to_the_microsecond() -> None:
    """There and back, far from now too."""
    for unix_us in (0, 1, 1_795_348_800_000_001, 2**53 - 1):
        assert unix_us_of(datetime_of(unix_us)) == unix_us
