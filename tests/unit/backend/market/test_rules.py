"""Which price may be used: age, jumps, sources, volatility."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.errors import InvalidError, RefusedError
from backend.ids import InstrumentId
from backend.market.rules import (
    Past,
    decide_price,
    grade_quotes,
    log_returns,
    measure_volatility,
    read_price_csv,
)
from backend.market.types import (
    Instrument,
    Quality,
    Quote,
    SourceHead,
    Unit,
    Unusable,
    UnusableReason,
    Usable,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COPPER = Instrument(
    id=InstrumentId("LME-CU"),
    name="Copper",
    unit=Unit.TNE,
    currency="USD",
    max_price_age_s=3_600,
    jump_max_bps=5_000,
    haircut_floor_bps=1_000,
    short_history_haircut_bps=5_000,
)
prices = st.decimals(min_value=-1000, max_value=100_000, places=2)


def quote(
    value: str | Decimal,
    age_s: float = 0,
    source: str = "feed",
    quality: Quality = Quality.ACCEPTED,
) -> Quote:
    """Return a quote of so many seconds ago."""
    return Quote(
        source=source, at=NOW - timedelta(seconds=age_s), value=Decimal(value), quality=quality
    )


def head(accepted: Quote | None, held: Quote | None = None) -> SourceHead:
    """Return a source as it stands."""
    quoted = accepted or held
    assert quoted is not None
    return SourceHead(source=quoted.source, accepted=accepted, held=held)


def new(value: str, age_s: float = 0, source: str = "feed") -> Quote:
    """Return a price that comes in."""
    return quote(value, age_s, source, Quality.HELD)


def judged(
    quotes: Sequence[Quote], anchor: Quote | None = None, instrument: Instrument = COPPER
) -> list[Quote]:
    """Return quotes as they are judged after an accepted one, in time order."""
    ordered = sorted(quotes, key=lambda each: (each.at, each.source))
    graded, _ = grade_quotes(ordered, instrument, Past(anchor=anchor), ordered[0].at)
    return [each.quote for each in graded]


def test_a_missing_price_is_no_price_rather_than_zero() -> None:
    """Lending lesson 1: without any price there is nothing to value at, and it says so."""
    decision = decide_price([], COPPER, NOW)

    assert isinstance(decision, Unusable)
    assert decision.reason is UnusableReason.NONE


@given(age_s=st.integers(0, 10_000))
def test_a_price_is_usable_until_its_age_and_never_after(age_s: int) -> None:
    """Lending lesson 11: a stale price is never accepted."""
    decision = decide_price([head(quote("9000", age_s))], COPPER, NOW)

    if age_s <= 3_600:
        assert isinstance(decision, Usable)
        assert decision.price == 9000
        assert decision.stale_at == decision.at + timedelta(seconds=3_600)
    else:
        assert isinstance(decision, Unusable)
        assert decision.reason is UnusableReason.STALE
        assert "9000" in decision.detail
        assert "3600 s" in decision.detail


@pytest.mark.parametrize("value", ["0", "-36.98"])
def test_zero_and_negative_prices_are_real(value: str) -> None:
    """A price at or under zero is decided on as it is, neither dropped nor refused."""
    decision = decide_price([head(quote(value))], COPPER, NOW)

    assert isinstance(decision, Usable)
    assert decision.price == Decimal(value)


def test_several_sources_give_their_median() -> None:
    """One liar among three sources does not move the price to where it wants."""
    heads = [head(quote(v, source=s)) for v, s in (("100", "a"), ("101", "b"), ("900", "c"))]

    decision = decide_price(heads, COPPER, NOW)

    assert isinstance(decision, Usable)
    assert decision.price == 101
    assert decision.source == "median of a, b, c"


def test_a_source_falling_silent_does_not_raise_the_price() -> None:
    """When the lower of two sources goes stale, the higher one alone is not believed."""
    cheap = quote("100", age_s=3_601, source="a")
    dear = quote("120", source="b")

    decision = decide_price([head(cheap), head(dear)], COPPER, NOW)

    assert isinstance(decision, Usable)
    assert decision.price == 110


def test_a_source_long_gone_has_no_say() -> None:
    """After ten maximal ages a silent source has left the market."""
    heads = [head(quote("100", age_s=36_001, source="a")), head(quote("120", source="b"))]

    decision = decide_price(heads, COPPER, NOW)

    assert isinstance(decision, Usable)
    assert decision.price == 120


@given(st.lists(st.tuples(prices, st.integers(0, 50_000)), min_size=1, max_size=6), st.data())
def test_the_order_of_sources_does_not_matter(
    values: list[tuple[Decimal, int]], data: st.DataObject
) -> None:
    """The same sources in another order give the same decision."""
    heads = [head(quote(v, age, source=f"s{i}")) for i, (v, age) in enumerate(values)]

    shuffled = data.draw(st.permutations(heads))

    first, second = decide_price(heads, COPPER, NOW), decide_price(shuffled, COPPER, NOW)
    assert type(first) is type(second)
    if isinstance(first, Usable):
        assert first == second


@given(
    st.lists(st.tuples(prices, st.integers(0, 30_000)), min_size=1, max_size=5),
    st.integers(0, 4),
    st.integers(1, 5_000),
)
def test_an_older_price_never_raises_the_price(
    values: list[tuple[Decimal, int]], which: int, older_s: int
) -> None:
    """Making one source's quote older never makes goods worth more, until that source retires."""
    chosen = which % len(values)
    aged = [(v, a + older_s if i == chosen else a) for i, (v, a) in enumerate(values)]

    before, after = (
        decide_price(
            [head(quote(v, a, source=f"s{i}")) for i, (v, a) in enumerate(q)], COPPER, NOW
        )
        for q in (values, aged)
    )

    if isinstance(after, Usable):
        assert isinstance(before, Usable)
        assert after.price <= before.price


