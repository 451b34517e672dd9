"""What a site consists of: zones, goods, and the device that watches each.

A plan says nothing about gateways but their names, nor about any consumer of the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from firmware_sim.life import LifePlan
from firmware_sim.noise import NoiseProfile


class ScaleForm(StrEnum):
    """The line format of a serial weighing indicator."""

    TSCALE = "tscale"
    AD = "ad"
    OHAUS = "ohaus"
    SICS = "sics"


class ReaderForm(StrEnum):
    """The command set of a UHF reader."""

    YRM100 = "yrm100"
    YR903 = "yr903"
    CHAFON_18 = "chafon-18"
    CHAFON_288 = "chafon-288"
    LLRP = "llrp"


class GnssForm(StrEnum):
    """How a tracker's positions travel: on a serial line, or as gpsd's reports over TCP."""

    NMEA = "nmea"
    UBX = "ubx"
    GPSD = "gpsd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePlan:
    """A polygon of the site in local metres, x east and y north."""

    name: str
    polygon: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPlan:
    """What a lot's goods stand, as they are registered; None: no limit."""

    temperature_min_c: float | None = None
    temperature_max_c: float | None = None
    temperature_dwell_s: int = 20
    humidity_max_pct: float | None = None
    shock_max_g0: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """One tagged unit as it is registered."""

    epc: str
    net_g: int
    tare_g: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LotPlan:
    """Goods of one grade, one tagged pallet an EPC.

    ``nets_g`` is the net mass of each item where they differ, and then ``net_g`` their mean.
    ``tag_betas`` is the mix of its tags (see ``NoiseProfile``); None: the site's.
    """

    name: str
    commodity: str
    zone: str
    instrument: str
    net_g: int
    tare_g: int
    epcs: tuple[str, ...]
    nets_g: tuple[int, ...] = ()
    tag_betas: tuple[tuple[float, float, float], ...] | None = None
    limits: LimitsPlan = LimitsPlan()

    @property
    def items(self) -> tuple[ItemPlan, ...]:
        """Its items in the order of their EPCs."""
        nets_g = self.nets_g or (self.net_g,) * len(self.epcs)
        return tuple(
            ItemPlan(epc=epc, net_g=net_g, tare_g=self.tare_g)
            for epc, net_g in zip(self.epcs, nets_g, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPlan:
    """A reader and its one antenna; ``near`` are the zones it may also hear.

    ``device`` is the network reader that the antenna belongs to, where several share one.
    """

    name: str
    gateway: str
    zone: str
    antenna: int
    near: tuple[str, ...]
    round_s: float
    autostart: bool
    form: ReaderForm = ReaderForm.YRM100
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePlan:
    """A platform under a lot with a serial indicator."""

    name: str
    gateway: str
    lot: str
    form: ScaleForm
    rate_hz: float
    capacity_g: int
    division_g: int
    settle_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeigherPlan:
    """A platform under a lot with a Modbus RTU weighing transmitter on its own bus.

    ``period_s``, here and below: how often its gateway asks in a simulated month.
    """

    name: str
    gateway: str
    lot: str
    unit: int
    capacity_g: int
    settle_s: float
    period_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimatePlan:
    """A temperature and humidity transmitter of a zone, on Modbus TCP.

    ``weather_share`` of the daily wave outdoors reaches the zone.
    """

    name: str
    gateway: str
    zone: str
    unit: int
    temperature_c: float
    humidity_pct: float
    overheat_c: float
    limit_c: float  # above this the goods suffer: from here on an overheating shows
    air_tau_s: float
    lag_s: float
    freeze_c: float | None = None  # where a freezing incident drives the air to
    damp_pct: float = 98.0  # where a humidity incident drives it to
    weather_share: float = 0.0
    period_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShockPlan:
    """A shock transmitter with a latched peak register, on Modbus TCP."""

    name: str
    gateway: str
    zone: str
    unit: int
    hold_s: float
    period_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorPlan:
    """A door contact as a discrete input, on Modbus TCP."""

    name: str
    gateway: str
    zone: str
    unit: int
    period_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterPlan:
    """A leak sensor on a zone's floor as a discrete input, on Modbus TCP."""

    name: str
    gateway: str
    zone: str
    unit: int
    period_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GnssPlan:
    """A GNSS tracker on the container of a lot; ``roof``: it stands under a steel one."""

    name: str
    gateway: str
    lot: str
    x_m: float
    y_m: float
    form: GnssForm = GnssForm.NMEA
    roof: bool = False
    period_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPlan:
    """A camera behind Frigate that also sends ONVIF events; ``camera`` is its name in topics."""

    name: str
    gateway: str
    camera: str
    watches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentPlan:
    """A quoted price and how it wanders between two posts."""

    name: str
    value: float
    decimals: int
    currency: str
    unit: str
    step_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole site; ``sensor_noise`` has what single sensors do other than ``noise``."""

    name: str
    site: str
    origin_lat_deg: float
    origin_lon_deg: float
    dock: str  # the zone to which a moved pallet goes
    price_period_s: float
    noise: NoiseProfile
    zones: tuple[ZonePlan, ...]
    lots: tuple[LotPlan, ...]
    readers: tuple[ReaderPlan, ...]
    scales: tuple[ScalePlan, ...]
    weighers: tuple[WeigherPlan, ...]
    climates: tuple[ClimatePlan, ...]
    shocks: tuple[ShockPlan, ...]
    doors: tuple[DoorPlan, ...]
    trackers: tuple[GnssPlan, ...]
    cameras: tuple[CameraPlan, ...]
    instruments: tuple[InstrumentPlan, ...]
    waters: tuple[WaterPlan, ...] = ()
    sensor_noise: Mapping[str, NoiseProfile] = field(default_factory=dict[str, NoiseProfile])
    life: LifePlan = field(default_factory=LifePlan)
    is_family: bool = False  # its file describes many sites, of which this is one

    def noise_of(self, sensor: str) -> NoiseProfile:
        """Return how noisy the sensor of that name is."""
        return self.sensor_noise.get(sensor, self.noise)

    def tag_mixes(self) -> dict[str, tuple[tuple[float, float, float], ...]]:
        """Return the kinds of tags of the lots that have a mix of their own, by lot."""
        return {lot.name: lot.tag_betas for lot in self.lots if lot.tag_betas is not None}

    def gateways(self) -> tuple[str, ...]:
        """Return the names of all gateways, sorted."""
        groups = (self.readers, self.scales, self.weighers, self.climates, self.shocks, self.doors)
        found = {plan.gateway for group in groups for plan in group}
        found |= {plan.gateway for plan in (*self.trackers, *self.waters)}
        found |= {plan.gateway for plan in self.cameras}
        return tuple(sorted(found))

    def lot(self, name: str) -> LotPlan:
        """Return the lot called ``name``, which must exist."""
        return next(lot for lot in self.lots if lot.name == name)
