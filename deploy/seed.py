"""Registers the simulated site with the backend, over HTTP, as its users would.

Each step is done by the party whose business it is: the operator registers parties and the plant,
logistics its zones, lots and bindings, the lender instruments and facilities, the borrower
proposes the pledge, the lender accepts. Prices before today are synthetic (a seeded random walk
that ends at the scenario's price) and named as such by their source.
"""

import json
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from deploy.accounts import write_private
from deploy.client import ApiClient
from deploy.errors import DeployError
from deploy.ports import polls
from firmware_sim.plan import InstrumentPlan, LotPlan, Scenario

HISTORY_DAYS = 600  # The haircut's volatility looks back 500 trading days.
HISTORY_SIGMA = 0.011  # Daily, about what copper had in 2015-2024.
ROLES = ("lender", "borrower", "logistics", "operator", "regulator")
PARTY_NAMES = {
    "lender": "Demo Bank",
    "borrower": "Demo Trading",
    "logistics": "Demo Logistics",
    "operator": "Platform Operations",
    "regulator": "Demo Supervisor",
}
LOGINS = {"lender": "bank"} | {role: role for role in ROLES if role != "lender"}
TAKEN_ITEM_SHARE = 4  # Tolerance of a platform: a quarter of the lightest item on it.
MISSING_AFTER_S = 5  # Twice a heartbeat of deploy.gateway_files; a real site waits longer.
MAX_GAP_S = 8
SEEN_S_MAX = 60.0  # Gateways begin to read within seconds; a small machine takes its time.

FACILITIES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("Metals", ("copper", "aluminium"), 8_000_000),
    ("Provisions", ("fish", "lubricant"), 1_200_000),
)
"""Name, lots, limit in cents."""


