"""From decoded envelopes to the columns of a batch: joined bytes, never one object a reading."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import cbor2
import numpy as np
from numpy.typing import NDArray

from backend.ids import ChannelId
from backend.ingest.types import Accepted
from backend.telemetry.types import (
    EPC_KEY_BYTES,
    Bytes8,
    ChannelRef,
    EnvelopeRow,
    EventRow,
    Int32s,
    Int64s,
    ReadingBatch,
    ScalarColumns,
    SightingColumns,
    Thinning,
)
from schemas.digest import Digest
from schemas.envelope import Envelope, Events, Scalars, Sightings

Number = TypeVar("Number", bound=np.number)


def batch_of(
    accepted: Sequence[Accepted],
    tables: Sequence[Int32s],
    channels: Mapping[ChannelId, ChannelRef],
) -> ReadingBatch:
    """Return the readings of ``accepted`` in columns.

    Args:
        accepted: in the order in which they were accepted.
        tables: for each, the channel ids of its sensor rows.
        channels: what the ids stand for.
    """
    envelopes = [verdict.examined.envelope for verdict in accepted]
    return ReadingBatch(
        envelopes=tuple(_row(verdict) for verdict in accepted),
        scalars=_scalars(envelopes, tables),
        sightings=_sightings(envelopes, tables),
        events=_events(envelopes, tables),
        channels=channels,
    )


def _row(verdict: Accepted) -> EnvelopeRow:
    examined = verdict.examined
    envelope = examined.envelope
    thinned = isinstance(envelope, Digest)
    return EnvelopeRow(
        gateway=examined.gateway,
        number=envelope.number,
        sha256=examined.sha256,
        key_id=examined.key_id,
        base_unix_us=envelope.base_unix_us,
        received_unix_us=examined.message.received_unix_us,
        made_unix_us=verdict.made_unix_us,
        readings=envelope.kept if thinned else envelope.readings,
        bytes=examined.message.data,
        thinning=_thinning(envelope) if thinned else None,
    )


def _thinning(digest: Digest) -> Thinning:
    groups = (digest.scalars, digest.sightings, digest.events)
    oldest_us = min(min(group.offset_us) for group in groups if len(group))
    return Thinning(
        first_number=digest.first_number,
        readings=digest.readings,
        last_sha256=digest.last_sha256,
        oldest_unix_us=digest.base_unix_us + oldest_us,
        newest_unix_us=digest.base_unix_us + digest.span_us,
    )


def _scalars(envelopes: Sequence[Envelope | Digest], tables: Sequence[Int32s]) -> ScalarColumns:
    groups = [envelope.scalars for envelope in envelopes]
    rows = _Rows(envelopes, tables, groups)
    return ScalarColumns(
        at_us=rows.at_us,
        channel=rows.channel,
        envelope=rows.envelope,
        envelope_number=rows.number,
        value=_joined([group.value for group in groups], np.float64),
        quality=_joined([group.quality for group in groups], np.uint8).astype(np.int16),
    )


def _sightings(
    envelopes: Sequence[Envelope | Digest], tables: Sequence[Int32s]
) -> SightingColumns:
    groups = [envelope.sightings for envelope in envelopes]
    rows = _Rows(envelopes, tables, groups)
    lengths = _joined([group.epc_length for group in groups], np.uint8)
    return SightingColumns(
        at_us=rows.at_us,
        channel=rows.channel,
        envelope=rows.envelope,
        envelope_number=rows.number,
        epc=epc_keys(lengths, b"".join(group.epcs for group in groups)),
        antenna=_joined([group.antenna for group in groups], np.uint8).astype(np.int16),
        rssi_cdbm=_joined([group.rssi_cdbm for group in groups], np.int16),
        count=_joined([group.count for group in groups], np.uint16).astype(np.int32),
    )


def epc_keys(lengths: NDArray[np.uint8], epcs: bytes) -> Bytes8:
    """Return EPCs that lie end to end as fixed-width keys, of shape (n, EPC_KEY_BYTES)."""
    keys = np.zeros((len(lengths), EPC_KEY_BYTES), dtype=np.uint8)
    keys[:, 0] = lengths
    wide = lengths.astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), wide)
    starts = np.cumsum(wide) - wide
    column = np.arange(len(epcs)) - starts[row] + 1
    keys[row, column] = np.frombuffer(epcs, dtype=np.uint8)
    return keys


def _events(
    envelopes: Sequence[Envelope | Digest], tables: Sequence[Int32s]
) -> tuple[EventRow, ...]:
    return tuple(
        EventRow(
            at_us=envelope.base_unix_us + group.offset_us[index],
            channel=ChannelId(int(table[group.sensor[index]])),
            envelope=position,
            envelope_number=envelope.number,
            type=group.type[index],
            body=cast("Mapping[str, object]", cbor2.loads(group.body[index])),
            image_sha256=group.image_sha256[index],
        )
        for position, (envelope, table) in enumerate(zip(envelopes, tables, strict=True))
        for group in (envelope.events,)
        for index in range(len(group))
    )


class _Rows:
    """The columns that every group has, for one group of each envelope."""

    def __init__(
        self,
        envelopes: Sequence[Envelope | Digest],
        tables: Sequence[Int32s],
        groups: Sequence[Scalars | Sightings | Events],
    ) -> None:
        counts = np.array([len(group) for group in groups], dtype=np.int64)
        self.envelope: Int32s = np.repeat(np.arange(len(groups), dtype=np.int32), counts)
        base_us = np.array([envelope.base_unix_us for envelope in envelopes], dtype=np.int64)
        number = np.array([envelope.number for envelope in envelopes], dtype=np.int64)
        self.number: Int64s = np.repeat(number, counts)
        offset_us = _offsets([group.offset_us for group in groups])
        self.at_us: Int64s = np.repeat(base_us, counts) + offset_us
        # One table of all envelopes' sensor rows; each envelope's begin at its own place.
        sizes = np.array([len(table) for table in tables], dtype=np.int64)
        begins = np.repeat(np.cumsum(sizes) - sizes, counts)
        sensor = _joined([group.sensor for group in groups], np.uint16)
        joined = np.concatenate([*tables, np.empty(0, dtype=np.int32)])
        self.channel: Int32s = joined[begins + sensor]


def _offsets(columns: Sequence[memoryview]) -> Int64s:
    """Return offsets end to end: an envelope's have 32 bits, a digest's 64."""
    if all(column.format == "I" for column in columns):
        return _joined(columns, np.uint32).astype(np.int64)
    return np.concatenate(
        [np.frombuffer(column, dtype=column.format) for column in columns]
    ).astype(np.int64)


def _joined(columns: Sequence[memoryview], kind: type[Number]) -> NDArray[Number]:
    """Return columns end to end; schemas.columns asserts that this machine is little-endian."""
    return np.frombuffer(b"".join(columns), dtype=kind)
