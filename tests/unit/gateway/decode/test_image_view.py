"""Verdicts on sequences of pictures: what must alarm, and what must not."""

from collections.abc import Callable, Iterator
from itertools import chain, count
from random import Random

import pytest

from gateway.decode.image import HEIGHT, PIXELS, WIDTH
from gateway.decode.image_view import Tamper, View
from tests.unit.gateway.decode.rooms import Rows, blurred, digest, fill, room, shot, window

EVERY_S = 10.0
PERSIST_S = 30.0
LARGE = room(9, width=WIDTH + 120, height=HEIGHT + 40)
ROOM = window(LARGE, 0, 0)
Shots = Iterator[bytes]
SEEDS = count(1_000)  # No two stages may show the same noise: that would be a loop.


def view() -> View:
    """Return a view that nobody has looked at."""
    return View(persist_s=PERSIST_S, gap_s=3.5 * EVERY_S)


def shots(rows: Rows, seed: int, *, light: float = 1.0) -> Shots:
    """Yield pictures of rows, no two alike."""
    rng = Random(seed)
    while True:
        yield shot(rows, rng, light=light)


def covered_rows() -> Rows:
    """Return a cloth with some light behind it."""
    return [[30 + y // 20 for _ in range(WIDTH)] for y in range(HEIGHT)]


def frozen(seed: int) -> Shots:
    """Yield one picture again and again."""
    picture = next(shots(ROOM, seed))
    while True:
        yield picture


def lorry() -> Rows:
    """Return the room with a lorry over half of it."""
    rows = [list(row) for row in ROOM]
    fill(rows, (10, 20, 95, HEIGHT), 225)
    fill(rows, (95, 50, 115, HEIGHT), 60)
    return rows


def watched(
    *stages: tuple[int, Shots], of: View | None = None
) -> list[tuple[float, Tamper, bool]]:
    """Return when which verdict changed, over stages of so many pictures each."""
    looked_at = of or view()
    pictures = chain.from_iterable(
        (next(source) for _ in range(pictures)) for pictures, source in stages
    )
    changes: list[tuple[float, Tamper, bool]] = []
    for number, pixels in enumerate(pictures):
        now_s = number * EVERY_S
        looked = looked_at.look(pixels, digest(pixels), now_s)
        changes += [(now_s, what, active) for what, active in looked.changes.items()]
    return changes


def quiet(pictures: int = 6) -> tuple[int, Shots]:
    """Return a stage in which nothing happens."""
    return pictures, shots(ROOM, next(SEEDS))


TAMPERINGS: dict[Tamper, Callable[[], Shots]] = {
    Tamper.COVERED: lambda: shots(covered_rows(), 2),
    Tamper.MOVED: lambda: shots(window(LARGE, 110, 20), 3),
    Tamper.BLURRY: lambda: shots(blurred(ROOM, 5), 4),
    Tamper.DARK: lambda: shots(ROOM, 5, light=0.02),
    Tamper.FROZEN: lambda: frozen(6),
}


@pytest.mark.parametrize("what", Tamper)
def test_tampering_is_told_after_its_persistence_and_when_it_is_over(what: Tamper) -> None:
    """One verdict and no other; with the fourth picture, 30 s after the first, both ways."""
    changes = watched(quiet(), (6, TAMPERINGS[what]()), quiet(8))

    # Of a frozen image only the second is known to be a repetition.
    begin_s = 60.0 + (EVERY_S if what is Tamper.FROZEN else 0.0)
    assert changes == [(begin_s + PERSIST_S, what, True), (120.0 + PERSIST_S, what, False)]


@pytest.mark.parametrize("what", Tamper)
def test_what_is_over_sooner_is_not_told(what: Tamper) -> None:
    """Twenty seconds of anything are nothing."""
    assert watched(quiet(), (3, TAMPERINGS[what]()), quiet()) == []


@pytest.mark.parametrize("light", [0.35, 0.6, 1.4])
def test_light_switch_does_not_alarm(light: float) -> None:
    """Lamps go out or on for minutes, and back."""
    assert watched(quiet(), (30, shots(ROOM, 2, light=light)), quiet()) == []


def test_lorry_in_view_for_a_minute_does_not_alarm() -> None:
    """It hides half of the room; what is beside it stays in place."""
    assert watched(quiet(), (7, shots(lorry(), 2)), quiet()) == []


def test_slow_change_is_learnt() -> None:
    """Goods that come and stay become part of what the camera is to see."""
    rows = [list(row) for row in ROOM]
    stages = [quiet()]
    rng = Random(7)
    for step in range(12):
        left, top = rng.randrange(WIDTH - 30), rng.randrange(HEIGHT - 25)
        fill(rows, (left, top, left + 28, top + 22), 40 + step * 15)
        stages.append((40, shots([list(row) for row in rows], step)))

    assert watched(*stages) == []


def test_small_shift_is_a_move() -> None:
    """A camera that was nudged by a twentieth of its view."""
    changes = watched((6, shots(window(LARGE, 20, 20), 1)), (6, shots(window(LARGE, 28, 20), 2)))

    assert changes == [(60.0 + PERSIST_S, Tamper.MOVED, True)]


def test_image_with_a_running_clock_is_frozen() -> None:
    """A replayed picture with another time written into it is still the same picture."""
    picture = next(shots(ROOM, 3))

    def clocked() -> Shots:
        for number in count():
            yield picture[:-20] + bytes([number % 200 + 1] * 20)

    changes = watched(quiet(), (6, clocked()))

    assert [what for _, what, _ in changes] == [Tamper.FROZEN]


def test_loop_of_images_is_frozen() -> None:
    """An hour's recording, played again: each image was there before."""
    source = shots(ROOM, 4)
    recorded = [next(source) for _ in range(12)]

    changes = watched((24, iter(recorded * 2)))

    assert changes == [(120.0 + PERSIST_S, Tamper.FROZEN, True)]


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """Two dark pictures on both sides of an outage are no minute of darkness."""
    looked_at = view()
    dark = TAMPERINGS[Tamper.DARK]()
    source = shots(ROOM, 1)
    for now_s in (0.0, 10.0, 20.0):
        looked_at.look(next(source), b"", now_s)
    seen = [looked_at.look(next(dark), b"d", now_s) for now_s in (30.0, 40.0, 300.0, 310.0)]

    assert [looked.changes for looked in seen] == [{}, {}, {}, {}]


def test_verdicts_and_background_survive_a_restart() -> None:
    """A camera that was covered before is covered after; freed, it is told."""
    before = view()
    watched(quiet(), (6, TAMPERINGS[Tamper.COVERED]()), of=before)
    after = view()

    assert after.restore(before.encode())
    assert after.active == {Tamper.COVERED}
    assert watched((6, shots(ROOM, 8)), of=after) == [(PERSIST_S, Tamper.COVERED, False)]


def test_camera_turned_while_the_gateway_was_off_is_told() -> None:
    """The background of yesterday is what today's pictures are held against."""
    before = view()
    watched(quiet(), of=before)
    after = view()
    assert after.restore(before.encode())

    assert watched((6, TAMPERINGS[Tamper.MOVED]()), of=after) == [(PERSIST_S, Tamper.MOVED, True)]


def test_view_with_a_new_number_is_learnt_anew() -> None:
    """The installer has turned the camera on purpose."""
    before = view()
    watched(quiet(), of=before)
    after = View(persist_s=PERSIST_S, gap_s=35.0, number=2)

    assert not after.restore(before.encode())
    assert watched((6, TAMPERINGS[Tamper.MOVED]()), of=after) == []


@pytest.mark.parametrize("saved", [b"", b"\x00", b"\x80", b"\x84\x01\x01\x80\x40", b"\xff" * 40])
def test_torn_view_is_not_taken(saved: bytes) -> None:
    """What is not whole is learnt anew."""
    assert not view().restore(saved)


def test_view_that_nobody_saw_has_nothing_to_save() -> None:
    """There is no background before the first picture."""
    assert view().encode() == b""


def test_even_wall_is_not_judged_by_its_pattern() -> None:
    """With nothing to recognise, only darkness and covers are told."""
    rows = [[120 + x // 16 for x in range(WIDTH)] for _ in range(HEIGHT)]

    assert watched((6, shots(rows, 1)), (6, shots(rows[::-1], 2))) == []
    assert len(next(shots(rows, 1))) == PIXELS
