"""Position: a lot driven away is told within a minute; a receiver under a roof alarms nobody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.memory_position import fence_json, fence_of
from backend.collateral.rules.position import fold_position
from backend.collateral.rules.rest import SCATTER_M_MAX
from backend.collateral.rules.strayed import position_facts
from backend.collateral.types import Fence, LotMemory, Purpose, SensorKey
from tests.unit.backend.collateral.columns import (
    BEGIN_US,
    NAME,
    SECOND_US,
    Channel,
    binding_of,
    books_of,
    setup_of,
)
from tests.unit.backend.collateral.skies import OUTDOORS, ROOF, Sky, at_home, fixes_of

KEY: SensorKey = (NAME, "tracker")
SETUP = setup_of(binding_of("tracker", Purpose.POSITION))
HOUR_S, DAY_S = 3_600.0, 86_400.0


def fold(fence: Fence, channels: list[Channel], cuts_s: list[float] | None = None) -> list[Fence]:
    """Return the fence after each batch, each time through its stored form."""
    after: list[Fence] = []
    for book in books_of(channels, cuts_s=cuts_s or []):
        fence = fence_of(fence_json(fold_position(fence, SETUP, book, KEY)))
        after.append(fence)
    return after


def drive(sky: Sky, *, quiet_s: float, speed_m_s: float, seed: int) -> float:
    """Return how long after a lot is driven off, north, it is told; infinite if never."""
    at_s = np.arange(0.0, quiet_s + 1_800.0, 1.0)
    true_m = at_home(len(at_s))
    true_m[:, 1] += np.maximum(at_s - quiet_s, 0.0) * speed_m_s
    fence = fold(Fence(), fixes_of(sky, at_s, true_m, seed))[-1]
    if fence.left is None:
        return float("inf")
    # The envelope of five seconds in which it became certain, and its way here.
    return (fence.left.arrived_us - BEGIN_US) / SECOND_US - quiet_s


@pytest.mark.parametrize("sky", [OUTDOORS, ROOF], ids=["outdoors", "roof"])
def test_a_month_at_rest_raises_nothing(sky: Sky) -> None:
    """Thirty days, glitches of hundreds of metres that claim to be precise among them."""
    at_s = np.arange(0.0, 30 * DAY_S, 10.0)
    days = [DAY_S * day for day in range(30)]
    fences = fold(Fence(), fixes_of(sky, at_s, at_home(len(at_s)), seed=11), days)
    assert fences[-1].inside
    assert fences[-1].left is None
    rest = fences[-1].rest
    assert rest is not None
    spread_m = float(np.hypot(sky.sd_m, sky.slow_sd_m))
    assert 0.6 * spread_m < rest.scatter_m < 1.5 * spread_m


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sky", "speed_m_s"), [(OUTDOORS, 2.0), (OUTDOORS, 8.0), (ROOF, 8.0)])
def test_a_lot_driven_away_is_told_within_a_minute(sky: Sky, speed_m_s: float, seed: int) -> None:
    """After a day at rest, by a forklift outdoors or a lorry; ROOF holds for the whole way."""
    assert 0.0 < drive(sky, quiet_s=DAY_S / 4, speed_m_s=speed_m_s, seed=seed) < 60.0


def test_before_anything_is_learnt_a_lorry_is_told_as_well() -> None:
    """Ten minutes after installation nothing is known of the receiver."""
    assert 0.0 < drive(OUTDOORS, quiet_s=600.0, speed_m_s=8.0, seed=5) < 60.0


def test_a_slow_thief_teaches_nothing_that_hides_him() -> None:
    """Half a metre a minute: told before he is fifty metres out, and the scatter stays small."""
    at_s = np.arange(0.0, 12 * HOUR_S, 5.0)
    true_m = at_home(len(at_s))
    true_m[:, 1] += np.maximum(at_s - 4 * HOUR_S, 0.0) * 0.5 / 60.0
    cuts = [float(cut) for cut in np.arange(0, 12 * HOUR_S, 600.0)]
    for fence in fold(Fence(), fixes_of(OUTDOORS, at_s, true_m, seed=3), cuts):
        if fence.left is not None:
            assert fence.left.away_m < 50.0
            assert fence.left.scatter_m < SCATTER_M_MAX / 2
            return
    pytest.fail("never told")


def test_out_and_back_within_one_batch_is_told() -> None:
    """Thirteen hours in one batch, an hour of them outside: told once, with its own times."""
    at_s = np.arange(0.0, 13 * HOUR_S, 5.0)
    true_m = at_home(len(at_s))
    true_m[(at_s > 5 * HOUR_S) & (at_s < 6 * HOUR_S), 1] += 400.0
    (fence,) = fold(Fence(), fixes_of(OUTDOORS, at_s, true_m, seed=4))
    assert fence.inside
    assert fence.left is not None
    now_us = BEGIN_US + int(13 * HOUR_S * SECOND_US) + SECOND_US
    memory = LotMemory(fences={KEY: fence})

    def judged(since_us: int) -> list[str]:
        seen = Seen(sensors={}, streams={}, sights=(), now_us=now_us, since_us=since_us)
        return [fact.key for fact in position_facts(SETUP, memory, seen)]

    assert judged(BEGIN_US) == ["position:gw-1/tracker"]
    assert judged(now_us) == []
    assert abs(fence.left.since.at_us - BEGIN_US - 5 * HOUR_S * SECOND_US) < 10 * SECOND_US
    assert fence.left.north_m == 20.0  # Where the zone ends.


def test_fixes_all_around_are_no_way_out() -> None:
    """A jammed receiver throws fixes about, farther than any lorry drives."""
    at_s = np.arange(0.0, 4 * HOUR_S, 1.0)
    true_m = at_home(len(at_s))
    thrown = at_s > 2 * HOUR_S
    angle = np.random.default_rng(6).uniform(0.0, 2 * np.pi, int(thrown.sum()))
    true_m[thrown] += 500.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    (fence,) = fold(Fence(), fixes_of(OUTDOORS, at_s, true_m, seed=7))
    assert fence.inside


def test_the_stored_form_of_the_first_releases_is_read() -> None:
    """A list that begins with the side."""
    assert fence_of([True, None, False, 0]) == Fence(inside=True)


@settings(max_examples=60, deadline=None)
@given(
    away_m=st.lists(
        st.sampled_from([0.0, 0.0, 12.0, 60.0, 150.0, 155.0, 600.0]), min_size=4, max_size=60
    ),
    cuts=st.sets(st.integers(1, 60)),
    step_s=st.sampled_from([1.0, 5.0, 70.0]),
)
def test_batches_do_not_matter(away_m: list[float], cuts: set[int], step_s: float) -> None:
    """The same fixes however cut leave the same fence, run, rest and crossing behind."""
    at_s = np.linspace(0.0, step_s * (len(away_m) - 1), len(away_m))
    true_m = at_home(len(away_m))
    true_m[:, 1] += np.array(away_m)
    fixes = fixes_of(OUTDOORS, at_s, true_m, seed=1)
    whole = fold(Fence(), fixes)[-1]
    assert fold(Fence(), fixes, [step_s * cut for cut in sorted(cuts)])[-1] == whole