class SeedError(DeployError):
    """The site could not be registered as it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSeed:
    """The parties with their logins, the plant and the market: what gateways need to begin."""

    passwords: dict[str, str]
    parties: dict[str, str]
    site_id: str
    feed_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What the seed made: logins and the ids that the demo and the story need."""

    passwords: dict[str, str]
    facilities: dict[str, str]
    lots: dict[str, str]
    feed_token: str

    def save(self, path: Path) -> None:
        """Write it to ``path``, for the next start; it holds passwords."""
        write_private(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "Seeded":
        """Read what ``save`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def seed_site(base_url: str, operator_password: str, scenario: Scenario, today: date) -> SiteSeed:
    """Register parties, plant and market; the operator's account must exist, all else must not.

    Raises:
        ApiError: The backend refused a step.
    """
    passwords = {role: secrets.token_urlsafe(9) for role in ROLES}
    passwords["operator"] = operator_password
    with _log_in(base_url, "operator", passwords) as operator:
        parties = _add_parties(operator, passwords)
        site_id = _add_site(operator, scenario, parties["logistics"])
        for gateway in scenario.gateways():
            operator.post("/api/gateways", {"id": gateway, "site_id": site_id})
    with _log_in(base_url, "lender", passwords) as lender:
        _add_market(lender, scenario, today)
        feed = lender.post("/api/tokens", {"name": "price feed"})
    return SiteSeed(
        passwords=passwords, parties=parties, site_id=site_id, feed_token=feed["token"]
    )


def seed_goods(base_url: str, site: SiteSeed, scenario: Scenario) -> Seeded:
    """Register zones, lots and bindings once the sensors are heard, then pledge what they see.

    Raises:
        ApiError: The backend refused a step.
        SeedError: Sensors or goods were not seen in time.
    """
    with _log_in(base_url, "operator", site.passwords) as operator:
        _wait_for_sensors(operator, scenario)
    with _log_in(base_url, "logistics", site.passwords) as logistics:
        zones = _add_zones(logistics, site.site_id, scenario)
        lots = _add_lots(logistics, scenario, site.site_id, zones, site.parties["borrower"])
        _add_bindings(logistics, scenario, zones, lots)
        _wait_for_goods(logistics)
    facilities = _add_facilities(base_url, site, lots)
    return Seeded(
        passwords=site.passwords, facilities=facilities, lots=lots, feed_token=site.feed_token
    )


def lender_party(base_url: str, operator_password: str) -> str:
    """Return the id of the demo's lender, for which its key is to sign.

    Raises:
        SeedError: It is not registered.
    """
    with _log_in(base_url, "operator", {"operator": operator_password}) as operator:
        for party in operator.get("/api/parties"):
            if party["name"] == PARTY_NAMES["lender"]:
                return str(party["id"])
    message = f"no party is called {PARTY_NAMES['lender']}"
    raise SeedError(message)


def register_key(base_url: str, operator_password: str, message: str) -> None:
    """Register a party's key by the message that it signed itself.

    Raises:
        ApiError: The backend refused it.
    """
    with _log_in(base_url, "operator", {"operator": operator_password}) as operator:
        operator.post("/api/party-keys", {"name": "demo desk", "message": message})


def _wait_for_sensors(operator: ApiClient, scenario: Scenario) -> None:
    plans = (*scenario.readers, *scenario.scales, *scenario.weighers, *scenario.climates)
    more = (*scenario.shocks, *scenario.doors, *scenario.trackers)
    wanted = {plan.name for plan in plans} | {plan.name for plan in more}
    silent = wanted
    for _ in polls(SEEN_S_MAX, every_s=0.5):
        silent = wanted - {row["sensor"] for row in operator.get("/api/sensors")}
        if not silent:
            return
    message = f"never heard: {', '.join(sorted(silent))}"
    raise SeedError(message)


def _wait_for_goods(logistics: ApiClient) -> None:
    unseen: list[str] = []
    for _ in polls(SEEN_S_MAX, every_s=0.5):
        unseen = [
            lot["name"]
            for lot in logistics.get("/api/lots")
            if lot["state"]["quantity"] != "whole" or lot["state"]["surveillance"] != "live"
        ]
        if not unseen:
            return
    message = f"not whole and watched: {', '.join(unseen)}"
    raise SeedError(message)


def _log_in(base_url: str, role: str, passwords: Mapping[str, str]) -> ApiClient:
    client = ApiClient(base_url)
    client.log_in(LOGINS[role], passwords[role])
    return client


def _add_parties(operator: ApiClient, passwords: Mapping[str, str]) -> dict[str, str]:
    parties: dict[str, str] = {}
    for role in ROLES:
        if role == "operator":
            continue
        party = operator.post("/api/parties", {"name": PARTY_NAMES[role]})
        parties[role] = party["id"]
        account = {"party_id": party["id"], "login": LOGINS[role], "role": role}
        operator.post("/api/accounts", account | {"password": passwords[role]})
    return parties


def _add_site(operator: ApiClient, scenario: Scenario, logistics_party: str) -> str:
    site = operator.post(
        "/api/sites",
        {
            "name": scenario.site,
            "logistics_party": logistics_party,
            "origin_lat_deg": scenario.origin_lat_deg,
            "origin_lon_deg": scenario.origin_lon_deg,
        },
    )
    return str(site["id"])


def _add_zones(logistics: ApiClient, site_id: str, scenario: Scenario) -> dict[str, str]:
    zones: dict[str, str] = {}
    for zone in scenario.zones:
        kind = zone.name if zone.name in ("dock", "yard") else "storage"
        body = {"name": zone.name, "kind": kind, "polygon_m": [list(p) for p in zone.polygon]}
        zones[zone.name] = logistics.post(f"/api/sites/{site_id}/zones", body)["id"]
    return zones


def _add_market(lender: ApiClient, scenario: Scenario, today: date) -> None:
    for instrument in scenario.instruments:
        lender.post(
            "/api/instruments",
            {
                "id": instrument.name,
                "name": instrument.name,
                "unit": instrument.unit,
                "currency": instrument.currency,
                "max_price_age_s": 90,
                "jump_max_bps": 3_000,
                "jump_floor_bps": 3_000,
                "haircut_floor_bps": 2_000,
            },
        )
        lender.post_text(
            f"/api/instruments/{instrument.name}/prices.csv",
            price_history(instrument, today),
            source="synthetic-history",
            currency=instrument.currency,
            unit=instrument.unit,
        )
    for commodity in sorted({lot.commodity for lot in scenario.lots}):
        lender.post("/api/commodities", _commodity(commodity, scenario))


def price_history(instrument: InstrumentPlan, today: date) -> str:
    """Return a CSV of made-up daily prices on weekdays before ``today``, ending at the plan's."""
    rng = random.Random(instrument.name)  # noqa: S311 - reproducible, not secret
    rows: list[tuple[date, float]] = []
    value, day = instrument.value, today
    while len(rows) < HISTORY_DAYS:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            rows.append((day, value))
            value /= 1 + rng.gauss(0.0, HISTORY_SIGMA)
    lines = [f"{day.isoformat()},{value:.2f}" for day, value in reversed(rows)]
    return "\n".join(["Date,Price", *lines]) + "\n"


def commodity_id(name: str) -> str:
    """Return the id under which a commodity called ``name`` is registered."""
    return name.lower().replace(" ", "-")[:32]


def _commodity(name: str, scenario: Scenario) -> dict[str, Any]:
    body: dict[str, Any] = {"id": commodity_id(name), "name": name}
    zones = {lot.zone for lot in scenario.lots if lot.commodity == name}
    for climate in scenario.climates:
        if climate.zone in zones:
            body |= {"temperature_max_c": climate.limit_c, "temperature_dwell_s": 20}
    if any(shock.zone in zones for shock in scenario.shocks):
        body["shock_max_g0"] = 3.0
    return body


def _add_lots(
    logistics: ApiClient,
    scenario: Scenario,
    site_id: str,
    zones: Mapping[str, str],
    owner_party: str,
) -> dict[str, str]:
    lots: dict[str, str] = {}
    for lot in scenario.lots:
        body = {
            "name": lot.name,
            "site_id": site_id,
            "zone_id": zones[lot.zone],
            "owner_party": owner_party,
            "commodity_id": commodity_id(lot.commodity),
            "instrument_id": lot.instrument,
            "pledged_mass_g": sum(item.net_g for item in lot.items),
        }
        lots[lot.name] = logistics.post("/api/lots", body)["id"]
        logistics.post(f"/api/lots/{lots[lot.name]}/items", {"items": _items(lot)})
    return lots


def _items(lot: LotPlan) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{lot.name}-{number:02d}",
            "epc": item.epc.lower(),
            "net_mass_g": item.net_g,
            "tare_mass_g": item.tare_g,
        }
        for number, item in enumerate(lot.items, 1)
    ]


