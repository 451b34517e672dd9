"""Applications as they are kept: where they stand, what was done, which documents there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from backend.applications.types.machine import Seat
from backend.ids import (
    AccountId,
    ApplicationId,
    DrawdownId,
    FacilityId,
    LotId,
    PartyId,
    PledgeId,
)
from backend.money import Minor


class DocumentKind(StrEnum):
    """A document of an application."""

    CERTIFICATE = "certificate"
    PROFILE = "profile"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application as it stands. ``asked`` is what it was opened with.

    ``deadline_at``: until when the state's steps may be done; None: as long as it takes.
    """

    id: ApplicationId
    kind: str
    applicant_party: PartyId
    seats: Mapping[Seat, PartyId]
    state: str
    currency: str
    amount_minor: Minor
    asked: Mapping[str, object]
    opened_at: datetime
    changed_at: datetime
    deadline_at: datetime | None
    pledge_id: PledgeId | None
    facility_id: FacilityId | None
    drawdown_id: DrawdownId | None
    lots: tuple[LotId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneStep:
    """A step that was done: who, when, why, and what of; ``id`` is the caller's.

    ``message`` is what the actor signed, ``key_id`` the key that it did so with.
    """

    id: UUID
    application_id: ApplicationId
    number: int
    step: str
    was: str | None
    became: str
    seat: Seat
    party_id: PartyId | None
    account_id: AccountId | None
    actor: str
    at: datetime
    note: str
    body: Mapping[str, object]
    body_sha256: bytes
    message: bytes | None
    key_id: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as it was made; a newer one of its kind takes its place, and it stays."""

    id: UUID
    application_id: ApplicationId
    kind: DocumentKind
    made_at: datetime
    content: bytes
    sha256: bytes
