"""What is known of a unit: when it is asked again, and what it is not asked for."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.modbus import UnitSection
from gateway.drivers.modbus_blocks import Block
from gateway.drivers.modbus_unit import (
    BACKOFF_S_MAX,
    REFUSED_RETRY_S_MAX,
    REFUSED_RETRY_S_MIN,
    Unit,
)
from tests.unit.gateway.drivers.test_modbus_blocks import register

TIMEOUT_S = 0.5


def make_unit(count: int = 8, poll_s: float = 1.0) -> Unit:
    """Return a unit of neighbouring registers, never asked yet."""
    return Unit(UnitSection(unit=1, poll_s=poll_s, register=[register(a) for a in range(count)]))


def poll(unit: Unit, now_s: float, absent: set[int]) -> list[Block]:
    """Poll a device without the addresses ``absent``, as the bus does; return what was asked."""
    asked: list[Block] = []
    good: list[Block] = []
    waiting = unit.begin_poll(now_s)
    refused = False
    while waiting:
        block = waiting.pop(0)
        asked.append(block)
        if absent.isdisjoint(range(block.start, block.start + block.count)):
            good.append(block)
            continue
        refused = True
        if len(block.registers) > 1:
            waiting[:0] = block.split()
    unit.end_poll(good, refused=refused, started_s=now_s)
    return asked


@given(st.integers(1, 12), st.floats(0.01, 5.0), st.integers(0, 1_000))
def test_dead_unit_is_left_alone_for_longer_and_longer(
    failures: int, poll_s: float, seed: int
) -> None:
    """At least as long as an answer may be late, doubling, jittered, and bounded."""
    unit, random = make_unit(poll_s=poll_s), Random(seed)
    base_s = max(poll_s, TIMEOUT_S)
    for count in range(1, failures + 1):
        unit.fail(100.0, TIMEOUT_S, random)
        ceiling_s = min(base_s * 2**count, BACKOFF_S_MAX)
        assert ceiling_s / 2 <= unit.due_s - 100.0 <= ceiling_s
        assert unit.due_s - 100.0 >= TIMEOUT_S


def test_unit_that_answers_again_is_polled_at_its_rate() -> None:
    """One answer ends the back-off."""
    unit = make_unit()
    for _ in range(10):
        unit.fail(0.0, TIMEOUT_S, Random(1))
    unit.due_s = 20.0
    poll(unit, 20.0, set())

    assert unit.due_s == 21.0
    unit.fail(21.0, TIMEOUT_S, Random(1))
    assert unit.due_s <= 23.0


def test_polls_keep_their_beat_and_never_pile_up() -> None:
    """A poll a little late does not move the next; one that is very late is not made up for."""
    unit = make_unit()
    unit.due_s = 10.0
    poll(unit, 10.3, set())
    assert unit.due_s == 11.0
    poll(unit, 60.0, set())
    assert unit.due_s == 60.0


@given(st.sets(st.integers(0, 31), max_size=4))
def test_absent_addresses_are_found_and_left_out(absent: set[int]) -> None:
    """All that the device has is read in the same poll; what it has not is asked for no more."""
    unit = make_unit(32)
    asked = poll(unit, 0.0, absent)
    again = poll(unit, 1.0, absent)
    read = {r.address for block in again for r in block.registers}

    assert len(asked) <= 1 + 2 * 5 * len(absent)
    assert read == set(range(32)) - absent


def test_absent_address_is_tried_again_ever_more_rarely() -> None:
    """A device that refuses while it starts is read in whole later; a bad address costs little."""
    unit = make_unit()
    poll(unit, 0.0, {3})
    assert all(len(b.registers) < 8 for b in unit.begin_poll(REFUSED_RETRY_S_MIN - 1))
    tried: list[float] = []
    now_s = 0.0
    while now_s < 4 * REFUSED_RETRY_S_MAX:
        now_s += 1.0
        if any(len(block.registers) == 8 for block in poll(unit, now_s, {3})):
            tried.append(now_s)
    gaps = [after - before for before, after in pairwise(tried)]

    assert tried[0] == REFUSED_RETRY_S_MIN
    assert gaps == sorted(gaps)
    assert gaps[-1] == REFUSED_RETRY_S_MAX
    (block,) = unit.begin_poll(now_s + REFUSED_RETRY_S_MAX)
    unit.end_poll([block], refused=False, started_s=now_s + REFUSED_RETRY_S_MAX)
    assert unit.begin_poll(now_s + REFUSED_RETRY_S_MAX + 1) == [block]


def test_unit_that_refuses_all_is_not_asked_for_nothing() -> None:
    """Its next turn is when its addresses are tried again."""
    unit = make_unit()
    poll(unit, 0.0, set(range(8)))

    assert unit.due_s == REFUSED_RETRY_S_MIN


def test_refusal_of_what_is_cut_up_is_told_once() -> None:
    """What is found each time anew is no news; the address that is none is told each time."""
    unit = make_unit(2)
    (block,) = unit.begin_poll(0.0)
    single, _ = block.split()

    assert [unit.tell_refusal(b) for b in (block, block, single, single)] == [
        True,
        False,
        True,
        True,
    ]
