"""What the routes of applications take and return, as OpenAPI describes it."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.applications.rules.machine import draw_kind
from backend.applications.service import ApplicationView, Chance
from backend.applications.service.engine import NOTE_CHARACTERS_MAX
from backend.applications.service.signatures import MESSAGE_HEX_MAX
from backend.applications.types.machine import FieldKind, Kind, Seat, Step
from backend.applications.types.movable import LotSeen
from backend.applications.types.record import Document, DocumentKind, DoneStep
from backend.facility.types import Reason, Refuse
from schemas.contract import decode_contract, render_contract

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=NOTE_CHARACTERS_MAX)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,31}$")]


class ApplicationBody(BaseModel):
    """An application to open; the id is the caller's, the caller's own seat is taken for it.

    ``values`` are the fields of the kind's opening step (GET /api/application-kinds).
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID
    kind: Name
    seats: Annotated[dict[Seat, UUID], Field(max_length=len(Seat))]
    values: dict[str, Any]
    note: Note = ""


class ApplicationStepBody(BaseModel):
    """A step to do; the id is the caller's: the same sent again is answered as before.

    ``values`` are the step's fields. ``message``: for a step that is signed, the COSE_Sign1
    message over the document's bytes, in hexadecimal.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID
    step: Name
    values: dict[str, Any] = {}
    note: Note = ""
    message: Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)] | None = None


class StepFieldView(BaseModel):
    """What a step asks for; bounds are of the number, the characters, or the list's length."""

    name: str
    label: str
    kind: FieldKind
    at_least: int
    at_most: int


class StepView(BaseModel):
    """A step of a kind: one actor's, from some states to one; ``also``: not awaited there."""

    name: str
    title: str
    stage: str
    actor: Seat
    begins: list[str]
    also: list[str]
    becomes: str
    fields: list[StepFieldView]
    guards: list[str]
    signs: str | None
    side: bool
    timed: bool


class ApplicationKindView(BaseModel):
    """A kind of application: how it goes; ``diagram`` is the same in Mermaid."""

    name: str
    title: str
    seats: list[Seat]
    stages: list[str]
    states: list[str]
    ends: list[str]
    steps: list[StepView]
    diagram: str


class StepReasonView(BaseModel):
    """Why a step may not be done: the rule, in words, and with numbers."""

    code: str
    detail: str
    numbers: dict[str, int]


class ChanceView(BaseModel):
    """A step of the caller's that begins here, and what there is against it now."""

    step: StepView
    allowed: bool
    reasons: list[StepReasonView]


class AwaitedView(BaseModel):
    """A step that the application waits for, and whose it is."""

    step: str
    actor: Seat


class DoneStepView(BaseModel):
    """A step that was done: who, when, why, and of what; its message as it was signed, in hex."""

    id: UUID
    number: int
    step: str
    was: str | None
    became: str
    seat: Seat
    party_id: UUID | None
    actor: str
    at: datetime
    note: str
    body: dict[str, Any]
    body_sha256: str
    message: str | None
    key_id: str | None


class DocumentSummary(BaseModel):
    """A document in force; its content is at .../documents/{kind}."""

    kind: DocumentKind
    made_at: datetime
    sha256: str


class DocumentView(DocumentSummary):
    """A document: its bytes in hexadecimal, and what they say."""

    content: str
    data: dict[str, Any] | None
    words: list[str]


class ApplicationSummary(BaseModel):
    """An application as it stands; ``waits_for_me``: one of its awaited steps is the caller's."""

    id: UUID
    kind: str
    state: str
    ended: bool
    seats: dict[Seat, UUID]
    currency: str
    amount_minor: int
    opened_at: datetime
    changed_at: datetime
    deadline_at: datetime | None
    awaited: list[AwaitedView]
    waits_for_me: bool


class ApplicationDetail(ApplicationSummary):
    """An application with all that was done, its documents, and what the caller may do."""

    asked: dict[str, Any]
    lots: list[UUID]
    pledge_id: UUID | None
    facility_id: UUID | None
    drawdown_id: UUID | None
    chances: list[ChanceView]
    steps: list[DoneStepView]
    documents: list[DocumentSummary]


class FreeLotView(BaseModel):
    """A lot of the borrower that could be registered, as the caller sees it now."""

    id: UUID
    name: str
    commodity_id: str
    place: str
    pledged_mass_g: int
    measured_mass_g: int | None
    measured_at: datetime | None
    elsewhere: UUID | None


