"""Reads a site's plan from TOML, with errors that name key, value and bound."""

import dataclasses
import tomllib
from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.generate import expand
from firmware_sim.life import USUAL_FORKLIFTS
from firmware_sim.noise import PROFILES, NoiseProfile
from firmware_sim.plan import LimitsPlan, LotPlan, ReaderForm, Scenario, ZonePlan
from firmware_sim.scenario_life import read_life
from firmware_sim.scenario_sensors import (
    MASS_G_MAX,
    name_of,
    read_camera,
    read_climate,
    read_door,
    read_instrument,
    read_reader,
    read_scale,
    read_shock,
    read_tracker,
    read_water,
    read_weigher,
)
from firmware_sim.toml_table import Table

SCENARIO_BYTES_MAX = 1 << 20  # a site of ten thousand items is a tenth of this
ITEMS_MAX = 5_000  # Of one lot; their EPCs are then made, not written.
TAG_KINDS: Final[Mapping[str, tuple[float, float]]] = {
    "excellent": (600.0, 3.0),
    "good": (18.0, 2.0),
    "fair": (6.5, 3.5),
    "poor": (2.5, 7.5),
}
"""The chance to read a tag in a round is drawn from Beta(alpha, beta) of its kind."""
_CHANCES: Final = frozenset(
    (
        *("cross_read", "duplicate", "ghost", "blockage_factor"),
        *("bus_timeout", "bus_crc_error", "bus_late_reply"),
    )
)
_SHOCK_MAX_G0: Final = 3.0  # What a fall is taken for, where a lot says nothing.
_COMPANY: Final = 614_141  # The EPC Tag Data Standard's own example.


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with the simulator."""
    folder = resources.files("firmware_sim.scenarios")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def load_scenario(
    name_or_path: str, *, profile: str | None = None, seed: int = 1, number: int = 1
) -> Scenario:
    """Return the scenario of that name, or of that file if it ends in ``.toml``.

    Args:
        name_or_path: a name from ``scenario_names`` or a path.
        profile: a noise profile that replaces the one the file names.
        seed: draws the site, if the file describes a family of them.
        number: which site of the family.

    Raises:
        ScenarioError: there is none, it is no TOML, or a key is wrong.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise ScenarioError(key="scenario", value=name_or_path, bound="no such file")
        text = path.read_bytes()
    else:
        known = scenario_names()
        if name_or_path not in known:
            bound = f"unknown; there is {', '.join(known)}, or give a path that ends in .toml"
            raise ScenarioError(key="scenario", value=name_or_path, bound=bound)
        text = (
            resources.files("firmware_sim.scenarios").joinpath(f"{name_or_path}.toml").read_bytes()
        )
    return parse_scenario(text, profile=profile, seed=seed, number=number)


def parse_scenario(
    text: bytes, *, profile: str | None = None, seed: int = 1, number: int = 1
) -> Scenario:
    """Return the scenario written in ``text``.

    Raises:
        ScenarioError: it is too long, no TOML, or a key is wrong.
    """
    if len(text) > SCENARIO_BYTES_MAX:
        bound = f"at most {SCENARIO_BYTES_MAX} bytes"
        raise ScenarioError(key="scenario", value=len(text), bound=bound)
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ScenarioError(key="scenario", value=str(exc), bound="must be TOML") from exc
    is_family = "generate" in raw
    top = Table(expand(raw, seed=seed, number=number) if is_family else raw, "")
    zones = tuple(_zone(t) for t in top.tables("zone"))
    known_zones = _unique("zone", [z.name for z in zones])
    instruments = tuple(read_instrument(t) for t in top.tables("instrument"))
    known_instruments = _unique("instrument", [i.name for i in instruments])
    site = name_of(top, "site")
    lots = tuple(_lot(t, known_zones, known_instruments, site) for t in top.tables("lot"))
    known_lots = _unique("lot", [lot.name for lot in lots])
    _unique("lot.epcs", [epc for lot in lots for epc in lot.epcs])
    life = read_life(top, known_zones)
    noise = _busy(_noise(top.table("noise"), profile), life.shift.forklifts)
    scenario = Scenario(
        name=name_of(top, "name"),
        site=site,
        origin_lat_deg=top.number("origin_lat_deg", low=-85.0, high=85.0),
        origin_lon_deg=top.number("origin_lon_deg", low=-180.0, high=180.0),
        dock=top.text("dock", among=known_zones),
        price_period_s=top.number("price_period_s", low=0.1, high=86_400.0, default=15.0),
        noise=noise,
        zones=zones,
        lots=lots,
        readers=tuple(read_reader(t, known_zones) for t in top.tables("reader")),
        scales=tuple(read_scale(t, known_lots) for t in top.tables("scale")),
        weighers=tuple(read_weigher(t, known_lots) for t in top.tables("weigher")),
        climates=tuple(read_climate(t, known_zones) for t in top.tables("climate")),
        shocks=tuple(read_shock(t, known_zones) for t in top.tables("shock")),
        doors=tuple(read_door(t, known_zones) for t in top.tables("door")),
        waters=tuple(read_water(t, known_zones) for t in top.tables("water")),
        trackers=tuple(read_tracker(t, known_lots) for t in top.tables("gnss")),
        cameras=tuple(read_camera(t, known_zones) for t in top.tables("camera")),
        instruments=instruments,
        sensor_noise=_sensor_noise(top.tables("sensor_noise"), noise),
        life=life,
        is_family=is_family,
    )
    top.finish()
    _check_together(scenario)
    return dataclasses.replace(scenario, lots=tuple(_limited(scenario, lot) for lot in lots))


