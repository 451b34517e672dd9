"""Batches of scalars from columns, for months of readings at once; and lots to fold them for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend.collateral.rules.series import SeriesBook
from backend.collateral.types import Binding, Limits, LotSetup, Purpose
from backend.ids import BindingId, ChannelId, GatewayId, LotId, ZoneId
from backend.telemetry.types import (
    EPC_KEY_BYTES,
    ChannelRef,
    EnvelopeRow,
    EventRow,
    ReadingBatch,
    ScalarColumns,
    SightingColumns,
)
from schemas.quantities import Quantity

SECOND_US = 1_000_000
BEGIN_US = 1_790_000_000 * SECOND_US
ENVELOPE_US = 5 * SECOND_US
LAG_US = 200_000  # From the newest reading of an envelope to its arrival.
NAME = GatewayId("gw-1")
ZONE = ZoneId(UUID(int=1))
LOT = LotId(UUID(int=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What one channel measured; all of shape (n,); quality None: all good."""

    sensor: str
    quantity: Quantity
    at_s: NDArray[np.float64]
    value: NDArray[np.float64]
    quality: NDArray[np.int16] | None = None


def channel(sensor: str, quantity: Quantity, at_s: ArrayLike, value: ArrayLike) -> Channel:
    """Return good readings of one channel; one value holds for all."""
    times = np.asarray(at_s, dtype=np.float64)
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), times.shape)
    return Channel(sensor=sensor, quantity=quantity, at_s=times, value=values)


def batches_of(
    channels: Sequence[Channel],
    *,
    cuts_s: Sequence[float] = (),
    events: Sequence[EventRow] = (),
    lag_us: int = LAG_US,
) -> list[ReadingBatch]:
    """Return readings in envelopes of five seconds each, and these in batches cut at ``cuts_s``.

    Seconds count from ``BEGIN_US``. An event's envelope is found by its time.
    """
    at_us = np.concatenate([BEGIN_US + np.round(c.at_s * SECOND_US) for c in channels])
    at_us = at_us.astype(np.int64)
    number = np.repeat(np.arange(1, len(channels) + 1), [len(c.at_s) for c in channels])
    value = np.concatenate([c.value for c in channels])
    quality = np.concatenate(
        [np.zeros(len(c.at_s)) if c.quality is None else c.quality for c in channels]
    )
    slot = (at_us - BEGIN_US) // ENVELOPE_US
    refs = {
        ChannelId(n): ChannelRef(gateway=NAME, sensor=c.sensor, quantity=c.quantity)
        for n, c in enumerate(channels, 1)
    }
    order = np.lexsort((at_us, slot))
    columns = slot[order], at_us[order], number[order], value[order], quality[order]
    edges = [-(2**40), *(int(cut * SECOND_US) // ENVELOPE_US for cut in sorted(cuts_s)), 2**40]
    made: list[ReadingBatch] = []
    for first, last in itertools.pairwise(edges):
        rows = slice(*np.searchsorted(columns[0], [first, last]).tolist())
        told = [e for e in events if first <= (e.at_us - BEGIN_US) // ENVELOPE_US < last]
        if rows.stop > rows.start or told:
            made.append(_batch([column[rows] for column in columns], refs, told, lag_us))
    return made


def _batch(
    columns: Sequence[NDArray[Any]],
    refs: Mapping[ChannelId, ChannelRef],
    events: Sequence[EventRow],
    lag_us: int,
) -> ReadingBatch:
    slot, at_us, number, value, quality = columns
    of_events = np.array([(e.at_us - BEGIN_US) // ENVELOPE_US for e in events], dtype=np.int64)
    slots, index = np.unique(np.concatenate((slot, of_events)), return_inverse=True)
    names = {ref.sensor for ref in refs.values()}
    more = {
        ChannelId(len(refs) + 1 + n): ChannelRef(gateway=NAME, sensor=sensor, quantity=None)
        for n, sensor in enumerate(sorted(names))
    }
    envelopes = tuple(_envelope(int(each), lag_us) for each in slots)
    places: list[int] = index[len(slot) :].tolist()
    return ReadingBatch(
        envelopes=envelopes,
        scalars=ScalarColumns(
            at_us=at_us,
            channel=number.astype(np.int32),
            envelope=index[: len(slot)].astype(np.int32),
            envelope_number=slot + 1,
            value=value,
            quality=quality.astype(np.int16),
        ),
        sightings=no_sightings(),
        events=tuple(
            EventRow(
                at_us=event.at_us,
                channel=event.channel,
                envelope=place,
                envelope_number=envelopes[place].number,
                type=event.type,
                body=event.body,
                image_sha256=event.image_sha256,
            )
            for event, place in zip(events, places, strict=True)
        ),
        channels={**refs, **more},
    )


def _envelope(slot: int, lag_us: int) -> EnvelopeRow:
    begin_us = BEGIN_US + slot * ENVELOPE_US
    return EnvelopeRow(
        gateway=NAME,
        number=slot + 1,
        sha256=bytes(32),
        key_id=bytes(8),
        base_unix_us=begin_us,
        received_unix_us=begin_us + ENVELOPE_US + lag_us,
        made_unix_us=begin_us + ENVELOPE_US,
        readings=0,
        bytes=b"",
    )


def no_sightings() -> SightingColumns:
    """Return columns of no reads."""
    return SightingColumns(
        at_us=np.empty(0, np.int64),
        channel=np.empty(0, np.int32),
        envelope=np.empty(0, np.int32),
        envelope_number=np.empty(0, np.int64),
        epc=np.empty((0, EPC_KEY_BYTES), np.uint8),
        antenna=np.empty(0, np.int16),
        rssi_cdbm=np.empty(0, np.int16),
        count=np.empty(0, np.int32),
    )


def books_of(channels: Sequence[Channel], **cut: Any) -> list[SeriesBook]:  # noqa: ANN401 - as above
    """Return the same as books of series."""
    return [SeriesBook(batch) for batch in batches_of(channels, **cut)]


def binding_of(sensor: str, purpose: Purpose, **more: Any) -> Binding:  # noqa: ANN401 - fields
    """Return what a sensor watches."""
    values: dict[str, Any] = {
        "id": BindingId(1),
        "gateway": NAME,
        "sensor": sensor,
        "purpose": purpose,
        "zone_id": ZONE,
        "lot_id": None,
        **more,
    }
    return Binding(**values)


def setup_of(*bindings: Binding, **more: Any) -> LotSetup:  # noqa: ANN401 - fields
    """Return a lot in a hall of 30 by 20 m."""
    values: dict[str, Any] = {
        "id": LOT,
        "name": "lot",
        "zone_id": ZONE,
        "polygon_m": [[0, 0], [30, 0], [30, 20], [0, 20]],
        "origin_lat_deg": 51.95,
        "origin_lon_deg": 4.05,
        "pledged_mass_g": 1_000_000,
        "limits": Limits(),
        "items": (),
        "bindings": bindings,
        "readers": {},
        **more,
    }
    return LotSetup(**values)
