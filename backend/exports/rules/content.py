"""A statement's one form in bytes, and what is sealed of it. Pure.

Whoever verifies has only the document: so the content is JSON with sorted names, without spaces,
in UTF-8, money as integers of minor units, times in UTC; statements are equal when its bytes are.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from backend.exports.rules.statement import steps_of
from backend.exports.types import LotLine, Statement, ValuedBase
from backend.valuation.types import Deduction

FORMAT: Final = "pledgewatch-borrowing-base/1"


def content_of(statement: Statement) -> dict[str, Any]:
    """Return all that a statement says, of values that JSON has."""
    facility, position = statement.facility, statement.position
    return {
        "format": FORMAT,
        "as_of": utc(statement.at),
        "recorded_at": utc(statement.recorded_at),
        "number": statement.number,
        "facility": {
            "id": str(facility.id),
            "name": facility.name,
            "currency": facility.currency,
            "open": facility.open,
            "lender": {"id": str(facility.lender_party), "name": statement.lender},
            "borrower": {"id": str(facility.borrower_party), "name": statement.borrower},
            "warning_line_bps": facility.lines.warning_bps,
            "call_line_bps": facility.lines.call_bps,
            "liquidation_line_bps": facility.lines.liquidation_bps,
            "line_state": facility.standing.state.value,
        },
        "owed": {
            "principal_minor": facility.principal_minor,
            "interest_minor": facility.interest_minor,
            "fees_minor": facility.fees_minor,
            "penalty_minor": facility.penalty_minor,
        },
        "position": {
            "limit_minor": position.limit_minor,
            "base_minor": position.base_minor,
            "exposure_minor": position.exposure_minor,
            "pending_minor": position.pending_minor,
            "availability_minor": position.availability_minor,
            "drawable_minor": statement.drawable_minor,
        },
        "steps": [
            {"kind": step.kind, "code": step.code, "label": step.label, "minor": step.amount_minor}
            for step in steps_of(statement)
        ],
        "valuation": None if statement.valued is None else _valuation(statement.valued),
        **_around(statement),
    }


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return content as the bytes that are hashed."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of content, in hexadecimal."""
    return sha256(canonical(content)).hexdigest()


def utc(at: datetime) -> str:
    """Return a time in UTC, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _around(statement: Statement) -> dict[str, Any]:
    """Return the locks, drawdowns and margin calls of the moment."""
    return {
        "locks": [
            {
                "reason": lock.reason,
                "detail": lock.detail,
                "opened_at": utc(lock.opened_at),
                "opened_by": lock.opened_by,
            }
            for lock in statement.locks
        ],
        "waiting": [
            {
                "id": str(line.id),
                "amount_minor": line.amount_minor,
                "state": line.state,
                "requested_at": utc(line.requested_at),
                "expires_at": None if line.expires_at is None else utc(line.expires_at),
            }
            for line in statement.waiting
        ],
        "margin_calls": [
            {
                "opened_at": utc(call.opened_at),
                "deadline_at": utc(call.deadline_at),
                "state": call.state,
                "cash_minor": call.cash_minor,
                "collateral_minor": call.collateral_minor,
            }
            for call in statement.calls
        ],
    }


def _valuation(valued: ValuedBase) -> dict[str, Any]:
    return {
        "id": str(valued.id),
        "at": utc(valued.at),
        "expires_at": utc(valued.expires_at),
        "model": valued.model,
        "policy_version": valued.policy_version,
        "complete": valued.complete,
        "value_minor": valued.value_minor,
        "coverage_bps": valued.coverage_bps,
        "gross_minor": valued.base.gross_minor,
        "deductions": [_deduction(line) for line in valued.base.lines],
        "lots": [_lot(lot) for lot in valued.lots],
    }


def _deduction(line: Deduction) -> dict[str, Any]:
    return {
        "stage": line.stage.value,
        "code": line.code.value,
        "detail": line.detail,
        "amount_minor": line.amount_minor,
        "numbers": dict(line.numbers),
        "evidence": [{"kind": ref.kind.value, "id": ref.id} for ref in line.evidence],
    }


def _lot(lot: LotLine) -> dict[str, Any]:
    return {
        "id": str(lot.lot_id),
        "name": lot.name,
        "instrument": lot.instrument_id,
        "unit": lot.unit,
        "pledged_mass_g": lot.pledged_mass_g,
        "accepted_mass_g": lot.accepted_mass_g,
        "price": None if lot.price is None else f"{lot.price:f}",
        "price_at": None if lot.price_at is None else utc(lot.price_at),
        "price_source": lot.price_source,
        "gross_minor": lot.gross_minor,
        "value_minor": lot.value_minor,
        "haircut_bps": lot.haircut_bps,
        "lendable_minor": lot.lendable_minor,
        "reasons": list(lot.reasons),
    }
