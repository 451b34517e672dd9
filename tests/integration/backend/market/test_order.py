"""The order in which prices and people come decides nothing; real transactions at once."""

import random
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from backend.db import Conn, Database
from backend.errors import PledgewatchError
from backend.ids import CalendarId, InstrumentId
from backend.market import service
from backend.market.errors import DifferentialOverlapError
from backend.market.service import grades
from backend.market.store import prices as store
from backend.market.types import (
    Calendar,
    Decision,
    Differential,
    DifferentialKind,
    Instrument,
    NewPrice,
    PriceDecision,
    Quality,
    Quote,
    Unit,
)
from backend.parties.types import Actor, Role
from tests.builders import add_actor

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # A Friday.
WEEKDAYS = Calendar(id=CalendarId("WEEKDAYS"), name="x", week=(True,) * 5 + (False,) * 2)
COPPER = Instrument(
    id=InstrumentId("A"),
    name="Copper",
    unit=Unit.TNE,
    currency="USD",
    max_price_age_s=None,
    max_price_age_days=2,
    calendar=WEEKDAYS,
    jump_max_bps=5_000,
    jump_floor_bps=300,
    jump_sigmas=5,
    haircut_floor_bps=1_000,
    short_history_haircut_bps=5_000,
)


def record(conn: Conn, instrument: Instrument, price: NewPrice) -> None:
    """Record one price."""
    service.record_prices(conn, instrument, [price], NOW)


def some_prices(rng: random.Random) -> list[NewPrice]:
    """Return prices of three sources over a week, some of which jump."""
    found: dict[tuple[str, datetime], NewPrice] = {}
    for _ in range(14):
        at = NOW - timedelta(hours=rng.randrange(0, 7 * 24))
        value = Decimal(rng.choice(["9000", "9100", "9400", "11000", "11100", "6000", "-30"]))
        price = NewPrice(source=rng.choice("abc"), at=at, value=value)
        found[price.source, at] = price
    return list(found.values())


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_arrival_never_matters(db: Database, seed: int) -> None:
    """The same quotes in another order: each is judged alike, and so is the price in use."""
    rng = random.Random(seed)
    prices = some_prices(rng)
    history = "Date,Price\n" + "".join(
        f"{NOW.date() - timedelta(days=8 + n)},{9000 + 40 * (n % 3)}\n" for n in range(80)
    )
    outcomes: list[tuple[list[Quote], PriceDecision, object]] = []
    with db.working() as conn:
        for name in ("A", "B"):
            instrument = replace(COPPER, id=InstrumentId(name))
            service.add_instrument(conn, instrument)
            service.import_price_csv(conn, instrument, "a", history.encode(), NOW)
            for price in rng.sample(prices, len(prices)):
                record(conn, instrument, price)
            quotes = list(store.load_quotes(conn, instrument.id, NOW - timedelta(days=8), 99))
            quoted = service.load_quotes(conn, [instrument.id], NOW)[instrument.id]
            outcomes.append((quotes, quoted.decision, quoted.volatility))

    one, other = outcomes
    assert one[0] == other[0]
    assert str(one[1]).replace("A:", "B:") == str(other[1])
    assert one[2] == other[2]
    assert Quality.HELD in {quote.quality for quote in one[0]}


def test_accepting_one_price_settles_those_that_waited_behind_it(db: Database) -> None:
    """After a real crash a person answers once, not for each quote of the new level."""
    account_id = add_actor(db, Role.LENDER).account_id
    decision = Decision(account_id=account_id, login="owner", at=NOW, reason="it is real")
    with db.working() as conn:
        service.add_instrument(conn, COPPER)
        for hours, value in ((30, "9000"), (6, "3000"), (5, "3010"), (4, "2990"), (3, "9000")):
            at = NOW - timedelta(hours=hours)
            record(conn, COPPER, NewPrice(source="a", at=at, value=Decimal(value)))
        key = ("a", NOW - timedelta(hours=6))
        service.decide_held_price(conn, COPPER, key, Quality.ACCEPTED, decision)
        quotes = store.load_quotes(conn, COPPER.id, NOW - timedelta(days=2), 99)
        days = store.load_days(conn, COPPER.id, date(2026, 11, 1), date(2026, 12, 1))
        events = store.list_price_events(conn, COPPER.id, 99)

    assert [quote.quality.value for quote in quotes] == ["accepted"] * 4 + ["held"]
    assert [day.value for day in days] == [9000, 2990]
    said = [(event.what, event.actor) for event in events]
    assert said.count(("confirmed", "api:owner")) == 2
    assert said.count(("accepted", "api:owner")) == 1
    assert said.count(("held", "api:owner")) == 1  # The way back up is the jump now.