def test_a_rise_that_jumps_waits_and_is_not_believed() -> None:
    """A price far above the last one waits for a second source; the last one stays in use."""
    graded = judged([new("14000")], quote("9000", 60))
    decision = decide_price([head(quote("9000", 60), held=graded[0])], COPPER, NOW)

    assert graded[0].quality is Quality.HELD
    assert isinstance(decision, Usable)
    assert decision.price == 9000


def test_a_fall_that_jumps_waits_and_leaves_no_price() -> None:
    """A crash may be a mistake or the truth: until somebody knows, nothing is lent on either."""
    graded = judged([new("4000")], quote("9000", 60))
    decision = decide_price([head(quote("9000", 60), held=graded[0])], COPPER, NOW)

    assert graded[0].quality is Quality.HELD
    assert isinstance(decision, Unusable)
    assert decision.reason is UnusableReason.HELD_FALL
    assert "9000" in decision.detail
    assert "4000" in decision.detail


def test_a_fall_that_waits_is_not_forgotten_in_silence() -> None:
    """A source that said a crash and then nothing more does not make goods worth more again."""
    age_s = 3_600
    held = quote("4000", age_s + 1, source="a", quality=Quality.HELD)
    crashed = head(quote("9000", age_s + 2, source="a"), held=held)
    other = head(quote("9000", 1, source="b"))

    decision = decide_price([crashed, other], COPPER, NOW)

    assert isinstance(decision, Unusable)
    assert decision.reason is UnusableReason.HELD_FALL


def test_a_second_source_confirms_a_jump_and_what_waited() -> None:
    """Two sources within 5 % of each other are believed, and the one that waited with them."""
    held = quote("4000", 30, source="a", quality=Quality.HELD)

    graded = judged([new("4100", source="b"), held], quote("9000", 60, "a"))

    assert [q.quality for q in graded] == [Quality.ACCEPTED, Quality.ACCEPTED]


def test_the_same_source_twice_confirms_nothing() -> None:
    """A source repeating itself is one source."""
    graded = judged([new("4000", 20), new("4000", 10)], quote("9000", 60))

    assert [q.quality for q in graded] == [Quality.HELD, Quality.HELD]


def test_any_move_from_zero_waits() -> None:
    """From a price of zero each move is infinite: it waits."""
    graded = judged([new("1")], quote("0", 60))

    assert graded[0].quality is Quality.HELD


def test_a_history_is_graded_day_after_day() -> None:
    """Each day is compared with the last accepted one: a spike does not pull the next along."""
    days = [new(v, age_s=86_400 * (9 - i)) for i, v in enumerate(["18", "18.3", "-36.98", "13"])]

    graded = judged(days)

    assert [q.quality.value for q in graded] == ["accepted", "accepted", "held", "accepted"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=700))
def test_volatility_is_a_number_whatever_the_prices(values: list[float]) -> None:
    """Zero and negative prices give no NaN and no infinity."""
    volatility = measure_volatility(np.array(values))

    assert np.isfinite(volatility.sigma_daily)
    assert volatility.sigma_daily >= 0
    assert volatility.days == len(values)


def test_a_fall_below_zero_counts_as_a_loss() -> None:
    """The day on which WTI settled at -36.98 raises volatility; the way back up adds nothing."""
    assert log_returns(np.array([18.27, -36.98, 8.91])).tolist() == pytest.approx([-np.log(10)])


def test_volatility_remembers_a_storm_that_the_moving_average_forgot() -> None:
    """The greater of a forgetting and a remembering measure counts."""
    storm = 100 * np.exp(np.cumsum(np.tile([0.05, -0.05], 100)))
    calm = np.full(250, storm[-1])

    sigma = measure_volatility(np.concatenate([storm, calm])).sigma_daily

    assert sigma > 0.03


def test_a_price_file_is_read_in_time_order_and_reports_what_it_skips() -> None:
    """An empty cell is a day without a price, not a price of zero."""
    content = b"Date,Price\n2018-01-05,\n2018-01-04,4.65\n2018-01-03,-1.5\n2018-01-04,4.65\n"

    table = read_price_csv(content, today=date(2026, 1, 1))

    assert [(row.day.day, row.value) for row in table.rows] == [
        (3, Decimal("-1.5")),
        (4, Decimal("4.65")),
    ]
    assert table.skipped_lines == (2,)


