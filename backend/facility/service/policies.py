"""What a lender lends against: set as a new version, and in force at once."""

from dataclasses import replace
from datetime import datetime

from backend.db import Conn
from backend.errors import NotFoundError
from backend.facility.service.standings import assess_one, hold, opener, settle
from backend.facility.store import facilities
from backend.facility.types import Facility, NewEvent, Standing
from backend.ids import FacilityId
from backend.parties.types import Actor
from backend.valuation import store as valuations
from backend.valuation.rules import default_policy
from backend.valuation.rules.policy import check_policy
from backend.valuation.types import LendingPolicy, PolicyVersion


def set_policy(
    conn: Conn,
    actor: Actor,
    facility_id: FacilityId,
    policy: LendingPolicy,
    why: str,
    now: datetime,
) -> Standing:
    """Store a policy as the next version, and value and lock the facility under it.

    Raises:
        NotFoundError: There is no such facility.
        InvalidError: A field is out of its bounds.
    """
    check_policy(policy)
    hold(conn, facility_id)
    known = valuations.load_policies(conn, [facility_id]).get(facility_id)
    new = PolicyVersion(
        facility_id=facility_id,
        policy=replace(policy, version=1 if known is None else known.version + 1),
        set_at=now,
        set_by=opener(actor),
        why=why,
    )
    valuations.append_policy(conn, new)
    event = NewEvent(
        facility_id=facility_id,
        at=now,
        actor=opener(actor),
        what="policy_set",
        detail={"version": new.policy.version, "why": why},
    )
    facilities.append_events(conn, [event])
    settle(conn, assess_one(conn, facility_id, now), now, opener(actor))
    return assess_one(conn, facility_id, now)


def list_policies(conn: Conn, facility_id: FacilityId) -> tuple[Facility, list[PolicyVersion]]:
    """Return a facility and every policy that was set for it, newest first.

    Raises:
        NotFoundError: There is no such facility.
    """
    found = facilities.load_facilities(conn, [facility_id])
    if not found:
        raise NotFoundError("facility", facility_id)
    return found[0][0], list(valuations.list_policies(conn, facility_id))


def policy_opened_with(facility: Facility) -> LendingPolicy:
    """Return what holds while no policy was set."""
    return default_policy(
        facility.reserve_minor, facility.valuation_ttl_s, facility.liquidation_horizon_days
    )
