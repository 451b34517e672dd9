"""A lender's policy: what holds without one, what may be set, and which lots it refuses. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from backend.collateral.types import Condition, Surveillance
from backend.errors import InvalidError
from backend.money import BPS, Minor
from backend.valuation.types import (
    LENDING_MODELS,
    DeductionCode,
    EvidenceKind,
    EvidenceRef,
    Ineligible,
    LendingPolicy,
    LotFacts,
)

SHARE_BPS_MIN: Final = 100  # Limits under 1 % would need a hundred groups to lend anything.
COMMODITIES_MAX: Final = 1_000  # A list for people.
_WATCH: Final = (Surveillance.LIVE, Surveillance.DEGRADED, Surveillance.DARK)
_SOUNDNESS: Final = (Condition.SOUND, Condition.AT_RISK, Condition.DAMAGED)


def default_policy(
    reserve_minor: Minor, ttl_s: int, liquidation_horizon_days: int
) -> LendingPolicy:
    """Return what holds until a lender sets a policy: what the facility was opened with."""
    return LendingPolicy(
        version=0,
        reserve_minor=reserve_minor,
        ttl_s=ttl_s,
        liquidation_horizon_days=liquidation_horizon_days,
    )


def check_policy(policy: LendingPolicy) -> None:
    """Refuse a policy that cannot be meant.

    Raises:
        InvalidError: A field is out of its bounds.
    """
    if policy.model not in LENDING_MODELS:
        raise InvalidError(
            "model",
            policy.model.value,
            f"one of {', '.join(LENDING_MODELS)}: the others are there to be compared with",
        )
    for name, share in (
        ("obligor_bps_max", policy.obligor_bps_max),
        ("commodity_bps_max", policy.commodity_bps_max),
        ("warehouse_bps_max", policy.warehouse_bps_max),
    ):
        if not SHARE_BPS_MIN <= share <= BPS:
            raise InvalidError(name, share, f"from {SHARE_BPS_MIN} to {BPS}")
    if policy.commodities is not None and not 1 <= len(policy.commodities) <= COMMODITIES_MAX:
        raise InvalidError("commodities", policy.commodities, f"null, or 1 to {COMMODITIES_MAX}")


def ineligible_for(lot: LotFacts, policy: LendingPolicy, now: datetime) -> tuple[Ineligible, ...]:
    """Return each rule of the policy that a lot fails, in the order of the policy."""
    return tuple(_failures(lot, policy, now))


def _failures(lot: LotFacts, policy: LendingPolicy, now: datetime) -> Iterable[Ineligible]:
    here = EvidenceRef(kind=EvidenceKind.LOT, id=str(lot.lot_id))
    alerts = tuple(EvidenceRef(kind=EvidenceKind.ALERT, id=str(each)) for each in lot.alert_ids)
    if policy.commodities is not None and lot.commodity_id not in policy.commodities:
        yield Ineligible(
            code=DeductionCode.COMMODITY,
            detail=f"{lot.commodity_id or 'an unknown commodity'} is none of"
            f" {', '.join(policy.commodities)}",
            evidence=(here,),
        )
    if policy.stock_take_age_s_max is not None:
        yield from _stock_take(lot, policy.stock_take_age_s_max, now, here)
    if _WATCH.index(lot.state.surveillance) > _WATCH.index(policy.surveillance_worst):
        yield Ineligible(
            code=DeductionCode.SURVEILLANCE,
            detail=f"its surveillance is {lot.state.surveillance.value}, must be"
            f" {policy.surveillance_worst.value} or better",
            evidence=(here, *alerts),
        )
    if _SOUNDNESS.index(lot.state.condition) > _SOUNDNESS.index(policy.condition_worst):
        yield Ineligible(
            code=DeductionCode.CONDITION_WORST,
            detail=f"its condition is {lot.state.condition.value}, must be"
            f" {policy.condition_worst.value} or better",
            evidence=(here, *alerts),
        )


def _stock_take(
    lot: LotFacts, age_s_max: int, now: datetime, here: EvidenceRef
) -> Iterable[Ineligible]:
    if lot.stock_take_at is None:
        yield Ineligible(
            code=DeductionCode.STOCK_TAKE,
            detail="nobody has ever counted it",
            numbers={"age_s_max": age_s_max},
            evidence=(here,),
        )
        return
    if now - lot.stock_take_at >= timedelta(seconds=age_s_max):
        taken = EvidenceRef(kind=EvidenceKind.STOCK_TAKE, id=str(lot.stock_take_id))
        yield Ineligible(
            code=DeductionCode.STOCK_TAKE,
            detail=f"it was last counted on {lot.stock_take_at:%Y-%m-%d}, more than"
            f" {age_s_max} s ago",
            numbers={"age_s_max": age_s_max},
            evidence=(here, taken) if lot.stock_take_id is not None else (here,),
        )
