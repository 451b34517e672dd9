"""Prices on a real database: judged on the way in, decided on the way out; real files' traps."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backend.db import Conn, Database
from backend.errors import InvalidError, NotFoundError, RefusedError
from backend.ids import AccountId, InstrumentId
from backend.market import service, store
from backend.market.errors import InstrumentTakenError, NotHeldError, PriceContradictsError
from backend.market.types import (
    Decision,
    Instrument,
    NewPrice,
    Quality,
    Quote,
    Recorded,
    Unit,
    Unusable,
    UnusableReason,
    Usable,
)
from backend.parties.types import Role
from tests.builders import add_actor, make_actor

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[4]
PRICES = Path(os.environ.get("PLEDGEWATCH_CAPTURES", ROOT.parent / "shared" / "data")) / "prices"
needs_files = pytest.mark.skipif(not PRICES.is_dir(), reason="the shared price files are absent")
OIL = Instrument(
    id=InstrumentId("OIL"),
    name="Oil",
    unit=Unit.TNE,
    currency="USD",
    max_price_age_s=3_600,
    jump_max_bps=5_000,
    haircut_floor_bps=1_000,
    short_history_haircut_bps=5_000,
)


def record(
    conn: Conn, value: str, age_s: float = 0, source: str = "a", instrument: Instrument = OIL
) -> Recorded:
    """Record one price of so many seconds ago."""
    price = NewPrice(source=source, at=NOW - timedelta(seconds=age_s), value=Decimal(value))
    return service.record_prices(conn, instrument, [price], NOW)


def decide(conn: Conn, now: datetime = NOW) -> Usable | Unusable:
    """Return the decision on the price."""
    return service.load_quotes(conn, [OIL.id], now)[OIL.id].decision


def answer(
    conn: Conn,
    account_id: AccountId,
    source: str,
    at: datetime,
    quality: Quality = Quality.ACCEPTED,
) -> Quote:
    """Decide a held price as its owner."""
    decision = Decision(account_id=account_id, login="owner", at=NOW, reason="asked the exchange")
    return service.decide_held_price(conn, OIL, (source, at), quality, decision)


def add_oil(conn: Conn) -> None:
    """Register the instrument."""
    service.add_instrument(conn, OIL)


def test_a_price_is_stored_judged_and_used(db: Database) -> None:
    """What a feed posts is what a valuation uses, until it is too old."""
    with db.acting(make_actor(Role.OPERATOR)) as conn:
        add_oil(conn)
        assert isinstance(decide(conn), Unusable)
        recorded = record(conn, "70.5")
        fresh, stale = decide(conn), decide(conn, NOW + timedelta(seconds=3_601))

    assert (recorded.accepted, recorded.held) == (1, 0)
    assert isinstance(fresh, Usable)
    assert fresh.price == Decimal("70.5")
    assert isinstance(stale, Unusable)
    assert stale.reason is UnusableReason.STALE


def test_the_same_again_is_a_duplicate_and_another_is_refused(db: Database) -> None:
    """Lending lesson 5: a source has one price for one moment; the second is refused by name."""
    with db.working() as conn:
        add_oil(conn)
        record(conn, "70")
        again = record(conn, "70.0")
        with pytest.raises(PriceContradictsError) as caught:
            record(conn, "71")

    assert (again.accepted, again.duplicates) == (0, 1)
    assert caught.value.detail["stored"] == "70"
    assert caught.value.detail["sent"] == "71"


def test_all_prices_of_a_file_are_stored_or_none(db: Database) -> None:
    """A file that contradicts what is stored leaves nothing behind."""
    first, second = b"Date,Price\n2026-11-20,70\n", b"Date,Price\n2026-11-19,69\n2026-11-20,71\n"
    with db.working() as conn:
        add_oil(conn)
        service.import_price_csv(conn, OIL, "a", first, NOW)
    with pytest.raises(RefusedError), db.working() as conn:
        service.import_price_csv(conn, OIL, "a", second, NOW)

    with db.working() as conn:
        assert conn.execute("SELECT count(*) FROM price").fetchone() == (1,)


def test_a_held_fall_leaves_no_price_until_a_second_source_agrees(db: Database) -> None:
    """A crash of one source locks; with the second source both count and the price is there."""
    with db.working() as conn:
        add_oil(conn)
        record(conn, "70", age_s=60)
        assert record(conn, "20", age_s=50).held == 1
        waiting = decide(conn)
        confirmed = record(conn, "20.5", age_s=40, source="b")
        decided = decide(conn)

    assert isinstance(waiting, Unusable)
    assert waiting.reason is UnusableReason.HELD_FALL
    assert (confirmed.accepted, confirmed.promoted) == (1, 1)
    assert isinstance(decided, Usable)
    assert decided.price == Decimal("20.25")


def test_the_owner_answers_for_a_held_price(db: Database) -> None:
    """A person's word counts instead of a second source, once."""
    with db.working() as conn:
        add_oil(conn)
        record(conn, "70", age_s=60)
        record(conn, "-36.98", age_s=50)
        at = NOW - timedelta(seconds=50)
    account_id = add_actor(db, Role.OPERATOR).account_id
    with db.acting(make_actor(Role.OPERATOR)) as conn:
        answer(conn, account_id, "a", at)
        decided = decide(conn)
        with pytest.raises(NotHeldError):
            answer(conn, account_id, "a", at)
        with pytest.raises(NotFoundError):
            answer(conn, account_id, "b", at)

    assert isinstance(decided, Usable)
    assert decided.price == Decimal("-36.98")