def _add_bindings(
    logistics: ApiClient, scenario: Scenario, zones: Mapping[str, str], lots: Mapping[str, str]
) -> None:
    def bind(gateway: str, sensor: str, purpose: str, zone: str, **more: str | int) -> None:
        body = {"gateway_id": gateway, "sensor": sensor, "purpose": purpose}
        body |= {"zone_id": zones[zone]}
        logistics.post("/api/bindings", body | {"max_gap_s": MAX_GAP_S} | more)

    for reader in scenario.readers:
        bind(
            reader.gateway,
            reader.name,
            "presence",
            reader.zone,
            missing_after_s=MISSING_AFTER_S,
        )
    for platform in (*scenario.scales, *scenario.weighers):
        lot = scenario.lot(platform.lot)
        tolerance = {"lot_id": lots[lot.name], "tolerance_mass_g": lot.net_g // TAKEN_ITEM_SHARE}
        bind(platform.gateway, platform.name, "load", lot.zone, **tolerance)
    for plan in (*scenario.climates, *scenario.shocks):
        bind(plan.gateway, plan.name, "condition", plan.zone)
    for door in scenario.doors:
        bind(door.gateway, door.name, "door", door.zone)
    for tracker in scenario.trackers:
        zone = scenario.lot(tracker.lot).zone
        bind(tracker.gateway, tracker.name, "position", zone, lot_id=lots[tracker.lot])
    for camera in scenario.cameras:
        for sensor in (camera.name, f"{camera.name}-view", f"{camera.name}-image"):
            for zone in camera.watches:
                bind(camera.gateway, sensor, "camera", zone, max_gap_s=60)


def _add_facilities(base_url: str, site: SiteSeed, lots: Mapping[str, str]) -> dict[str, str]:
    facilities: dict[str, str] = {}
    with (
        _log_in(base_url, "lender", site.passwords) as lender,
        _log_in(base_url, "borrower", site.passwords) as borrower,
    ):
        for name, lot_names, limit_minor in FACILITIES:
            body = {
                "name": name,
                "borrower_party": site.parties["borrower"],
                "currency": "USD",
                "limit_minor": limit_minor,
            }
            facilities[name] = lender.post("/api/facilities", body)["id"]
            pledge = borrower.post(
                "/api/pledges",
                {
                    "lender_party": site.parties["lender"],
                    "lot_ids": [lots[lot] for lot in lot_names],
                },
            )
            lender.post(f"/api/pledges/{pledge['id']}/accept", {"facility_id": facilities[name]})
    return facilities
