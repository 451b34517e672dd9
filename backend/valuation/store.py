"""Pledged lots, policies and valuations in the database."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.rows import TupleRow
from psycopg.types.json import Json

from backend.collateral.types import Condition, Custody, LotState, QuantityState, Surveillance
from backend.db import Conn
from backend.ids import (
    AlertId,
    CommodityId,
    FacilityId,
    InstrumentId,
    LotId,
    PartyId,
    SiteId,
    StockTakeId,
    ValuationId,
)
from backend.money import Minor
from backend.valuation.types import (
    BorrowingBase,
    Deduction,
    DeductionCode,
    EvidenceKind,
    EvidenceRef,
    HaircutModel,
    Ineligible,
    LendingPolicy,
    LotFacts,
    LotValue,
    PolicyVersion,
    Stage,
    UsedRate,
    Valuation,
)

POLICIES_SHOWN_MAX: Final = 500  # Two a week for five years.

# A lot that the actor may not see is still a row, without a name: it must lock, not vanish.
_BASKETS: Final = """
SELECT p.facility_id, pl.lot_id, l.name, l.instrument_id, l.pledged_mass_g,
  s.custody, s.quantity, s.short_mass_g, s.measured_mass_g, s.condition, s.condition_since,
  s.surveillance, s.tampered, s.evaluated,
  (SELECT coalesce(sum(o.mass_g), 0)::bigint FROM release_order o
   WHERE o.lot_id = pl.lot_id AND o.settled_at IS NULL AND o.into_lot IS NULL) AS releasing_mass_g,
  l.commodity_id, l.site_id, l.owner_party, t.id, t.at, l.grade
FROM pledge p
JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active
LEFT JOIN lot l ON l.id = pl.lot_id
LEFT JOIN lot_state s ON s.lot_id = pl.lot_id
LEFT JOIN LATERAL (SELECT k.id, k.at FROM stock_take k WHERE k.lot_id = pl.lot_id
  ORDER BY k.at DESC, k.id LIMIT 1) t ON true
WHERE p.state = 'active' AND p.facility_id = ANY(%s)
ORDER BY pl.lot_id
"""


_POLICY: Final = """
SELECT facility_id, version, set_at, set_by, why, model, liquidation_horizon_days,
  revaluation_days, haircut_floor_bps, commodities, stock_take_age_s_max, surveillance_worst,
  condition_worst, obligor_bps_max, commodity_bps_max, warehouse_bps_max, reserve_minor,
  reserve_bps, ttl_s
FROM facility_policy
"""

_IN_FORCE: Final = """
WHERE (facility_id, version) IN (SELECT p.facility_id, max(p.version) FROM facility_policy p
  WHERE p.facility_id = ANY(%s) GROUP BY p.facility_id)
"""

# One statement for any number: a tick values thousands of facilities.
_APPEND: Final = """
INSERT INTO valuation (id, facility_id, at, expires_at, value_minor, base_minor, exposure_minor,
  coverage_bps, complete, model, content_sha256, policy_version, gross_minor, deductions)
SELECT id, facility_id, at, expires_at, value_minor, base_minor, exposure_minor, coverage_bps,
  complete, model, decode(digest, 'hex'), policy_version, gross_minor, deductions
FROM jsonb_to_recordset(%s::jsonb) AS t (id uuid, facility_id uuid, at timestamptz,
  expires_at timestamptz, value_minor bigint, base_minor bigint, exposure_minor bigint,
  coverage_bps bigint, complete boolean, model text, digest text, policy_version int,
  gross_minor bigint, deductions jsonb)
