"""A reader's clock against ours: delay is no offset, and a jump is noticed."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.reader_clock import OFFSET_US_MAX, SAMPLES_MIN, ReaderClock

T0_US = 1_700_000_000_000_000


def hear(clock: ReaderClock, offset_us: int, delays_us: list[int]) -> list[int]:
    """Return what was told of stamps that were delayed so long."""
    told = (clock.hear(T0_US + offset_us, T0_US + delay_us) for delay_us in delays_us)
    return [offset for offset in told if offset is not None]


def test_nothing_is_known_at_first() -> None:
    """A few late messages say nothing about a clock."""
    clock = ReaderClock()

    assert hear(clock, 0, [5_000_000] * (SAMPLES_MIN - 1)) == []
    assert clock.offset_us is None


def test_a_clock_that_is_right_is_never_told_of() -> None:
    """However late most messages come, one that came quickly shows the truth."""
    clock = ReaderClock()

    assert hear(clock, 0, [3_000_000, 20_000, 900_000, 4_000_000, 2_000_000]) == []
    assert clock.offset_us == -20_000


def test_an_offset_is_told_once() -> None:
    """A clock two weeks back is news when it is known, and not again while it stays so."""
    clock = ReaderClock()
    fortnight_us = -14 * 86_400_000_000

    assert hear(clock, fortnight_us, [10_000] * 100) == [fortnight_us - 10_000]


def test_a_jump_forward_is_told_within_a_round() -> None:
    """Nothing arrives before it was sent: the samples before the jump no longer count."""
    clock = ReaderClock()
    hear(clock, 0, [1_000] * 50)

    assert hear(clock, 60_000_000, [1_000] * SAMPLES_MIN) == [59_999_000]


def test_a_jump_back_is_told_when_the_old_samples_are_gone() -> None:
    """One late message is no jump; a window of them is."""
    clock = ReaderClock()
    hear(clock, 0, [1_000] * 50)

    assert hear(clock, -60_000_000, [1_000] * 31) == []
    assert hear(clock, -60_000_000, [1_000]) == [-60_001_000]


def test_a_clock_that_is_right_again_is_told() -> None:
    """Who heard of an offset hears of its end."""
    clock = ReaderClock()
    hear(clock, -60_000_000, [1_000] * 50)

    assert hear(clock, 0, [1_000] * 50) == [-1_000]


@given(
    offset_us=st.integers(-(10**12), 10**12),
    delays_us=st.lists(st.integers(0, 10**6), min_size=SAMPLES_MIN, max_size=60),
)
def test_the_estimate_is_off_by_the_smallest_delay(offset_us: int, delays_us: list[int]) -> None:
    """It never exceeds the true offset, and lies below it by the least delay of the window."""
    clock = ReaderClock()
    told = hear(clock, offset_us, delays_us)

    assert clock.offset_us is not None
    assert clock.offset_us <= offset_us
    assert clock.offset_us >= offset_us - max(delays_us)
    assert all(abs(offset) > OFFSET_US_MAX for offset in told[:1])
