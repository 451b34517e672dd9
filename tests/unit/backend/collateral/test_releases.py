"""What a release order lets go is not missed, what is beyond it alarms, what left is settled."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.let_go import EARLY_US, FINISH_US, gross_of_g, let_go_g
from backend.collateral.rules.lot import Evaluated
from backend.collateral.types import (
    Custody,
    Decision,
    FactKind,
    ItemCustody,
    ItemSetup,
    Limits,
    LotSetup,
    QuantityState,
)
from backend.collateral.types.releases import Release, ReleaseState
from backend.ids import ItemId, LotId, ReleaseId
from tests.gateway_double import BASE_US
from tests.unit.backend.collateral import test_lot as lots
from tests.unit.backend.collateral.test_lot import (
    DOCK,
    EPCS,
    GROSS_G,
    HALL,
    ITEMS,
    NET_G,
    SECOND_US,
    TARE_G,
    Watched,
    round_of,
)

PALLET_G = NET_G + TARE_G
TWO = frozenset(EPCS[:2])
WINDOW_S = 60
LEARN_S = 60  # Until it is known how often the tags are read.
FINISH_S = FINISH_US // SECOND_US


def make_release(**overrides: Any) -> Release:  # noqa: ANN401 - of a release
    """Return an order for two pallets to go out of the site within a minute."""
    values: dict[str, Any] = {
        "id": ReleaseId(UUID(int=7)),
        "items": frozenset(ITEMS[epc] for epc in TWO),
        "mass_g": 2 * NET_G,
        "begin_us": BASE_US,
        "end_us": BASE_US + WINDOW_S * SECOND_US,
        "zone_id": None,
        "transit": frozenset({DOCK}),
        "watched": False,
        **overrides,
    }
    return Release(**values)


@dataclass(slots=True, kw_only=True)
class Ordered:
    """A watched lot under release orders, which are settled as the service settles them."""

    monkeypatch: pytest.MonkeyPatch
    releases: tuple[Release, ...]
    watched: Watched = field(default_factory=Watched)
    settled: list[tuple[ReleaseState, frozenset[ItemId], int]] = field(
        default_factory=lambda: list[tuple[ReleaseState, frozenset[ItemId], int]]()
    )
    progress: list[int] = field(default_factory=list[int])
    findings: set[FactKind] = field(default_factory=set[FactKind])
    texts: list[str] = field(default_factory=list[str])
    pledged_g: int = 3 * NET_G
    retired: frozenset[ItemId] = frozenset()

    def play(self, seconds: int, *, each_s: int = 1, **changes: Any) -> Decision:  # noqa: ANN401
        """Play seconds, a batch each or of some; return what the lot is then."""
        left_s = seconds
        while left_s > 0:
            count, left_s = min(each_s, left_s), left_s - each_s
            messages = [self.watched.seal(round_of(**changes)) for _ in range(count)]
            self._stored(partial(self.watched.fold, *messages))
        return self.later(0)

    def later(self, seconds: float) -> Decision:
        """Return what the lot is some time later, in which nothing was heard."""
        return self._stored(partial(self.watched.look, later_s=seconds)).decision

    def _stored(self, evaluate: Callable[[], Evaluated]) -> Evaluated:
        lot, items = _LOT, _ITEM_ROWS
        row = lot | {"releases": self.releases, "pledged_mass_g": self.pledged_g}
        kept = [item for item in items if item["id"] not in self.retired]
        self.monkeypatch.setattr(f"{lots.__name__}._LOT", row)
        self.monkeypatch.setattr(f"{lots.__name__}._ITEM_ROWS", kept)
        found = evaluate()
        self.findings |= {fact.kind for fact in found.decision.facts}
        self.texts += [fact.text for fact in found.decision.facts]
        for each in found.settlements:
            self.settled.append((each.state, frozenset(each.items), each.mass_g))
            self.releases = tuple(r for r in self.releases if r.id != each.release.id)
            self.pledged_g -= each.mass_g
            self.retired |= frozenset(each.items)
        for noted in found.progress:
            self.progress.append(len(noted.going))
            self.releases = tuple(
                replace(r, going=noted.going, going_mass_g=noted.mass_g)
                if r.id == noted.release_id
                else r
                for r in self.releases
            )
        return found


_LOT: dict[str, Any] = vars(lots)["_LOT"]
_ITEM_ROWS: list[dict[str, Any]] = vars(lots)["_ITEM_ROWS"]


@contextmanager
def ordered(*releases: Release, **more: Any) -> Generator[Ordered]:  # noqa: ANN401 - of Ordered
    """A quiet lot under orders."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = Ordered(monkeypatch=monkeypatch, releases=releases, **more)
        made.watched.now_us -= LEARN_S * SECOND_US
        made.play(LEARN_S + 5, each_s=10)
        yield made