"""
_APPEND_LOTS: Final = """
INSERT INTO lot_valuation (valuation_id, lot_id, accepted_mass_g, price, price_at, price_source,
  haircut_bps, value_minor, lendable_minor, complete, reasons, pledged_mass_g, gross_minor,
  accepted_minor, ineligible, alert_ids, price_ids, grade, fx_pair, fx_rate, fx_at, fx_source)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS t (valuation_id uuid, lot_id uuid,
  accepted_mass_g bigint, price numeric, price_at timestamptz, price_source text,
  haircut_bps int, value_minor bigint, lendable_minor bigint, complete boolean, reasons text[],
  pledged_mass_g bigint, gross_minor bigint, accepted_minor bigint, ineligible jsonb,
  alert_ids uuid[], price_ids text[], grade text, fx_pair text, fx_rate numeric,
  fx_at timestamptz, fx_source text)
"""


def load_baskets(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, Sequence[LotFacts]]:
    """Return the lots of each facility's active pledges; no key for a facility without any."""
    baskets: dict[FacilityId, list[LotFacts]] = {}
    for row in conn.execute(_BASKETS, [list(facility_ids)]):
        baskets.setdefault(row[0], []).append(_facts(row))
    return baskets


def _facts(row: TupleRow) -> LotFacts:
    lot_id = LotId(row[1])
    return LotFacts(
        lot_id=lot_id,
        name=str(lot_id) if row[2] is None else row[2],
        instrument_id=InstrumentId(row[3] or ""),
        pledged_mass_g=row[4] or 0,
        releasing_mass_g=row[14],
        commodity_id=None if row[15] is None else CommodityId(row[15]),
        site_id=None if row[16] is None else SiteId(row[16]),
        owner_party=None if row[17] is None else PartyId(row[17]),
        stock_take_id=None if row[18] is None else StockTakeId(row[18]),
        stock_take_at=row[19],
        grade=row[20],
        state=LotState(lot_id=lot_id) if row[2] is None or row[5] is None else _state(lot_id, row),
    )


def _state(lot_id: LotId, row: TupleRow) -> LotState:
    return LotState(
        lot_id=lot_id,
        custody=Custody(row[5]),
        quantity=QuantityState(row[6]),
        short_mass_g=row[7],
        measured_mass_g=row[8],
        condition=Condition(row[9]),
        condition_since=row[10],
        surveillance=Surveillance(row[11]),
        tampered=row[12],
        evaluated=row[13],
    )


def load_policies(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, LendingPolicy]:
    """Return the policy in force of each facility; no key where none was ever set."""
    query = _POLICY + _IN_FORCE
    found = [_policy_version(row) for row in conn.execute(query, [list(facility_ids)])]
    return {each.facility_id: each.policy for each in found}


def list_policies(conn: Conn, facility_id: FacilityId) -> Sequence[PolicyVersion]:
    """Return every policy that a facility ever had, newest first."""
    query = _POLICY + " WHERE facility_id = %s ORDER BY version DESC LIMIT %s"
    return [_policy_version(row) for row in conn.execute(query, [facility_id, POLICIES_SHOWN_MAX])]