def test_a_held_rise_is_not_believed(db: Database) -> None:
    """The last accepted price stays in use."""
    with db.working() as conn:
        add_oil(conn)
        record(conn, "70", age_s=60)
        record(conn, "170", age_s=50)
        decided = decide(conn)

    assert isinstance(decided, Usable)
    assert decided.price == 70


def test_a_price_of_the_future_is_refused(db: Database) -> None:
    """A price that would never go stale is a mistake, or worse."""
    with db.working() as conn:
        add_oil(conn)
        record(conn, "70", age_s=-60)
        with pytest.raises(InvalidError, match="not after"):
            record(conn, "70", age_s=-61)


def test_a_value_out_of_bounds_is_refused(db: Database) -> None:
    """What the database or the valuation could not hold never gets there."""
    with db.working() as conn:
        add_oil(conn)
        for value in ("NaN", "Infinity", "1000000000", "-1000000000", "0.0000000001"):
            with pytest.raises(InvalidError, match="value"):
                record(conn, value)


def test_sources_are_limited(db: Database) -> None:
    """Each source costs every valuation; nobody may add them without end."""
    with db.working() as conn:
        add_oil(conn)
        for number in range(service.SOURCES_MAX):
            record(conn, "70", source=f"s{number}")
        with pytest.raises(InvalidError, match="source"):
            record(conn, "70", source="one-more")
        assert record(conn, "70", age_s=1, source="s0").accepted == 1


def test_other_currencies_and_units_are_refused(db: Database) -> None:
    """Copper is quoted in three units and currencies: nothing is converted silently."""
    with db.working() as conn:
        add_oil(conn)
    with pytest.raises(InvalidError, match="currency"):
        service.check_terms(OIL, "EUR", "TNE")
    with pytest.raises(InvalidError, match="unit"):
        service.check_terms(OIL, "USD", "LBR")
    with db.working() as conn, pytest.raises(InstrumentTakenError):
        add_oil(conn)


def test_volatility_is_kept_with_each_day(db: Database) -> None:
    """The day's last accepted price counts; held ones do not."""
    with db.working() as conn:
        add_oil(conn)
        for hours, value in (
            (50, "70"),
            (49, "71"),
            (25, "72"),
            (24, "300"),
            (1, "73"),
            (0, "74"),
        ):
            record(conn, value, age_s=hours * 3_600)
        prices, _ = store.load_daily_prices(conn, OIL.id)
        quote = service.load_quotes(conn, [OIL.id], NOW)[OIL.id]

    assert prices.tolist() == [71.0, 72.0, 74.0]
    assert quote.volatility is not None
    assert quote.volatility.days == 3
    assert quote.volatility.sigma_daily > 0


@needs_files
def test_wti_is_read_with_its_negative_day(db: Database) -> None:
    """Ten thousand days; 2020-04-20 at -36.98 is kept, held, and makes no NaN."""
    with db.working() as conn:
        add_oil(conn)
        content = (PRICES / "wti-daily.csv").read_bytes()
        recorded = service.import_price_csv(conn, OIL, "eia", content, NOW)
        again = service.import_price_csv(conn, OIL, "eia", content, NOW)
        day = datetime(2020, 4, 20, tzinfo=UTC)
        quote = store.load_quote(conn, OIL.id, "eia", day)
        prices, _ = store.load_daily_prices(conn, OIL.id)
        volatility = service.load_quotes(conn, [OIL.id], NOW)[OIL.id].volatility

    assert recorded.accepted + recorded.held == 10_226
    assert recorded.held < 10
    assert again.duplicates == 10_226
    assert quote is not None
    assert (quote.value, quote.quality.value) == (Decimal("-36.98"), "held")
    assert np.isfinite(prices).all()
    assert volatility is not None
    assert 0.005 < volatility.sigma_daily < 0.2


@needs_files
def test_a_negative_settlement_leaves_no_price_that_day(db: Database) -> None:
    """On 2020-04-20 a lender on oil would have been locked, not valued at the day before."""
    noon = datetime(2020, 4, 20, 12, tzinfo=UTC)
    oil = Instrument(
        id=OIL.id,
        name=OIL.name,
        unit=OIL.unit,
        currency=OIL.currency,
        max_price_age_s=7 * 86_400,
        jump_max_bps=OIL.jump_max_bps,
        haircut_floor_bps=OIL.haircut_floor_bps,
        short_history_haircut_bps=OIL.short_history_haircut_bps,
    )
    lines = (PRICES / "wti-daily.csv").read_text(encoding="utf-8").splitlines()
    until = "\n".join([lines[0], *(line for line in lines[1:] if line < "2020-04-21")])
    with db.working() as conn:
        service.add_instrument(conn, oil)
        service.import_price_csv(conn, oil, "eia", until.encode(), noon)
        decided = decide(conn, noon)

    assert isinstance(decided, Unusable)
    assert decided.reason is UnusableReason.HELD_FALL
    assert "-36.98" in decided.detail


@needs_files
def test_the_empty_cell_of_the_gas_file_is_skipped_and_reported(db: Database) -> None:
    """2018-01-05 has no price: that line is named, and that day has none."""
    with db.working() as conn:
        add_oil(conn)
        content = (PRICES / "henry-hub-natural-gas-daily.csv").read_bytes()
        recorded = service.import_price_csv(conn, OIL, "eia", content, NOW)
        missing = store.load_quote(conn, OIL.id, "eia", datetime(2018, 1, 5, tzinfo=UTC))

    lines = content.decode().splitlines()
    assert [lines[number - 1] for number in recorded.skipped_lines] == ["2018-01-05,"]
    assert missing is None
