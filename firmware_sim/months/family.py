"""Makes several sites of one scenario: copies of a plant, or members of a family."""

from dataclasses import replace
from hashlib import sha256
from typing import Final, TypeVar

from firmware_sim.plan import (
    CameraPlan,
    ClimatePlan,
    DoorPlan,
    GnssPlan,
    ReaderPlan,
    ScalePlan,
    Scenario,
    ShockPlan,
    WaterPlan,
    WeigherPlan,
)
from firmware_sim.scenario import load_scenario

_Plan = TypeVar(
    "_Plan",
    ReaderPlan,
    ScalePlan,
    WeigherPlan,
    ClimatePlan,
    ShockPlan,
    DoorPlan,
    WaterPlan,
    GnssPlan,
    CameraPlan,
)


_APART_DEG: Final = 0.5  # Of longitude: 34 km at 52 degrees north.


def build_sites(scenario: str, *, seed: int, sites: int) -> tuple[Scenario, ...]:
    """Return ``sites`` scenarios with names, gateways and tags of their own.

    Raises:
        ScenarioError: there is no such scenario, or a key of it is wrong.
    """
    plan = load_scenario(scenario, seed=seed)
    numbers = range(1, sites + 1)
    if plan.is_family:
        found = [load_scenario(scenario, seed=seed, number=number) for number in numbers]
    elif sites == 1:
        found = [plan]
    else:
        found = [renamed(plan, number) for number in numbers]
    return tuple(_apart(site, place) for place, site in enumerate(found))


def _apart(plan: Scenario, place: int) -> Scenario:
    """Return a site at a distance from those before it: nobody drives there within minutes."""
    lon_deg = (plan.origin_lon_deg + place * _APART_DEG + 180.0) % 360.0 - 180.0
    return plan if place == 0 else replace(plan, origin_lon_deg=lon_deg)


def renamed(plan: Scenario, number: int) -> Scenario:
    """Return the ``number``-th copy of a site: other tags, other names of site and gateways."""
    suffix = f"-{number:02d}"

    lots = tuple(
        replace(lot, epcs=tuple(_epc(epc, number) for epc in lot.epcs)) for lot in plan.lots
    )
    return replace(
        plan,
        site=plan.site + suffix,
        lots=lots,
        readers=_own(plan.readers, suffix),
        scales=_own(plan.scales, suffix),
        weighers=_own(plan.weighers, suffix),
        climates=_own(plan.climates, suffix),
        shocks=_own(plan.shocks, suffix),
        doors=_own(plan.doors, suffix),
        waters=_own(plan.waters, suffix),
        trackers=_own(plan.trackers, suffix),
        cameras=_own(plan.cameras, suffix),
    )


def _own(plans: tuple[_Plan, ...], suffix: str) -> tuple[_Plan, ...]:
    return tuple(replace(each, gateway=each.gateway + suffix) for each in plans)


def _epc(epc: str, number: int) -> str:
    digest = sha256(f"{epc}/{number}".encode()).hexdigest().upper()
    kept = len(epc) // 2  # the head says what it is, the serial number makes it one of its kind
    return epc[:kept] + digest[: len(epc) - kept]
