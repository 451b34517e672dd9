"""Weights of one scale as batches, without envelopes, and what a lot remembers of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from backend.collateral.rules.load import fold_load
from backend.collateral.rules.load_memory import load_json, load_of
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.weigh import Load, decide_load
from backend.collateral.types import (
    Binding,
    ItemSetup,
    Limits,
    LoadMemory,
    LotSetup,
    Purpose,
    SensorKey,
)
from backend.ids import BindingId, ChannelId, GatewayId, ItemId, LotId, ZoneId
from backend.telemetry.types import (
    ChannelRef,
    EnvelopeRow,
    Floats,
    Int16s,
    Int64s,
    ReadingBatch,
    ScalarColumns,
    SightingColumns,
)
from schemas.quantities import Quantity

BASE_US = 1_795_348_800_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
NAME = GatewayId("gw-1")
LOT, HALL = LotId(UUID(int=1)), ZoneId(UUID(int=2))


def scale_binding(tare_g: int, tolerance_g: int) -> Binding:
    """Return the binding of a lot's scale."""
    return Binding(
        id=BindingId(1),
        gateway=NAME,
        sensor="scale",
        purpose=Purpose.LOAD,
        zone_id=HALL,
        lot_id=LOT,
        tare_mass_g=tare_g,
        tolerance_mass_g=tolerance_g,
    )


def lot_of(items: Sequence[tuple[int, int]], *bindings: Binding) -> LotSetup:
    """Return a lot of items with these net and tare masses."""
    return LotSetup(
        id=LOT,
        name="lot",
        zone_id=HALL,
        polygon_m=((0.0, 0.0), (30.0, 0.0), (30.0, 20.0)),
        origin_lat_deg=51.95,
        origin_lon_deg=4.05,
        pledged_mass_g=sum(net_g for net_g, _ in items),
        limits=Limits(),
        items=tuple(
            ItemSetup(
                id=ItemId(UUID(int=100 + number)),
                name=f"p{number}",
                epc=bytes([number]),
                net_mass_g=net_g,
                tare_mass_g=tare_g,
            )
            for number, (net_g, tare_g) in enumerate(items)
        ),
        bindings=bindings,
        readers=dict[SensorKey, frozenset[ZoneId]](),
    )


@dataclass(slots=True, kw_only=True)
class OnScale:
    """A lot on a scale, fed with weights; time begins at ``BASE_US``.

    An envelope spans ``envelope_s`` seconds.
    """

    items: Sequence[tuple[int, int]]
    tolerance_g: int
    tare_g: int = 50_000
    memory: LoadMemory = field(default_factory=LoadMemory)
    envelope_s: int = 1
    now_us: int = BASE_US

    @property
    def binding(self) -> Binding:
        """The scale's binding."""
        return scale_binding(self.tare_g, self.tolerance_g)

    @property
    def setup(self) -> LotSetup:
        """The lot."""
        thermometer = Binding(
            id=BindingId(2),
            gateway=NAME,
            sensor="air",
            purpose=Purpose.CONDITION,
            zone_id=HALL,
            lot_id=None,
        )
        return lot_of(self.items, self.binding, thermometer)

    @property
    def gross_g(self) -> int:
        """What the scale shows when all is there."""
        return self.tare_g + sum(net_g + tare_g for net_g, tare_g in self.items)

    def feed(
        self,
        at_us: Int64s,
        value: Floats,
        quality: Int16s | None = None,
        air: tuple[Int64s, Floats] | None = None,
    ) -> LoadMemory:
        """Fold weights, and temperatures beside them, as one batch."""
        series = {"scale": (Quantity.MASS, at_us, value, quality)}
        if air is not None:
            series["air"] = (Quantity.TEMPERATURE, *air, None)
        book = self._book(series)
        before = load_of(load_json(self.memory))
        assert before == self.memory, "what is stored is what was"
        self.memory = fold_load(before, self.setup, self.binding, book)
        if len(at_us):
            self.now_us = int(at_us.max())
        return self.memory

    def says(self) -> Load:
        """Return what the scale says of the lot now."""
        load = decide_load(self.setup, self.binding, self.memory, (), self.now_us)
        assert load is not None
        return load

    def _book(
        self, series: Mapping[str, tuple[Quantity, Int64s, Floats, Int16s | None]]
    ) -> SeriesBook:
        ats = np.concatenate([part[1] for part in series.values()])
        values = np.concatenate([part[2] for part in series.values()])
        channel = np.concatenate(
            [np.full(len(part[1]), n, dtype=np.int32) for n, part in enumerate(series.values())]
        )
        qualities = np.concatenate(
            [
                np.zeros(len(part[1]), dtype=np.int16) if part[3] is None else part[3]
                for part in series.values()
            ]
        )
        order = np.argsort(ats, kind="stable")
        span_us = self.envelope_s * SECOND_US
        spans, envelope = np.unique((ats[order] - BASE_US) // span_us, return_inverse=True)
        rows = tuple(_envelope(span, span_us) for span in spans.tolist())
        number = spans[envelope] + 1
        columns = ScalarColumns(
            at_us=ats[order],
            channel=channel[order],
            envelope=envelope.astype(np.int32),
            envelope_number=number.astype(np.int64),
            value=values[order],
            quality=qualities[order],
        )
        refs = {
            ChannelId(n): ChannelRef(gateway=NAME, sensor=name, quantity=part[0])
            for n, (name, part) in enumerate(series.items())
        }
        nothing = SightingColumns(
            at_us=np.empty(0, dtype=np.int64),
            channel=np.empty(0, dtype=np.int32),
            envelope=np.empty(0, dtype=np.int32),
            envelope_number=np.empty(0, dtype=np.int64),
            epc=np.empty((0, 17), dtype=np.uint8),
            antenna=np.empty(0, dtype=np.int16),
            rssi_cdbm=np.empty(0, dtype=np.int16),
            count=np.empty(0, dtype=np.int32),
        )
        batch = ReadingBatch(
            envelopes=rows, scalars=columns, sightings=nothing, events=(), channels=refs
        )
        return SeriesBook(batch)


def _envelope(span: int, span_us: int) -> EnvelopeRow:
    at_us = BASE_US + span * span_us
    return EnvelopeRow(
        gateway=NAME,
        number=span + 1,
        sha256=b"",
        key_id=b"",
        base_unix_us=at_us,
        received_unix_us=at_us + span_us,
        made_unix_us=at_us + span_us,
        readings=1,
        bytes=b"",
    )
