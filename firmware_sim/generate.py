"""Makes one site of a family: from the ranges of ``[generate]`` to tables of a plain scenario.

Pure: the same file, seed and number give the same site. What it makes goes through the same
checks as what a person wrote.
"""

import math
from dataclasses import dataclass, field
from random import Random
from typing import Final

from firmware_sim.errors import ScenarioError
from firmware_sim.family_plan import FamilyPlan, GoodsPlan, Span, read_family
from firmware_sim.noise import seeded
from firmware_sim.plan import ScaleForm
from firmware_sim.toml_table import Table

Entry = dict[str, object]
Near = dict[str, list[str]]
_MADE: Final = (
    *("zone", "lot", "reader", "scale", "weigher", "climate", "shock", "door", "water"),
    *("gnss", "camera", "sensor_noise", "dock"),
)
"""What ``[generate]`` makes, and a file with it may not hold."""
SITE_NAME_MAX: Final = 20  # Numbers of site and gateway come behind it.
_PITCH_M: Final = 2.5  # As the world sets pallets out.
_SIDE_M_MIN: Final = {"hall": 15.0, "cold": 10.0, "yard": 60.0}  # A fence needs room for GPS.
_CLEAR_M: Final = 6.0
_DOCK_M: Final = 20.0
_HEADROOM: Final = 1.6  # A forklift may park on a platform.
_FORKLIFT_G: Final = 5_000_000
_FORMS: Final = (ScaleForm.TSCALE, ScaleForm.AD, ScaleForm.SICS)


def expand(raw: Entry, *, seed: int, number: int) -> Entry:
    """Return the tables of the ``number``-th site of the family that ``raw`` describes.

    Raises:
        ScenarioError: a key of ``[generate]`` is wrong, or one is there that it makes itself.
    """
    for key in _MADE:
        if key in raw:
            bound = "must be absent: [generate] makes it"
            raise ScenarioError(key=key, value=raw[key], bound=bound)
    top = Table(raw, "")
    family = read_family(top.table("generate"))
    family_name = top.text("site")
    if len(family_name) > SITE_NAME_MAX:
        bound = f"must be at most {SITE_NAME_MAX} characters"
        raise ScenarioError(key="site", value=family_name, bound=bound)
    site = f"{family_name}-{number:02d}"
    rng = seeded(seed, f"family/{site}")
    made = _Builder(family=family, rng=rng).build()
    rest = {key: value for key, value in raw.items() if key != "generate"}
    prefix = f"{site}-"
    for entries in made.values():
        for entry in entries:
            if "gateway" in entry:
                entry["gateway"] = f"{prefix}{entry['gateway']}"
    return {**rest, "site": site, "dock": "dock", **made}


