"""An application of one plant, with all that hangs on it."""

from hashlib import sha256
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import Plant, insert

CONTENT = b"{}"


def add_application_rows(conn: Conn, plant: Plant) -> UUID:
    """Store them, of the plant's own pledge; return the application's id."""
    borrower = plant.actors[Role.BORROWER]
    application_id = uuid4()
    insert(
        conn,
        "application",
        id=application_id,
        kind="movable",
        applicant_party=borrower.party_id,
        state="drawn",
        currency="EUR",
        amount_minor=1_000,
        asked=Jsonb({}),
        opened_at=NOW,
        changed_at=NOW,
        pledge_id=plant.pledge_id,
        facility_id=plant.facility_id,
    )
    for role in (Role.LENDER, Role.BORROWER, Role.LOGISTICS):
        insert(
            conn,
            "application_seat",
            application_id=application_id,
            seat=role.value,
            party_id=plant.actors[role].party_id,
        )
    insert(
        conn,
        "application_step",
        id=uuid4(),
        application_id=application_id,
        number=1,
        step="apply",
        became="applied",
        seat="borrower",
        party_id=borrower.party_id,
        account_id=borrower.account_id,
        actor=borrower.login,
        at=NOW,
        note="",
        body=Jsonb({}),
        body_sha256=bytes(32),
    )
    insert(
        conn,
        "application_document",
        id=uuid4(),
        application_id=application_id,
        kind="certificate",
        made_at=NOW,
        content=CONTENT,
        sha256=sha256(CONTENT).digest(),
    )
    return application_id
