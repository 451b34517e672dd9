"""Limits of shares that overlap: as much counts as any choice within all of them lets through."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from backend.valuation.rules.concentration import Share, cut_shares

shares = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("ab"), st.sampled_from("xy")),
    min_size=1,
    max_size=4,
)


def make(rows: list[tuple[int, str, str]]) -> list[Share]:
    """Return lots with a group of each of two kinds."""
    return [Share(amount_minor=n, groups=((0, one), (1, two))) for n, one, two in rows]


def counted(rows: list[tuple[int, str, str]], limits: tuple[int, int]) -> int:
    """Return how much counts."""
    return sum(row[0] for row in rows) - sum(
        cut.cut_minor for cut in cut_shares(make(rows), limits)
    )


@given(rows=shares, limits=st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_no_choice_of_whole_units_lets_more_through(
    rows: list[tuple[int, str, str]], limits: tuple[int, int]
) -> None:
    """Every choice is tried: with two kinds the best one is a whole number."""
    bps = (limits[0] * 500, limits[1] * 500)
    total = sum(row[0] for row in rows)
    bounds = [total * each // 10_000 for each in bps]

    best = 0
    for choice in product(*(range(row[0] + 1) for row in rows)):
        held: dict[tuple[int, str], int] = {}
        for amount, (_, one, two) in zip(choice, rows, strict=True):
            held[0, one] = held.get((0, one), 0) + amount
            held[1, two] = held.get((1, two), 0) + amount
        if all(bps[kind] == 10_000 or n <= bounds[kind] for (kind, _), n in held.items()):
            best = max(best, sum(choice))

    assert counted(rows, bps) == best


def test_cutting_kind_after_kind_would_have_lent_more_at_a_lower_price() -> None:
    """The case that the programme is for: less of one lot, and still no more counts."""
    rows = [(60, "a", "x"), (40, "a", "y"), (50, "b", "x")]
    fewer = [(30, "a", "x"), (40, "a", "y"), (50, "b", "x")]

    assert counted(fewer, (5_000, 5_000)) <= counted(rows, (5_000, 5_000))


def test_a_single_owner_over_its_share_is_cut_to_it() -> None:
    """All of one owner under a limit of 40 %: two fifths count, and the line says why."""
    cuts = cut_shares(make([(100, "a", "x")]), (4_000, 10_000))

    assert [(cut.group, cut.cut_minor, cut.amount_minor, cut.bound_minor) for cut in cuts] == [
        ((0, "a"), 60, 100, 40)
    ]