@dataclass(slots=True, kw_only=True)
class _Builder:
    """One site while it is drawn."""

    family: FamilyPlan
    rng: Random
    tables: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    gateways: list[str] = field(default_factory=list[str])
    units: int = 0
    middles_m: dict[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )

    def build(self) -> dict[str, list[Entry]]:
        """Return all tables."""
        count = self.rng.randint(*self.family.gateways)
        self.gateways = [f"gw-{number}" for number in range(1, count + 1)]
        lots = [
            (f"{goods.name}-{number}", goods, self.rng.randint(*goods.items))
            for goods in self.family.goods
            for number in range(1, self.rng.randint(*goods.lots) + 1)
        ]
        if not lots:
            first = self.family.goods[0]
            lots = [(f"{first.name}-1", first, first.items[0])]
        self.rng.shuffle(lots)
        spares = self.rng.randint(*self.family.spare_zones)
        near = self._lay_out(lots, spares)
        for name, goods, items in lots:
            self._lot(name, goods, items, near)
        for number in range(1, spares + 1):
            self._reader(f"rfid-spare-{number}", f"spare-{number}", near, 1.0)
        for number in range(1, self.rng.randint(*self.family.dock_readers) + 1):
            self._reader(f"rfid-dock-{number}", "dock", near, 1.0)
        return self.tables

    def _add(self, key: str, entry: Entry) -> None:
        self.tables.setdefault(key, []).append(entry)

    def _between(self, span: Span) -> float:
        return round(self.rng.uniform(*span), 2)

    def _lay_out(
        self, lots: list[tuple[str, GoodsPlan, int]], spares: int
    ) -> dict[str, list[str]]:
        """Set zones out in rows above the dock; return which are neighbours."""
        sides = [(f"zone-{name}", _side_m(goods.place, items)) for name, goods, items in lots]
        sides += [(f"spare-{number}", _SIDE_M_MIN["hall"]) for number in range(1, spares + 1)]
        per_row = self.rng.randint(*self.family.row)
        rows = [sides[start : start + per_row] for start in range(0, len(sides), per_row)]
        near: Near = {"dock": []}
        y_m, width_m = _DOCK_M, max(sum(side for _, side in row) for row in rows)
        below: list[tuple[str, float, float]] = [("dock", 0.0, width_m)]
        self._zone("dock", 0.0, 0.0, width_m, _DOCK_M)
        for row in rows:
            x_m, deep_m = 0.0, max(side for _, side in row)
            here: list[tuple[str, float, float]] = []
            for name, side in row:
                self._zone(name, x_m, y_m, side, deep_m)
                touching = [other for other, a, b in below if a < x_m + side and x_m < b]
                touching += [other for other, _, b in here if b == x_m]
                near[name] = touching
                for other in touching:
                    near[other].append(name)
                here.append((name, x_m, x_m + side))
                x_m += side
            y_m, below = y_m + deep_m, here
        return near

    def _zone(self, name: str, x_m: float, y_m: float, wide_m: float, deep_m: float) -> None:
        right_m, top_m = x_m + wide_m, y_m + deep_m
        polygon = [[x_m, y_m], [right_m, y_m], [right_m, top_m], [x_m, top_m]]
        self._add("zone", {"name": name, "polygon": polygon})
        self.middles_m[name] = ((x_m + right_m) / 2, (y_m + top_m) / 2)

    def _lot(self, name: str, goods: GoodsPlan, items: int, near: Near) -> None:
        mean_g = self._between(goods.net_kg) * 1_000.0
        spread = goods.net_spread
        nets_g = [round(mean_g * self.rng.uniform(1 - spread, 1 + spread)) for _ in range(items)]
        tare_g = round(self._between(goods.tare_kg) * 1_000.0)
        zone, gateway = f"zone-{name}", self.rng.choice(self.gateways)
        lot: Entry = {
            "name": name,
            "commodity": goods.commodity,
            "zone": zone,
            "instrument": goods.instrument,
            "count": items,
            "nets_g": nets_g,
            "tare_g": tare_g,
        }
        if goods.tag_shares is not None:
            lot["tag_shares"] = dict(goods.tag_shares)
        for number in range(1, self.rng.randint(*goods.readers) + 1):
            self._reader(f"rfid-{name}-{number}", zone, near, goods.round_s, gateway)
        gross_g = sum(nets_g) + items * tare_g
        if self._has(goods, "scale_share"):
            self._scale(name, gateway, gross_g, goods.scale_period_s)
        self._zonal(name, zone, gateway, goods, lot)
        if self._has(goods, "camera_share"):
            camera = f"cam-{name}"
            entry: Entry = {"name": camera, "gateway": gateway, "camera": camera}
            self._add("camera", entry | {"watches": [zone]})
        if self._has(goods, "gps_share"):
            x_m, y_m = self.middles_m[zone]
            tracker: Entry = {"name": f"gnss-{name}", "gateway": gateway, "lot": name}
            roof = self._has(goods, "roof_share")
            self._add("gnss", tracker | {"x_m": x_m, "y_m": y_m, "roof": roof})
        self._add("lot", lot)

    def _zonal(self, name: str, zone: str, gateway: str, goods: GoodsPlan, lot: Entry) -> None:
        """Add the lot's units on Modbus TCP, and the limits that they watch."""
        air = goods.air
        if self._has(goods, "climate_share"):
            climate: Entry = {
                "temperature_c": self._between(air.temperature_c),
                "humidity_pct": self._between(air.humidity_pct),
                "overheat_c": air.overheat_c,
                "limit_c": air.temperature_max_c,
                "air_tau_s": self._between(air.air_tau_s),
                "damp_pct": air.damp_pct,
                "weather_share": air.weather_share,
            }
            if air.freeze_c is not None:
                climate["freeze_c"] = air.freeze_c
            self._unit("climate", f"temp-{name}", zone, gateway, climate)
            limits = {
                "temperature_min_c": air.temperature_min_c,
                "temperature_max_c": air.temperature_max_c,
                "temperature_dwell_s": air.temperature_dwell_s,
                "humidity_max_pct": air.humidity_max_pct,
            }
            lot |= {key: value for key, value in limits.items() if value is not None}
        if self._has(goods, "shock_share"):
            self._unit("shock", f"shock-{name}", zone, gateway, {})
            lot["shock_max_g0"] = goods.shock_max_g0
        if self._has(goods, "door_share"):
            self._unit("door", f"door-{name}", zone, gateway, {})
        if self._has(goods, "water_share"):
            self._unit("water", f"water-{name}", zone, gateway, {})

    def _has(self, goods: GoodsPlan, key: str) -> bool:
        return self.rng.random() < goods.shares[key]

    def _unit(self, key: str, name: str, zone: str, gateway: str, more: Entry) -> None:
        self.units += 1
        entry: Entry = {"name": name, "gateway": gateway, "zone": zone, "unit": self.units}
        self._add(key, entry | more)

    def _reader(self, name: str, zone: str, near: Near, round_s: float, gateway: str = "") -> None:
        entry: Entry = {"name": name, "gateway": gateway or self.gateways[0], "zone": zone}
        entry |= {"round_s": round_s, "antenna": 1}
        if near[zone]:
            entry["near"] = near[zone]
        self._add("reader", entry)

    def _scale(self, lot: str, gateway: str, gross_g: int, period_s: float) -> None:
        capacity_g = _round_up(max(gross_g * _HEADROOM, gross_g + _FORKLIFT_G))
        entry: Entry = {"gateway": gateway, "lot": lot, "capacity_g": capacity_g}
        if self.rng.random() < 0.5:
            form = self.rng.choice(_FORMS).value
            more: Entry = {"name": f"scale-{lot}", "form": form, "rate_hz": 1.0 / period_s}
            self._add("scale", entry | more)
        else:
            more = {"name": f"load-{lot}", "unit": 1, "period_s": period_s}
            self._add("weigher", entry | more)


def _side_m(place: str, items: int) -> float:
    columns = max(1, math.ceil(math.sqrt(items)))
    return max(_SIDE_M_MIN[place], columns * _PITCH_M + _CLEAR_M)


def _round_up(mass_g: float) -> int:
    """Return the next whole half tonne."""
    return math.ceil(mass_g / 500_000) * 500_000
