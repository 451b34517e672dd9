"""What was recorded of a facility by a moment, and the valuation that was in force."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from backend.db import Conn
from backend.exports.types import LotLine, Past, ValuedBase
from backend.ids import FacilityId, LotId, PartyId, ValuationId
from backend.money import Minor
from backend.valuation.types import (
    BorrowingBase,
    Deduction,
    DeductionCode,
    EvidenceKind,
    EvidenceRef,
    Stage,
)

_LAST: Final[LiteralString] = (
    "SELECT id, recorded_at FROM facility_past WHERE facility_id = %s AND recorded_at <= %s"
    " ORDER BY recorded_at DESC, id DESC LIMIT 1"
)
_ONE: Final[LiteralString] = (
    "SELECT content FROM facility_past WHERE facility_id = %s AND kind = %s"
    " AND recorded_at <= %s ORDER BY recorded_at DESC, id DESC LIMIT 1"
)
_EACH: Final[LiteralString] = (
    "SELECT DISTINCT ON (key) content FROM facility_past WHERE facility_id = %s AND kind = %s"
    " AND recorded_at <= %s ORDER BY key, recorded_at DESC, id DESC"
)
_VALUATION: Final[LiteralString] = (
    "SELECT id, at, expires_at, value_minor, base_minor, coverage_bps, complete, model,"
    " policy_version, gross_minor, deductions FROM valuation WHERE id = %s"
)
_LOTS: Final[LiteralString] = """
SELECT v.lot_id, coalesce(l.name, v.lot_id::text) AS name,
  coalesce(l.instrument_id, '') AS instrument_id, coalesce(l.unit, '') AS unit,
  coalesce(v.pledged_mass_g, v.accepted_mass_g) AS pledged_mass_g, v.accepted_mass_g, v.price,
  v.price_at, v.price_source, coalesce(v.gross_minor, v.value_minor) AS gross_minor,
  v.value_minor, v.haircut_bps, v.lendable_minor, v.reasons
FROM lot_valuation v LEFT JOIN pw_valued_lots(%(id)s) l ON l.lot_id = v.lot_id
WHERE v.valuation_id = %(id)s ORDER BY name, v.lot_id
"""


def hold_still(conn: Conn, facility_id: FacilityId) -> datetime | None:
    """Return the database's time, and let nothing of a facility change until the commit.

    What is recorded up to then is visible from now on. None: the actor may not see the facility.
    """
    row = conn.execute("SELECT pw_hold_still(%s)", [facility_id]).fetchone()
    return None if row is None else row[0]


def load_past(conn: Conn, facility_id: FacilityId, at: datetime) -> Past | None:
    """Return a facility's rows as of a moment, after ``hold_still``; None: there were none yet."""
    last = conn.execute(_LAST, [facility_id, at]).fetchone()
    terms = conn.execute(_ONE, [facility_id, "terms", at]).fetchone()
    standing = conn.execute(_ONE, [facility_id, "standing", at]).fetchone()
    if last is None or terms is None or standing is None:
        return None

    def each(kind: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(row[0] for row in conn.execute(_EACH, [facility_id, kind, at]))

    return Past(
        facility_id=facility_id,
        at=at,
        recorded_at=last[1],
        number=last[0],
        terms=terms[0],
        standing=standing[0],
        locks=each("lock"),
        drawdowns=each("drawdown"),
        calls=each("margin_call"),
    )


def load_names(conn: Conn, parties: tuple[PartyId, PartyId]) -> tuple[str, str]:
    """Return two parties' names."""
    rows = conn.execute("SELECT id, name FROM party WHERE id = ANY(%s)", [list(parties)])
    names: dict[UUID, str] = {row[0]: row[1] for row in rows}
    return names[parties[0]], names[parties[1]]


def load_valued(conn: Conn, valuation_id: ValuationId) -> ValuedBase:
    """Return a valuation with how its base came about; it never changes."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_VALUATION, [valuation_id]).fetchone()
        assert row is not None, "a facility's valuation is there as long as the facility"
        lots = tuple(_lot(each) for each in cursor.execute(_LOTS, {"id": valuation_id}))
    return ValuedBase(
        id=valuation_id,
        at=row["at"],
        expires_at=row["expires_at"],
        value_minor=Minor(row["value_minor"]),
        coverage_bps=row["coverage_bps"],
        complete=row["complete"],
        model=row["model"],
        policy_version=row["policy_version"],
        base=_base(row, lots),
        lots=lots,
    )


def _base(row: dict[str, Any], lots: tuple[LotLine, ...]) -> BorrowingBase:
    if row["gross_minor"] is None:
        return _plain_base(row, lots)
    return BorrowingBase(
        gross_minor=Minor(row["gross_minor"]),
        base_minor=Minor(row["base_minor"]),
        lines=tuple(
            Deduction(
                stage=Stage(line["stage"]),
                code=DeductionCode(line["code"]),
                detail=line["detail"],
                amount_minor=Minor(line["amount_minor"]),
                numbers=line["numbers"],
                evidence=tuple(
                    EvidenceRef(kind=EvidenceKind(kind), id=key) for kind, key in line["evidence"]
                ),
            )
            for line in row["deductions"]
        ),
    )


def _plain_base(row: dict[str, Any], lots: tuple[LotLine, ...]) -> BorrowingBase:
    """Return the base of a valuation from before bases had lines."""
    lendable = sum(lot.lendable_minor for lot in lots)
    found = (
        (Stage.HAIRCUT, DeductionCode.HAIRCUT, "haircuts", row["value_minor"] - lendable),
        (Stage.RESERVE, DeductionCode.RESERVE, "reserves", lendable - row["base_minor"]),
    )
    return BorrowingBase(
        gross_minor=Minor(row["value_minor"]),
        base_minor=Minor(row["base_minor"]),
        lines=tuple(
            Deduction(stage=stage, code=code, detail=detail, amount_minor=Minor(amount))
            for stage, code, detail, amount in found
            if amount
        ),
    )


def _lot(row: dict[str, Any]) -> LotLine:
    typed: dict[str, Any] = {"lot_id": LotId(row["lot_id"]), "reasons": tuple(row["reasons"])}
    return LotLine(**(row | typed))
