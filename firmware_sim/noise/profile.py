"""How noisy a site is: the figures of every model, and the profiles that fill them in.

Source of the figures: design, quality.md, table "Detection" (profile ``site``). The profile
``demo`` is quieter where a page-long demonstration would otherwise meet a once-a-day event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

REFERENCE_CAPACITY_G: Final = 3_000_000  # the load cell that the figures in grams are for


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseProfile:
    """How noisy a site is; every figure can be overridden in the scenario's ``[noise]``.

    Figures in grams are those of a platform for 3 t and grow with its capacity; figures with a
    ``share`` are of the load or, where it says so, of the capacity.
    """

    tag_betas: tuple[tuple[float, float, float], ...]  # (share of tags, alpha, beta)
    rssi_dbm: float = -56.0
    rssi_tag_sd_db: float = 4.0
    rssi_sd_db: float = 3.0
    cross_read: float = 0.0  # chance of a neighbouring zone's tag in a round
    cross_loss_db: float = 12.0
    duplicate: float = 0.01  # chance that a read is reported twice
    ghost: float = 0.0  # chance that a read comes with bits of its EPC wrong
    blockage_per_s: float = 0.0  # how often something comes to stand before a whole shelf
    blockage_s: float = 300.0
    blockage_factor: float = 0.1  # of the chance to read a tag behind it
    reader_outages_per_day: float = 0.0
    reader_outage_s: float = 300.0
    weight_sd_g: float = 20.0
    creep_share: float = 0.0002  # of the load, gone with creep_tau_s
    creep_tau_s: float = 600.0
    nonlinearity_share: float = 0.0  # of the capacity, at half of it
    hysteresis_share: float = 0.0  # of the capacity, between rising and falling load
    repeat_low_share: float = 0.0  # of the load: spread of one loading against the next,
    repeat_high_share: float = 0.0  # of which each cell has its own between these two
    zero_share_per_10k: float = 0.0  # of the capacity
    span_share_per_10k: float = 0.0
    cell_swing_k: float = 0.0  # daily wave of the cell's temperature, from mean to warmest
    ageing_g_per_month: float = 0.0
    spikes_per_h: float = 0.0
    platform_bumps_per_h: float = 0.0  # a forklift leans on the platform
    platform_bump_g: float = 50_000.0
    platform_bump_s: float = 5.0
    temperature_offset_sd_c: float = 0.1
    temperature_sd_c: float = 0.04
    humidity_offset_sd_pct: float = 0.0
    humidity_sd_pct: float = 0.1
    shock_rms_g: float = 0.02
    bumps_per_h: float = 0.0  # forklift, 0.3 to 1 g
    idle_share: float = 0.0  # of all bumps, those that go on while nobody works
    gnss_sd_m: float = 2.1
    gnss_tau_s: float = 60.0
    gnss_slow_sd_m: float = 1.5
    gnss_slow_tau_s: float = 1_800.0
    gnss_white_m: float = 0.3
    gnss_roof_low_m: float = 10.0  # each receiver under a roof has its own spread
    gnss_roof_high_m: float = 15.0
    gnss_roof_tau_s: float = 300.0
    gnss_roof_fix_share: float = 0.7
    gnss_roof_lost_s: float = 60.0  # mean time without a fix
    gnss_glitches_per_day: float = 0.0  # under a roof: far off, and sure of it
    light_steps_per_day: float = 0.0
    trucks_per_day: float = 0.0
    truck_s: float = 60.0
    camera_outages_per_week: float = 0.0
    camera_outage_s: float = 600.0
    bus_timeout: float = 0.0  # chance that a Modbus unit does not answer
    bus_crc_error: float = 0.0
    bus_late_reply: float = 0.0


_DEMO: Final = NoiseProfile(
    tag_betas=((1.0, 600.0, 3.0),),  # mean 0.995: an antenna a few metres above each zone
    gnss_sd_m=1.0,
    gnss_slow_sd_m=0.8,
)

_SITE: Final = NoiseProfile(
    tag_betas=((0.80, 18.0, 2.0), (0.15, 6.5, 3.5), (0.05, 2.5, 7.5)),
    cross_read=0.02,
    ghost=1e-6,
    blockage_per_s=0.001,
    reader_outages_per_day=1.0,
    weight_sd_g=100.0,
    nonlinearity_share=0.0002,
    hysteresis_share=0.0002,
    repeat_low_share=0.0001,
    repeat_high_share=0.0003,
    zero_share_per_10k=0.00014,
    span_share_per_10k=0.000125,
    cell_swing_k=8.0,
    ageing_g_per_month=500.0,
    spikes_per_h=1.0,
    platform_bumps_per_h=2.0,
    humidity_offset_sd_pct=1.0,
    bumps_per_h=20.0,
    gnss_glitches_per_day=1.0,
    light_steps_per_day=3.0,
    trucks_per_day=10.0,
    camera_outages_per_week=1.0,
    bus_timeout=0.001,
    bus_crc_error=1e-4,
    bus_late_reply=1e-4,
)

PROFILES: Final[Mapping[str, NoiseProfile]] = {"demo": _DEMO, "site": _SITE}


def retagged(
    profile: NoiseProfile, tag_betas: tuple[tuple[float, float, float], ...]
) -> NoiseProfile:
    """Return ``profile`` with another mix of tags."""
    return replace(profile, tag_betas=tag_betas)
