"""A facility's borrowing base, from gross collateral down: now and live, or as of a moment."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, NaiveDatetime, field_validator

from backend.deps import CurrentPrincipal, Db
from backend.exports import service
from backend.exports.rules.content import content_of, digest_of, utc
from backend.exports.rules.statement import evidence_path, steps_of
from backend.exports.types import Form, Statement
from backend.facility.store.refusals import list_refusals
from backend.facility.types import Refusal
from backend.ids import FacilityId
from backend.money import MINOR_MAX
from backend.valuation.types import EvidenceKind, EvidenceRef
from backend.web.console import new_router, render

router = new_router()
REFUSALS_SHOWN: Final = 20


class Moment(BaseModel):
    """Of when a page is, in UTC; without: of now."""

    at: datetime | NaiveDatetime | None = None

    _blank: Callable[[object], object] = field_validator("at", mode="before")(
        lambda value: None if value == "" else value
    )


def moment(at: Annotated[str | None, Query(max_length=40)] = None) -> datetime | None:
    """Return the moment that is asked for, as a form or a link names it."""
    asked = Moment.model_validate({"at": at}).at
    if asked is None or asked.tzinfo is not None:
        return asked
    return asked.replace(tzinfo=UTC)


@router.get("/facilities/{facility_id}/base")
def show_base(
    facility_id: UUID,
    request: Request,
    db: Db,
    who: CurrentPrincipal,
    at: Annotated[datetime | None, Depends(moment)],
) -> Response:
    """Show the way down with every deduction's evidence, locks, and what was refused."""
    key = FacilityId(facility_id)
    with db.acting(who.actor) as conn:
        statement = service.load_statement(conn, key, at)
        refused = list_refusals(conn, key, MINOR_MAX)
    return render(
        request,
        who,
        "base.html",
        s=statement,
        steps=_linked_steps(statement),
        asked=at is not None,
        as_of=utc(statement.at),
        field_value=f"{statement.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        digest=digest_of(content_of(statement)),
        forms=list(Form),
        refusals=[_refusal(each) for each in refused[:REFUSALS_SHOWN]],
    )


def _linked_steps(statement: Statement) -> list[dict[str, Any]]:
    """Return the steps, each with links to its evidence."""
    return [
        {
            "step": step,
            "links": [(text, _path(key, statement.facility.id)) for text, key in step.links],
        }
        for step in steps_of(statement)
    ]


def _path(key: str, facility_id: FacilityId) -> str:
    kind, _, name = key.partition(":")
    return evidence_path(EvidenceRef(kind=EvidenceKind(kind), id=name), facility_id)


def _refusal(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal with the evidence that it can be looked up by."""
    evidence: Any = refusal.evidence
    valuation: Any = evidence.get("valuation")
    return {
        "at": refusal.at,
        "as_of": utc(refusal.at),
        "actor": refusal.actor,
        "action": refusal.action,
        "subject": refusal.subject,
        "reasons": [
            {"code": each.code, "detail": each.detail, "numbers": dict(each.numbers)}
            for each in refusal.reasons
        ],
        "alerts": evidence.get("alerts", []),
        "position": evidence.get("position"),
        "lots": valuation["lots"] if valuation else [],
    }