def append_policy(conn: Conn, new: PolicyVersion) -> None:
    """Store a policy; it is in force with the commit, and never changed again."""
    policy = new.policy
    values = [
        new.facility_id,
        policy.version,
        new.set_at,
        new.set_by,
        new.why,
        policy.model.value,
        policy.liquidation_horizon_days,
        policy.revaluation_days,
        policy.haircut_floor_bps,
        None if policy.commodities is None else list(policy.commodities),
        policy.stock_take_age_s_max,
        policy.surveillance_worst.value,
        policy.condition_worst.value,
        policy.obligor_bps_max,
        policy.commodity_bps_max,
        policy.warehouse_bps_max,
        policy.reserve_minor,
        policy.reserve_bps,
        policy.ttl_s,
    ]
    statement = (
        "INSERT INTO facility_policy (facility_id, version, set_at, set_by, why, model,"
        " liquidation_horizon_days, revaluation_days, haircut_floor_bps, commodities,"
        " stock_take_age_s_max, surveillance_worst, condition_worst, obligor_bps_max,"
        " commodity_bps_max, warehouse_bps_max, reserve_minor, reserve_bps, ttl_s)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    conn.execute(statement, values)


def _policy_version(row: TupleRow) -> PolicyVersion:
    return PolicyVersion(
        facility_id=FacilityId(row[0]),
        set_at=row[2],
        set_by=row[3],
        why=row[4],
        policy=LendingPolicy(
            version=row[1],
            model=HaircutModel(row[5]),
            liquidation_horizon_days=row[6],
            revaluation_days=row[7],
            haircut_floor_bps=row[8],
            commodities=None if row[9] is None else tuple(CommodityId(each) for each in row[9]),
            stock_take_age_s_max=row[10],
            surveillance_worst=Surveillance(row[11]),
            condition_worst=Condition(row[12]),
            obligor_bps_max=row[13],
            commodity_bps_max=row[14],
            warehouse_bps_max=row[15],
            reserve_minor=Minor(row[16]),
            reserve_bps=row[17],
            ttl_s=row[18],
        ),
    )


def append_valuations(conn: Conn, valuations: Mapping[ValuationId, Valuation]) -> None:
    """Store valuations with their lots' lines; they are never changed again."""
    if not valuations:
        return
    conn.execute(_APPEND, [Json([_row(key, each) for key, each in valuations.items()])])
    lots = [_lot_row(key, lot) for key, each in valuations.items() for lot in each.lots]
    if lots:
        conn.execute(_APPEND_LOTS, [Json(lots)])


def _row(key: ValuationId, valuation: Valuation) -> dict[str, Any]:
    return {
        "id": str(key),
        "facility_id": str(valuation.facility_id),
        "at": valuation.at.isoformat(),
        "expires_at": valuation.expires_at.isoformat(),
        "value_minor": valuation.value_minor,
        "base_minor": valuation.base_minor,
        "exposure_minor": valuation.exposure_minor,
        "coverage_bps": valuation.coverage_bps,
        "complete": valuation.complete,
        "model": valuation.model,
        "digest": valuation.content_sha256.hex(),
        "policy_version": valuation.policy_version,
        "gross_minor": valuation.base.gross_minor,
        "deductions": [_encoded(line) for line in valuation.base.lines],
    }


def _lot_row(key: ValuationId, lot: LotValue) -> dict[str, Any]:
    return {
        "valuation_id": str(key),
        "lot_id": str(lot.lot_id),
        "accepted_mass_g": lot.accepted_mass_g,
        "price": None if lot.price is None else f"{lot.price:f}",
        "price_at": None if lot.price_at is None else lot.price_at.isoformat(),
        "price_source": lot.price_source,
        "haircut_bps": lot.haircut_bps,
        "value_minor": lot.value_minor,
        "lendable_minor": lot.lendable_minor,
        "complete": lot.complete,
        "reasons": lot.reasons,
        "pledged_mass_g": lot.pledged_mass_g,
        "gross_minor": lot.gross_minor,
        "accepted_minor": lot.accepted_minor,
        "ineligible": [_encoded(each) for each in lot.ineligible],
        "alert_ids": [str(each) for each in lot.alert_ids],
        "price_ids": lot.price_ids,
        "grade": lot.grade,
        **_rate_columns(lot.rate),
    }


def _encoded(line: Deduction | Ineligible) -> dict[str, Any]:
    content: dict[str, Any] = {
        "code": line.code.value,
        "detail": line.detail,
        "numbers": dict(line.numbers),
        "evidence": [[each.kind.value, each.id] for each in line.evidence],
    }
    if isinstance(line, Deduction):
        content |= {"stage": line.stage.value, "amount_minor": line.amount_minor}
    return content


def _deduction(content: Mapping[str, Any]) -> Deduction:
    failure = _ineligible(content)
    return Deduction(
        stage=Stage(content["stage"]),
        code=failure.code,
        detail=failure.detail,
        amount_minor=Minor(content["amount_minor"]),
        numbers=failure.numbers,
        evidence=failure.evidence,
    )


def _ineligible(content: Mapping[str, Any]) -> Ineligible:
    return Ineligible(
        code=DeductionCode(content["code"]),
        detail=content["detail"],
        numbers=content["numbers"],
        evidence=tuple(
            EvidenceRef(kind=EvidenceKind(kind), id=key) for kind, key in content["evidence"]
        ),
    )


def _rate_columns(rate: UsedRate | None) -> dict[str, Any]:
    if rate is None:
        return {}  # What a record does not name is null.
    return {
        "fx_pair": rate.pair,
        "fx_rate": f"{rate.value:f}",
        "fx_at": rate.at.isoformat(),
        "fx_source": rate.source,
    }


def _rate(row: TupleRow) -> UsedRate | None:
    if row[0] is None:
        return None
    return UsedRate(pair=row[0], value=row[1], at=row[2], source=row[3])


def load_valuation(conn: Conn, valuation_id: ValuationId) -> Valuation | None:
    """Return a stored valuation with its lots' lines."""
    query = (
        "SELECT facility_id, at, expires_at, value_minor, base_minor, exposure_minor,"
        " coverage_bps, complete, model, content_sha256, policy_version,"
        " coalesce(gross_minor, value_minor), deductions FROM valuation WHERE id = %s"
    )
    row = conn.execute(query, [valuation_id]).fetchone()
    if row is None:
        return None
    return Valuation(
        facility_id=FacilityId(row[0]),
        at=row[1],
        expires_at=row[2],
        value_minor=Minor(row[3]),
        base_minor=Minor(row[4]),
        exposure_minor=Minor(row[5]),
        coverage_bps=row[6],
        complete=row[7],
        model=row[8],
        content_sha256=bytes(row[9]),
        policy_version=row[10],
        lots=tuple(_load_lines(conn, valuation_id)),
        base=BorrowingBase(
            gross_minor=Minor(row[11]),
            lines=tuple(_deduction(each) for each in row[12]),
            base_minor=Minor(row[4]),
        ),
    )


def _load_lines(conn: Conn, valuation_id: ValuationId) -> Sequence[LotValue]:
    query = (
        "SELECT v.lot_id, coalesce(l.name, v.lot_id::text), coalesce(l.instrument_id, ''),"
        " v.accepted_mass_g, v.price, v.price_at, v.price_source, v.haircut_bps, v.value_minor,"
        " v.lendable_minor, v.complete, v.reasons, coalesce(v.gross_minor, v.value_minor),"
        " coalesce(v.accepted_minor, v.value_minor), coalesce(v.pledged_mass_g,"
        " v.accepted_mass_g), v.ineligible, l.commodity_id, l.site_id, l.owner_party,"
        " v.alert_ids, v.price_ids, v.grade, v.fx_pair, v.fx_rate, v.fx_at, v.fx_source"
        " FROM lot_valuation v LEFT JOIN lot l ON l.id = v.lot_id"
        " WHERE v.valuation_id = %s ORDER BY v.lot_id"
    )
    return [
        LotValue(
            lot_id=LotId(row[0]),
            name=row[1],
            instrument_id=InstrumentId(row[2]),
            accepted_mass_g=row[3],
            price=row[4],
            price_at=row[5],
            price_source=row[6],
            haircut_bps=row[7],
            value_minor=Minor(row[8]),
            lendable_minor=Minor(row[9]),
            complete=row[10],
            reasons=tuple(row[11]),
            gross_minor=Minor(row[12]),
            accepted_minor=Minor(row[13]),
            pledged_mass_g=row[14],
            ineligible=tuple(_ineligible(each) for each in row[15]),
            commodity_id=None if row[16] is None else CommodityId(row[16]),
            site_id=None if row[17] is None else SiteId(row[17]),
            owner_party=None if row[18] is None else PartyId(row[18]),
            alert_ids=tuple(AlertId(each) for each in row[19]),
            price_ids=tuple(row[20]),
            grade=row[21],
            rate=_rate(row[22:]),
        )
        for row in conn.execute(query, [valuation_id])
    ]