def ids(epcs: frozenset[bytes]) -> frozenset[ItemId]:
    """Return the items of tags."""
    return frozenset(ITEMS[epc] for epc in epcs)


def test_what_an_order_names_leaves_without_an_alarm_and_is_settled_once_it_is_sure() -> None:
    """Weight first, then the tags; the lot is moving, then smaller by exactly so much."""
    with ordered(make_release()) as lot:
        heavy = lot.play(3, mass=GROSS_G - 2 * PALLET_G)
        assert heavy.state.quantity is QuantityState.WHOLE
        assert heavy.state.measured_mass_g is not None
        assert heavy.state.measured_mass_g <= NET_G
        gone = lot.play(20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert gone.state.custody is Custody.MOVING
        assert gone.items[ITEMS[EPCS[0]]][0] is ItemCustody.MOVING
        assert gone.state.measured_mass_g is not None
        assert gone.state.measured_mass_g <= NET_G
        assert lot.settled == []
        after = lot.play(90, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]
        assert lot.findings == set()
        assert after.state.sound
        assert after.state.measured_mass_g == NET_G
        assert lot.progress == [2]


def test_one_pallet_too_many_alarms_and_the_order_settles_what_it_names() -> None:
    """The third is missed by weight, which names its tag; the alarm tells of the order."""
    with ordered(make_release()) as lot:
        lot.play(20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.findings == set()
        lot.play(3, gone=TWO, mass=GROSS_G - 3 * PALLET_G)
        found = lot.play(25, gone=frozenset(EPCS), mass=GROSS_G - 3 * PALLET_G)
        assert lot.findings >= {FactKind.LOAD_SHORT}
        assert all("beyond release order" in fact.text for fact in found.facts)
        after = lot.play(150, gone=frozenset(EPCS), mass=GROSS_G - 3 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]
        assert after.state.custody is Custody.MISSING
        assert after.state.quantity is QuantityState.SHORT


def test_by_mass_the_first_to_go_may_go() -> None:
    """No items named: any two pallets of three, and not the third."""
    with ordered(make_release(items=frozenset())) as lot:
        lot.play(20, gone=frozenset(EPCS[1:2]), mass=GROSS_G - PALLET_G)
        lot.play(20, gone=frozenset(EPCS[1:]), mass=GROSS_G - 2 * PALLET_G)
        assert lot.findings == set()
        lot.play(90, gone=frozenset(EPCS[1:]), mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(frozenset(EPCS[1:])), 2 * NET_G)]


def test_outside_the_window_it_is_a_theft() -> None:
    """The same goods, taken after the time that was given for them."""
    with ordered(make_release()) as lot:
        lot.play(WINDOW_S + FINISH_S)
        assert lot.settled == [(ReleaseState.EXPIRED, frozenset(), 0)]
        found = lot.play(20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert found.state.custody is Custody.MISSING
        assert lot.pledged_g == 3 * NET_G


def test_before_the_window_it_is_a_theft() -> None:
    """An order of tomorrow lets nothing go today."""
    begin_us = BASE_US + EARLY_US + 60 * SECOND_US
    with ordered(make_release(begin_us=begin_us, end_us=begin_us + EARLY_US)) as lot:
        found = lot.play(20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert found.state.custody is Custody.MISSING
        assert not any("release order" in fact.text for fact in found.facts)


def test_theft_before_the_window_is_not_taken_for_goods_of_dead_tags_that_an_order_names() -> None:
    """As heavy as what it names, and the scale can not tell them apart: not before, nor in it."""
    begin_us = BASE_US + EARLY_US + 120 * SECOND_US
    with ordered(make_release(begin_us=begin_us, end_us=begin_us + EARLY_US)) as lot:
        lot.play(60, each_s=5, gone=TWO)
        assert FactKind.LOAD_SHORT not in lot.findings
        lot.play(30, each_s=5, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert FactKind.LOAD_SHORT in lot.findings
        lot.play(120, each_s=5, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == []
        assert lot.pledged_g == 3 * NET_G


def test_goods_of_dead_tags_leave_by_the_scale_in_the_window() -> None:
    """Their tags were silent long before; the weight falls in its time."""
    begin_us = BASE_US + EARLY_US + 120 * SECOND_US
    with ordered(make_release(begin_us=begin_us, end_us=begin_us + EARLY_US)) as lot:
        lot.play(150, each_s=5, gone=TWO)
        assert lot.settled == []
        lot.play(30, each_s=5, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]


def test_at_the_wrong_place_they_are_relocated() -> None:
    """Sent to another zone, seen at the dock that is not on the way."""
    release = make_release(zone_id=HALL, transit=frozenset(), watched=True)
    with ordered(release) as lot:
        found = lot.play(12, away=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert found.state.custody is Custody.RELOCATED
        assert FactKind.ITEM_RELOCATED in lot.findings


def test_arrival_is_seen_at_the_destination() -> None:
    """Sent to the dock: under way while unseen, settled when its reader reads them."""
    release = make_release(zone_id=DOCK, transit=frozenset(), watched=True)
    with ordered(release) as lot:
        moving = lot.play(15, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert moving.state.custody is Custody.MOVING
        lot.play(80, away=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]
        assert lot.findings == set()


def test_what_never_arrived_is_missed_when_the_time_is_over() -> None:
    """Taken out under an order to the dock, and never read there."""
    release = make_release(zone_id=DOCK, transit=frozenset(), watched=True)
    with ordered(release) as lot:
        lot.play(WINDOW_S - 10, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.findings == set()
        found = lot.play(FINISH_S + 10, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.EXPIRED, frozenset(), 0)]
        assert found.state.custody is Custody.MISSING
        assert "beyond release order" in lot.texts[0]


def test_what_came_back_in_time_is_as_if_it_never_left() -> None:
    """Nothing has left: nothing is released."""
    with ordered(make_release()) as lot:
        lot.play(20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        after = lot.play(WINDOW_S + FINISH_S)
        assert lot.settled == [(ReleaseState.EXPIRED, frozenset(), 0)]
        assert after.state.sound
        assert lot.findings == set()
        assert lot.progress == [2, 0]


def test_hidden_tags_release_nothing_while_the_weight_stays() -> None:
    """Tags that fall silent under an order take no pledge with them."""
    with ordered(make_release()) as lot:
        lot.play(WINDOW_S + FINISH_S + 5, gone=TWO)
        assert lot.settled == [(ReleaseState.EXPIRED, frozenset(), 0)]
        assert lot.pledged_g == 3 * NET_G
        assert FactKind.ITEM_MISSING in lot.findings


def test_revoked_order_settles_what_had_left_and_lets_nothing_more_go() -> None:
    """One was out when it was revoked; the other, taken after, is stolen."""
    with ordered(make_release()) as lot:
        one = frozenset(EPCS[:1])
        lot.play(20, gone=one, mass=GROSS_G - PALLET_G)
        revoked_us = lot.watched.now_us
        lot.releases = (make_release(end_us=revoked_us, revoked=True),)
        lot.play(20, gone=one, mass=GROSS_G - PALLET_G)
        lot.play(FINISH_S + 20, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.REVOKED, ids(one), NET_G)]
        assert FactKind.ITEM_MISSING in lot.findings


def test_order_is_not_over_before_its_sensors_were_heard_beyond_it() -> None:
    """A link that is down for the window's end: what left in time is settled when it is back."""
    with ordered(make_release()) as lot:
        lot.later(3_600)
        assert lot.settled == []
        messages_s = WINDOW_S + FINISH_S
        lot.play(messages_s, each_s=messages_s, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]


def test_whole_lot_may_leave() -> None:
    """Nothing is left, and nothing is missed."""
    release = make_release(items=frozenset(ITEMS.values()), mass_g=3 * NET_G)
    with ordered(release) as lot:
        gone = frozenset(EPCS)
        empty = lot.play(20, gone=gone, mass=GROSS_G - 3 * PALLET_G)
        assert (empty.state.custody, empty.state.quantity) == (
            Custody.MOVING,
            QuantityState.WHOLE,
        )
        lot.play(80, gone=gone, mass=GROSS_G - 3 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(gone), 3 * NET_G)]
        assert lot.findings == set()
        assert lot.pledged_g == 0


def test_door_may_be_opened_for_an_order() -> None:
    """In its time, and at no other."""
    with ordered(make_release()) as lot:
        lot.play(10, contact=1.0)
        assert lot.findings == set()
    with ordered() as lot:
        lot.play(10, contact=1.0)
        assert lot.findings == {FactKind.TAMPER}


@settings(max_examples=10, deadline=None)
@given(
    each_s=st.integers(min_value=2, max_value=12),
    gone_after=st.integers(min_value=0, max_value=40),
)
def test_outcome_is_the_same_however_readings_are_cut(each_s: int, gone_after: int) -> None:
    """Two pallets leave in the window: settled alike in batches of any length."""
    with ordered(make_release()) as lot:
        lot.play(gone_after, each_s=each_s)
        lot.play(100, each_s=each_s, gone=TWO, mass=GROSS_G - 2 * PALLET_G)
        assert lot.settled == [(ReleaseState.COMPLETED, ids(TWO), 2 * NET_G)]
        assert lot.findings == set()


MASSES = st.integers(min_value=1, max_value=10**9)


@given(
    masses=st.lists(st.tuples(MASSES, st.integers(0, 10**6)), max_size=6),
    named=st.integers(min_value=0, max_value=6),
    mass_g=MASSES,
    at=st.lists(st.integers(min_value=-(10**9), max_value=10**9), max_size=5),
)
def test_no_more_may_go_than_an_order_says(
    masses: list[tuple[int, int]], named: int, mass_g: int, at: list[int]
) -> None:
    """Not outside its time; named items with their tare, or a mass with that of what fits it."""
    items = tuple(
        ItemSetup(id=ItemId(uuid4()), name=str(n), epc=b"x", net_mass_g=net, tare_mass_g=tare)
        for n, (net, tare) in enumerate(masses)
    )
    release = make_release(items=frozenset(i.id for i in items[:named]), mass_g=mass_g)
    lot = LotSetup(
        id=LotId(uuid4()),
        name="lot",
        zone_id=HALL,
        polygon_m=(),
        origin_lat_deg=0.0,
        origin_lon_deg=0.0,
        pledged_mass_g=1,
        limits=Limits(),
        items=items,
        bindings=(),
        readers={},
        releases=(release,),
    )
    most_g = gross_of_g(lot, release)
    if release.items:
        assert most_g == sum(item.gross_mass_g for item in items[:named])
    else:
        assert mass_g <= most_g <= mass_g + sum(item.tare_mass_g for item in items)
    made_us = np.array(at, dtype=np.int64) + release.begin_us
    allowed = let_go_g(lot, made_us)
    inside = (made_us >= release.begin_us - EARLY_US) & (made_us < release.end_us + FINISH_US)
    assert (allowed == np.where(inside, most_g, 0)).all()