def _check_together(scenario: Scenario) -> None:
    groups = (scenario.readers, scenario.scales, scenario.weighers, scenario.climates)
    more = (scenario.shocks, scenario.doors, scenario.waters, scenario.trackers)
    names = [p.name for g in groups for p in g] + [p.name for g in more for p in g]
    known = _unique("sensor", names + [camera.name for camera in scenario.cameras])
    for name in scenario.sensor_noise:
        if name not in known:
            bound = f"must be one of: {', '.join(sorted(known))}"
            raise ScenarioError(key="sensor_noise.sensor", value=name, bound=bound)
    network = [r for r in scenario.readers if r.form is ReaderForm.LLRP]
    _unique("antenna of an LLRP reader", [f"{r.device} {r.antenna}" for r in network])
    owners = {(r.device, r.gateway) for r in network}  # it takes one client
    _unique("device of an LLRP reader", [device for device, _ in sorted(owners)])
    tcp = (scenario.climates, scenario.shocks, scenario.doors)
    units = [str(p.unit) for group in tcp for p in group]
    _unique("unit on Modbus TCP", units + [str(plan.unit) for plan in scenario.waters])
    _unique("zone of a climate", [c.zone for c in scenario.climates])
    _unique("zone of a shock", [s.zone for s in scenario.shocks])
    _unique(
        "lot on a platform", [s.lot for s in scenario.scales] + [w.lot for w in scenario.weighers]
    )