@pytest.mark.parametrize(
    ("content", "field", "bound"),
    [
        (b"", "line 1", "header"),
        (b"Day,Price\n", "line 1", "header"),
        (b"Date,Price\n2018-01-04\n", "line 2", "two cells"),
        (b"Date,Price\n2018-01-04,1,2\n", "line 2", "two cells"),
        (b"Date,Price\n\n", "line 2", "two cells"),
        (b"Date,Price\n04/01/2018,1\n", "line 2: Date", "YYYY-MM-DD"),
        (b"Date,Price\n2018-02-30,1\n", "line 2: Date", "calendar"),
        (b"Date,Price\n2026-01-02,1\n", "line 2: Date", "not after today"),
        (b"Date,Price\n2018-01-04,NaN\n", "line 2: Price", "decimal"),
        (b"Date,Price\n2018-01-04,1e9\n", "line 2: Price", "decimal"),
        (b"Date,Price\n2018-01-03,1\n2018-01-04, 1\n", "line 3: Price", "decimal"),
        (b"Date,Price\n2018-01-04,1234567890\n", "line 2: Price", "9 digits"),
        (b"Date,Price\n2018-01-04,\xff\n", "file", "UTF-8"),
    ],
)
def test_a_price_file_is_refused_naming_line_field_value_and_bound(
    content: bytes, field: str, bound: str
) -> None:
    """One bad line refuses the file, and says which, what and why."""
    with pytest.raises(InvalidError) as caught:
        read_price_csv(content, today=date(2026, 1, 1))

    assert caught.value.detail["field"] == field
    assert bound in str(caught.value.detail["bound"])


def test_a_file_that_contradicts_itself_is_refused() -> None:
    """One day with two prices is nobody's to choose from."""
    with pytest.raises(RefusedError, match=r"line 3: .*4\.7.*line 2 says 4\.65"):
        read_price_csv(b"Date,Price\n2018-01-04,4.65\n2018-01-04,4.7\n", today=date(2026, 1, 1))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No file makes the reader fail in another way than by refusing it."""
    with suppress(RefusedError):
        read_price_csv(b"Date,Price\n" + content, today=date(2026, 1, 1))


@given(
    st.lists(st.tuples(prices, st.integers(0, 30_000)), min_size=1, max_size=5),
    st.integers(0, 4),
    prices,
)
def test_a_held_price_never_raises_a_value(
    values: list[tuple[Decimal, int]], which: int, waiting: Decimal
) -> None:
    """What waits can only take the price away."""
    heads = [head(quote(v, age, source=f"s{i}")) for i, (v, age) in enumerate(values)]
    chosen = which % len(heads)
    held = quote(waiting, 0, f"s{chosen}", Quality.HELD)
    more = [
        SourceHead(source=each.source, accepted=each.accepted, held=held if i == chosen else None)
        for i, each in enumerate(heads)
    ]

    before, after = decide_price(heads, COPPER, NOW), decide_price(more, COPPER, NOW)

    assert isinstance(after, Unusable) or after == before


@given(
    st.lists(st.tuples(prices, st.integers(0, 30_000), st.integers(1, 3)), min_size=1, max_size=5),
    st.integers(0, 4),
    st.integers(1, 5_000),
)
def test_a_source_that_falls_silent_hands_over_to_no_dearer_one(
    values: list[tuple[Decimal, int, int]], which: int, older_s: int
) -> None:
    """A second choice stands in for the first, and may not raise the price, until that retires."""
    chosen = which % len(values)

    def decided(extra_s: int) -> Usable | Unusable:
        heads = [
            SourceHead(
                source=f"s{i}",
                accepted=quote(v, age + (extra_s if i == chosen else 0), source=f"s{i}"),
                held=None,
                priority=priority,
            )
            for i, (v, age, priority) in enumerate(values)
        ]
        return decide_price(heads, COPPER, NOW)

    before, after = decided(0), decided(older_s)

    assume(values[chosen][1] + older_s <= 36_000)
    if isinstance(after, Usable):
        assert isinstance(before, Usable)
        assert after.price <= before.price


def test_a_second_choice_is_asked_when_the_first_is_silent() -> None:
    """Its price is used, and says whose it is."""
    first = SourceHead(source="a", accepted=quote("100", 36_001, "a"), held=None)
    second = SourceHead(source="b", accepted=quote("90", 1, "b"), held=None, priority=2)
    fresh = SourceHead(source="a", accepted=quote("100", 1, "a"), held=None)

    silent, heard = (decide_price([each, second], COPPER, NOW) for each in (first, fresh))

    assert isinstance(silent, Usable)
    assert isinstance(heard, Usable)
    assert (silent.price, silent.source) == (90, "b")
    assert (heard.price, heard.source) == (100, "a")
