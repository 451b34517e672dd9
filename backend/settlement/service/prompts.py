"""What is to be paid, when, where to, and under which reference."""

from collections.abc import Sequence
from datetime import datetime

from backend.db import Conn
from backend.facility.service.standings import assess
from backend.facility.store import facilities
from backend.facility.types import Standing
from backend.settlement.rules.references import reference_of
from backend.settlement.store import statements
from backend.settlement.types import DedicatedAccount, Prompt


def list_prompts(conn: Conn, now: datetime) -> Sequence[Prompt]:
    """Return what is past due and due, and what falls due next, of the actor's facilities."""
    accounts = statements.list_accounts(conn)
    ids = facilities.list_facility_ids(conn)
    return [
        prompt
        for standing in assess(conn, ids, now)
        for prompt in _prompts(standing, accounts, now)
    ]


def _prompts(
    standing: Standing, accounts: Sequence[DedicatedAccount], now: datetime
) -> Sequence[Prompt]:
    facility, today = standing.holding.facility, now.date()
    dues = standing.holding.schedule.dues
    upcoming = min((due.due_on for due in dues if due.due_on > today), default=None)
    last = max((due.due_on for due in dues if due.due_on <= today), default=None)
    next_principal = sum(
        due.amount_minor or 0 for due in dues if upcoming is not None and due.due_on == upcoming
    )
    own = [each for each in accounts if each.facility_id == facility.id]
    shared = [
        each
        for each in accounts
        if each.party_id == facility.lender_party and each.currency == facility.currency
    ]
    account = next(iter([*own, *shared]), None)
    amounts = (
        ("past_due", last, standing.owed.past_due.total_minor),
        ("due", last, standing.owed.due.total_minor),
        ("next", upcoming, min(next_principal, standing.owed.in_advance.total_minor)),
    )
    return [
        Prompt(
            facility_id=facility.id,
            facility_name=facility.name,
            currency=facility.currency,
            due_on=due_on,
            when=when,
            amount_minor=type(facility.principal_minor)(amount),
            reference=reference_of(facility.id),
            account_number=None if account is None else account.number,
        )
        for when, due_on, amount in amounts
        if amount > 0 or (when == "next" and due_on is not None)
    ]