def kind_view(kind: Kind) -> ApplicationKindView:
    """Return a kind."""
    return ApplicationKindView(
        name=kind.name,
        title=kind.title,
        seats=sorted(kind.seats),
        stages=[stage.title for stage in kind.stages],
        states=list(kind.states),
        ends=sorted(kind.ends),
        steps=[step_view(step) for step in kind.steps],
        diagram=draw_kind(kind),
    )


def step_view(step: Step) -> StepView:
    """Return a step of a kind."""
    return StepView(
        name=step.name,
        title=step.title,
        stage=step.stage,
        actor=step.actor,
        begins=list(step.begins),
        also=list(step.also),
        becomes=step.becomes,
        fields=[
            StepFieldView(
                name=field.name,
                label=field.label,
                kind=field.kind,
                at_least=field.at_least,
                at_most=field.at_most,
            )
            for field in step.fields
        ],
        guards=list(step.guards),
        signs=step.signs,
        side=step.side,
        timed=step.timed,
    )


def summary_view(view: ApplicationView) -> ApplicationSummary:
    """Return an application as a list has it."""
    return ApplicationSummary.model_validate(_summary(view))


def detail_view(view: ApplicationView) -> ApplicationDetail:
    """Return an application with all of its parts."""
    application = view.application
    return ApplicationDetail.model_validate(
        {
            **_summary(view),
            "asked": dict(application.asked),
            "lots": list(application.lots),
            "pledge_id": application.pledge_id,
            "facility_id": application.facility_id,
            "drawdown_id": application.drawdown_id,
            "chances": [_chance(chance) for chance in view.chances],
            "steps": [_done(step) for step in view.steps],
            "documents": [_document(document) for document in view.documents],
        }
    )


def document_view(document: Document) -> DocumentView:
    """Return a document with its content."""
    is_contract = document.kind is DocumentKind.CONTRACT
    words = render_contract(decode_contract(document.content)) if is_contract else ()
    return DocumentView(
        kind=document.kind,
        made_at=document.made_at,
        sha256=document.sha256.hex(),
        content=document.content.hex(),
        data=None if is_contract else json.loads(document.content),
        words=list(words),
    )


def free_lot_view(lot: LotSeen) -> FreeLotView:
    """Return a lot that could be registered."""
    return FreeLotView(
        id=lot.facts.lot_id,
        name=lot.facts.name,
        commodity_id=lot.commodity_id,
        place=lot.place,
        pledged_mass_g=lot.facts.pledged_mass_g,
        measured_mass_g=lot.facts.state.measured_mass_g,
        measured_at=lot.measured_at,
        elsewhere=lot.elsewhere,
    )


def reason_view(reason: Reason) -> StepReasonView:
    """Return why a step may not be done."""
    return StepReasonView(code=reason.code, detail=reason.detail, numbers=dict(reason.numbers))


def _summary(view: ApplicationView) -> dict[str, object]:
    application = view.application
    return {
        "id": application.id,
        "kind": application.kind,
        "state": application.state,
        "ended": application.state in view.kind.ends,
        "seats": dict(application.seats),
        "currency": application.currency,
        "amount_minor": application.amount_minor,
        "opened_at": application.opened_at,
        "changed_at": application.changed_at,
        "deadline_at": application.deadline_at,
        "awaited": [AwaitedView(step=step.name, actor=step.actor) for step in view.awaited],
        "waits_for_me": view.waits_for_viewer,
    }


def _chance(chance: Chance) -> ChanceView:
    refused = chance.decision.reasons if isinstance(chance.decision, Refuse) else ()
    return ChanceView(
        step=step_view(chance.step),
        allowed=not refused,
        reasons=[reason_view(reason) for reason in refused],
    )


def _done(step: DoneStep) -> DoneStepView:
    return DoneStepView(
        id=step.id,
        number=step.number,
        step=step.step,
        was=step.was,
        became=step.became,
        seat=step.seat,
        party_id=step.party_id,
        actor=step.actor,
        at=step.at,
        note=step.note,
        body=dict(step.body),
        body_sha256=step.body_sha256.hex(),
        message=None if step.message is None else step.message.hex(),
        key_id=None if step.key_id is None else step.key_id.hex(),
    )


def _document(document: Document) -> DocumentSummary:
    return DocumentSummary(
        kind=document.kind, made_at=document.made_at, sha256=document.sha256.hex()
    )
