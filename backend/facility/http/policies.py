"""Routes of policies: what a lender lends against, every version of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.collateral.types import Condition, Surveillance
from backend.deps import AsLender, CurrentActor, Db, Now
from backend.facility.http.views import AMOUNT_MINOR_MAX, FacilityView, facility_view
from backend.facility.service import policies
from backend.ids import CommodityId, FacilityId
from backend.money import Minor
from backend.valuation.types import HaircutModel, LendingPolicy, PolicyVersion

router = APIRouter()

ShareBps = Annotated[int, Field(ge=100, le=10_000)]
Bps = Annotated[int, Field(ge=0, le=10_000)]
Commodity = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class PolicyRules(BaseModel):
    """What is eligible, how much of it, less what; limits of 10,000 bps limit nothing."""

    model_config = ConfigDict(extra="forbid")

    model: HaircutModel = HaircutModel.T4_99
    liquidation_horizon_days: Annotated[int, Field(ge=1, le=500)] = 20
    revaluation_days: Annotated[int, Field(ge=1, le=366)] = 1
    haircut_floor_bps: Bps = 0
    commodities: Annotated[list[Commodity], Field(min_length=1, max_length=1_000)] | None = None
    stock_take_age_s_max: Annotated[int, Field(ge=1, le=10 * 366 * 86_400)] | None = None
    surveillance_worst: Surveillance = Surveillance.DARK
    condition_worst: Condition = Condition.DAMAGED
    obligor_bps_max: ShareBps = 10_000
    commodity_bps_max: ShareBps = 10_000
    warehouse_bps_max: ShareBps = 10_000
    reserve_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    reserve_bps: Bps = 0
    ttl_s: Annotated[int, Field(ge=1, le=86_400)] = 60


class PolicyBody(PolicyRules):
    """A policy to set, and why."""

    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PolicyView(PolicyRules):
    """A version of a policy; version 0 is what the facility was opened with, set by nobody."""

    version: int
    set_at: datetime | None
    set_by: str | None
    why: str | None


@router.get("/facilities/{facility_id}/policies")
def list_policies(facility_id: UUID, db: Db, actor: CurrentActor) -> list[PolicyView]:
    """Return every policy of a facility, newest first: the first is in force."""
    with db.acting(actor) as conn:
        facility, versions = policies.list_policies(conn, FacilityId(facility_id))
    views = [_view(each.policy, each) for each in versions]
    return views or [_view(policies.policy_opened_with(facility), None)]


@router.post("/facilities/{facility_id}/policies", status_code=201)
def set_policy(
    facility_id: UUID, body: PolicyBody, db: Db, actor: AsLender, now: Now
) -> FacilityView:
    """Set a policy, as a new version that is in force at once; promises may be voided by it."""
    policy = LendingPolicy(
        version=0,
        model=body.model,
        liquidation_horizon_days=body.liquidation_horizon_days,
        revaluation_days=body.revaluation_days,
        haircut_floor_bps=body.haircut_floor_bps,
        commodities=None
        if body.commodities is None
        else tuple(CommodityId(each) for each in sorted(set(body.commodities))),
        stock_take_age_s_max=body.stock_take_age_s_max,
        surveillance_worst=body.surveillance_worst,
        condition_worst=body.condition_worst,
        obligor_bps_max=body.obligor_bps_max,
        commodity_bps_max=body.commodity_bps_max,
        warehouse_bps_max=body.warehouse_bps_max,
        reserve_minor=Minor(body.reserve_minor),
        reserve_bps=body.reserve_bps,
        ttl_s=body.ttl_s,
    )

    def put() -> FacilityView:
        with db.acting(actor) as conn:
            return facility_view(
                policies.set_policy(conn, actor, FacilityId(facility_id), policy, body.why, now)
            )

    return db.retrying(put)


def _view(policy: LendingPolicy, version: PolicyVersion | None) -> PolicyView:
    return PolicyView(
        version=policy.version,
        set_at=None if version is None else version.set_at,
        set_by=None if version is None else version.set_by,
        why=None if version is None else version.why,
        model=policy.model,
        liquidation_horizon_days=policy.liquidation_horizon_days,
        revaluation_days=policy.revaluation_days,
        haircut_floor_bps=policy.haircut_floor_bps,
        commodities=None if policy.commodities is None else list(policy.commodities),
        stock_take_age_s_max=policy.stock_take_age_s_max,
        surveillance_worst=policy.surveillance_worst,
        condition_worst=policy.condition_worst,
        obligor_bps_max=policy.obligor_bps_max,
        commodity_bps_max=policy.commodity_bps_max,
        warehouse_bps_max=policy.warehouse_bps_max,
        reserve_minor=policy.reserve_minor,
        reserve_bps=policy.reserve_bps,
        ttl_s=policy.ttl_s,
    )