def test_a_rejected_price_is_never_used_again(db: Database) -> None:
    """The fall that took the price away is gone, and the last accepted one is in use."""
    account_id = add_actor(db, Role.LENDER).account_id
    decision = Decision(account_id=account_id, login="owner", at=NOW, reason="a typing mistake")
    with db.working() as conn:
        service.add_instrument(conn, COPPER)
        for hours, value in ((5, "9000"), (4, "90")):
            at = NOW - timedelta(hours=hours)
            record(conn, COPPER, NewPrice(source="a", at=at, value=Decimal(value)))
        key = ("a", NOW - timedelta(hours=4))
        before = service.load_quotes(conn, [COPPER.id], NOW)[COPPER.id].decision
        service.decide_held_price(conn, COPPER, key, Quality.REJECTED, decision)
        after = service.load_quotes(conn, [COPPER.id], NOW)[COPPER.id].decision

    assert "waits for a second source or a person" in str(before)
    assert "Decimal('9000')" in str(after)


def differential(first: str, last: str | None) -> Differential:
    """Return a discount for a window."""
    return Differential(
        id=0,
        grade="B",
        kind=DifferentialKind.ABSOLUTE,
        amount=Decimal(-50),
        first_day=date.fromisoformat(first),
        last_day=None if last is None else date.fromisoformat(last),
    )


def test_windows_of_a_grade_never_overlap(db: Database) -> None:
    """Lending lesson 5: neither at an edge, nor one inside another, nor an open one."""
    actor = add_actor(db, Role.OPERATOR)
    with db.working() as conn:
        service.add_instrument(conn, COPPER)
        grades.add_differential(conn, actor, COPPER, differential("2026-12-10", "2026-12-20"), NOW)
    for window in (
        ("2026-12-20", None),
        ("2026-12-12", "2026-12-13"),
        ("2026-12-01", "2026-12-31"),
        ("2026-11-20", "2026-12-10"),
    ):
        with pytest.raises(DifferentialOverlapError), db.working() as conn:
            grades.add_differential(conn, actor, COPPER, differential(*window), NOW)
    with db.working() as conn:
        grades.add_differential(conn, actor, COPPER, differential("2026-12-21", None), NOW)
        grades.add_differential(conn, actor, COPPER, differential("2026-11-20", "2026-12-09"), NOW)
        known = store_of(conn, NOW)
        later = store_of(conn, NOW + timedelta(days=60))
    with db.acting(actor) as conn:
        ended = grades.end_differential(conn, COPPER.id, 1, date(2026, 12, 15), NOW)

    assert known.keys() == later.keys() == {"B"}
    assert ended.last_day == date(2026, 12, 15)


def store_of(conn: Conn, now: datetime) -> dict[str, Differential]:
    """Return the differentials in force."""
    return dict(service.load_quotes(conn, [COPPER.id], now)[COPPER.id].differentials)


def test_two_at_once_never_set_overlapping_windows(db: Database) -> None:
    """Real transactions side by side: one of them is refused, whichever."""
    actor = add_actor(db, Role.LENDER)
    with db.working() as conn:
        service.add_instrument(conn, COPPER)
    refused: list[PledgewatchError] = []
    barrier = threading.Barrier(4)

    def add(who: Actor, number: int) -> None:
        barrier.wait(10)
        window = differential(f"2026-12-{10 + number:02d}", "2026-12-30")
        try:
            with db.working() as conn:
                grades.add_differential(conn, who, COPPER, window, NOW)
        except PledgewatchError as error:
            refused.append(error)

    threads = [threading.Thread(target=add, args=(actor, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [type(error) for error in refused] == [DifferentialOverlapError] * 3
    with db.working() as conn:
        assert conn.execute("SELECT count(*) FROM grade_differential").fetchone() == (1,)
