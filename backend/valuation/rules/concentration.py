"""How much counts when no group may be more than its share of the whole. Pure.

Groups of several kinds overlap: a lot is one obligor's, of one commodity, in one warehouse.
Cutting kind after kind can make a base *rise* when a price falls. What counts here is the most
that any choice within all limits lets through, a linear programme: its bounds only grow with the
lots' lendable values, so the base does too. It is solved exactly, in fractions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from backend.money import BPS

# Sets of limits that lots fall under at once, of those that are exceeded. A share of 10 % can be
# exceeded by nine groups of a kind at most; beyond these the facility is not evaluated, and locks.
CELLS_MAX: Final = 128

Group = tuple[int, str]  # Which kind, in order, and whose.


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One lot's lendable value with its group of each kind."""

    amount_minor: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a group loses: it had ``amount_minor``, of which ``bound_minor`` may count."""

    group: Group
    cut_minor: int
    amount_minor: int
    bound_minor: int


def cut_shares(shares: Sequence[Share], bps_max: Sequence[int]) -> tuple[Cut, ...]:
    """Return what each group loses, by group; none when all are within their shares.

    A group's share is of all that is lendable before limits. What lots lose that are in several
    exceeded groups is told of the first kind.

    Args:
        shares: One for each lot.
        bps_max: Of each kind; 10,000 limits nothing.

    Raises:
        OverflowError: More groups overlap than can be solved for.
    """
    total = sum(share.amount_minor for share in shares)
    held: dict[Group, int] = {}
    for share in shares:
        for group in share.groups:
            if bps_max[group[0]] < BPS:
                held[group] = held.get(group, 0) + share.amount_minor
    bounds = {group: total * bps_max[group[0]] // BPS for group in held}
    over = {group for group, amount in held.items() if amount > bounds[group]}
    if not over:
        return ()
    cells: dict[tuple[Group, ...], int] = {}
    for share in shares:
        key = tuple(group for group in share.groups if group in over)
        if key and share.amount_minor:
            cells[key] = cells.get(key, 0) + share.amount_minor
    counted = _most(cells, {group: bounds[group] for group in over})
    cuts = dict.fromkeys(sorted(over), Fraction(0))
    for key, amount in cells.items():
        cuts[key[0]] += amount - counted[key]
    # All together are rounded up once, against the borrower; the lines then add up to it.
    lost = -(-sum(cuts.values(), Fraction(0)) // 1)
    whole = {group: int(cut // 1) for group, cut in cuts.items()}
    missing = lost - sum(whole.values())
    for group in [group for group, cut in cuts.items() if cut % 1][:missing]:
        whole[group] += 1
    return tuple(
        Cut(group=group, cut_minor=cut, amount_minor=held[group], bound_minor=bounds[group])
        for group, cut in whole.items()
        if cut
    )


def _most(
    cells: Mapping[tuple[Group, ...], int], bounds: Mapping[Group, int]
) -> Mapping[tuple[Group, ...], Fraction]:
    """Return how much of each cell counts, so that their sum is greatest: the simplex method.

    Bland's rule: it cannot cycle.

    Raises:
        OverflowError: There are too many cells.
    """
    if len(cells) > CELLS_MAX:
        message = f"{len(cells)} overlapping groups exceed their limits, over {CELLS_MAX}"
        raise OverflowError(message)
    keys = sorted(cells)
    count = len(keys)
    rows: list[dict[int, Fraction]] = []  # Basic variable = right side - the others' coefficients.
    right: list[Fraction] = []
    for index, key in enumerate(keys):
        rows.append({index: Fraction(1), count + index: Fraction(1)})
        right.append(Fraction(cells[key]))
    for number, (group, bound) in enumerate(sorted(bounds.items())):
        inside = {index: Fraction(1) for index, key in enumerate(keys) if group in key}
        rows.append({**inside, 2 * count + number: Fraction(1)})
        right.append(Fraction(bound))
    basis = [count + number for number in range(len(rows))]
    gains = {index: Fraction(1) for index in range(count)}
    while improving := [at for at, gain in gains.items() if gain > 0]:
        entering = min(improving)
        _, _, leaving = min(
            (right[number] / row[entering], basis[number], number)
            for number, row in enumerate(rows)
            if row.get(entering, 0) > 0
        )
        pivot = rows[leaving][entering]
        rows[leaving] = {at: each / pivot for at, each in rows[leaving].items()}
        right[leaving] /= pivot
        basis[leaving] = entering
        for number, row in enumerate(rows):
            factor = row.get(entering)
            if number != leaving and factor:
                _subtract(row, rows[leaving], factor)
                right[number] -= factor * right[leaving]
        _subtract(gains, rows[leaving], gains[entering])
    found = {at: right[number] for number, at in enumerate(basis)}
    return {key: found.get(index, Fraction(0)) for index, key in enumerate(keys)}


def _subtract(row: dict[int, Fraction], other: Mapping[int, Fraction], factor: Fraction) -> None:
    """Take a multiple of another row off; what becomes nothing is dropped."""
    for at, each in other.items():
        left = row.get(at, Fraction(0)) - factor * each
        if left:
            row[at] = left
        else:
            row.pop(at, None)