def _unique(key: str, names: list[str]) -> frozenset[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ScenarioError(key=key, value=name, bound="occurs twice")
        seen.add(name)
    return frozenset(seen)


def _noise(table: Table, profile: str | None) -> NoiseProfile:
    asked = table.text("profile", among=PROFILES, default="demo")
    if profile is not None and profile not in PROFILES:
        bound = f"must be one of: {', '.join(sorted(PROFILES))}"
        raise ScenarioError(key="noise profile", value=profile, bound=bound)
    return _tuned(table, PROFILES[profile or asked])


def _tuned(table: Table, profile: NoiseProfile) -> NoiseProfile:
    """Return ``profile`` with the figures that the table overrides."""
    numbers = [f.name for f in dataclasses.fields(NoiseProfile) if f.name != "tag_betas"]
    changes = {
        key: table.number(key, low=low, high=high)
        for key, (low, high) in ((name, _noise_bounds(name)) for name in numbers)
        if table.has(key)
    }
    betas = _tag_betas(table) or profile.tag_betas
    table.finish()
    return dataclasses.replace(profile, **changes, tag_betas=betas)


def _busy(noise: NoiseProfile, forklifts: int) -> NoiseProfile:
    """Return the noise with as many bumps as so many forklifts cause."""
    factor = forklifts / USUAL_FORKLIFTS
    return dataclasses.replace(
        noise,
        bumps_per_h=noise.bumps_per_h * factor,
        platform_bumps_per_h=noise.platform_bumps_per_h * factor,
    )


def _noise_bounds(key: str) -> tuple[float, float]:
    """Return what a figure of the noise must lie within."""
    if key == "rssi_dbm":
        return -120.0, 0.0
    if key in _CHANCES or "_share" in key:
        return 0.0, 1.0
    if key.endswith("_s") and not key.endswith("_per_s"):
        return 0.001, 1e9  # A time constant or duration: some models divide by it.
    return 0.0, 1e9


def _sensor_noise(tables: list[Table], noise: NoiseProfile) -> dict[str, NoiseProfile]:
    names = [table.text("sensor") for table in tables]
    _unique("sensor_noise.sensor", names)
    return {name: _tuned(table, noise) for name, table in zip(names, tables, strict=True)}


def _tag_betas(table: Table) -> tuple[tuple[float, float, float], ...]:
    """Return the mix of tags that ``tag_shares`` describes; none if it is absent."""
    if not table.has("tag_shares"):
        return ()
    shares = table.table("tag_shares")
    found = {
        kind: shares.number(kind, low=0.0, high=1.0) for kind in TAG_KINDS if shares.has(kind)
    }
    shares.finish()
    if abs(sum(found.values()) - 1.0) > 1e-6:
        bound = f"the shares of {', '.join(TAG_KINDS)} must add up to 1"
        raise ScenarioError(key=table.path("tag_shares"), value=found, bound=bound)
    return tuple((share, *TAG_KINDS[kind]) for kind, share in found.items() if share > 0.0)


def _zone(t: Table) -> ZonePlan:
    plan = ZonePlan(name=name_of(t), polygon=t.points("polygon"))
    t.finish()
    return plan


def _lot(t: Table, zones: Collection[str], instruments: Collection[str], site: str) -> LotPlan:
    name = name_of(t)
    epcs = _epcs(t, site, name)
    nets_g: tuple[int, ...] = ()
    if t.has("nets_g"):
        nets_g = tuple(round(g) for g in t.numbers("nets_g", low=1, high=MASS_G_MAX))
        if len(nets_g) != len(epcs):
            bound = f"must hold {len(epcs)} numbers, one for each item"
            raise ScenarioError(key=t.path("nets_g"), value=len(nets_g), bound=bound)
    mean_g = round(sum(nets_g) / len(nets_g)) if nets_g else None
    plan = LotPlan(
        name=name,
        commodity=t.text("commodity"),
        zone=t.text("zone", among=zones),
        instrument=t.text("instrument", among=instruments),
        net_g=mean_g or t.integer("net_g", low=1, high=MASS_G_MAX),
        tare_g=t.integer("tare_g", low=0, high=MASS_G_MAX),
        epcs=epcs,
        nets_g=nets_g,
        tag_betas=_tag_betas(t) or None,
        limits=_limits(t),
    )
    t.finish()
    return plan


def _epcs(t: Table, site: str, lot: str) -> tuple[str, ...]:
    """Return the EPCs that a lot lists, or as many as it counts, unlike any of another site."""
    if t.has("count"):
        count = t.integer("count", low=1, high=ITEMS_MAX)
        return tuple(made_epc(site, lot, number) for number in range(1, count + 1))
    epcs = tuple(epc.upper() for epc in t.texts("epcs"))
    for epc in epcs:
        # Gen2: an EPC is 1 to 31 words of 16 bits; the PC word holds the count in five bits.
        words, rest = divmod(len(epc), 4)
        if rest or not 1 <= words <= 31 or not set(epc) <= set("0123456789ABCDEF"):
            bound = "must be hexadecimal in whole 16-bit words, at most 31"
            raise ScenarioError(key=t.path("epcs"), value=epc, bound=bound)
    return epcs


def made_epc(site: str, lot: str, number: int) -> str:
    """Return an SGTIN-96 that belongs to that item alone, in hex.

    Source: GS1 EPC Tag Data Standard 2.0, 14.6.1: header, filter, partition 5, company prefix of
    24 bits, item reference of 20, serial of 38.
    """
    digest = int.from_bytes(sha256(f"{site}/{lot}".encode()).digest()[:6], "big")
    reference, batch = digest % 1_000_000, digest >> 20 & 0xFFFFFF
    bits = 0x30 << 6 | 3 << 3 | 5
    bits = (bits << 24 | _COMPANY) << 20 | reference
    return f"{bits << 38 | batch << 14 | number:024X}"


def _limits(t: Table) -> LimitsPlan:
    def number(key: str, low: float, high: float) -> float | None:
        return t.number(key, low=low, high=high) if t.has(key) else None

    limits = LimitsPlan(
        temperature_min_c=number("temperature_min_c", -80.0, 120.0),
        temperature_max_c=number("temperature_max_c", -80.0, 120.0),
        temperature_dwell_s=t.integer("temperature_dwell_s", low=0, high=86_400, default=20),
        humidity_max_pct=number("humidity_max_pct", 0.0, 100.0),
        shock_max_g0=number("shock_max_g0", 0.1, 100.0),
    )
    least, most = limits.temperature_min_c, limits.temperature_max_c
    if least is not None and most is not None and least >= most:
        bound = f"must be below temperature_max_c, {most:g}"
        raise ScenarioError(key=t.path("temperature_min_c"), value=least, bound=bound)
    return limits


def _limited(scenario: Scenario, lot: LotPlan) -> LotPlan:
    """Return the lot with the limits that follow from what watches it, where it has none."""
    limits = lot.limits
    climate = next((plan for plan in scenario.climates if plan.zone == lot.zone), None)
    if climate is not None and limits.temperature_max_c is None:
        limits = dataclasses.replace(limits, temperature_max_c=climate.limit_c)
    if limits.shock_max_g0 is None and any(p.zone == lot.zone for p in scenario.shocks):
        limits = dataclasses.replace(limits, shock_max_g0=_SHOCK_MAX_G0)
    return dataclasses.replace(lot, limits=limits)
