"""Measures of small grey pictures."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decode.image import (
    BLOCKS,
    HEIGHT,
    PIXELS,
    WIDTH,
    compare,
    difference,
    displacement,
    laplacian,
    measure,
    picture_of,
)
from tests.unit.gateway.decode.rooms import blurred, room, shot, window

SEEDS = st.integers(0, 10_000)
LARGE = room(5, width=WIDTH + 60, height=HEIGHT + 60)


def plain(seed: int) -> bytes:
    """Return a room without noise."""
    return shot(room(seed), Random(seed), noise=0)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_even_picture_has_neither_edges_nor_entropy(level: int) -> None:
    """One shade says nothing but its brightness."""
    measures = measure(bytes([level]) * PIXELS)

    assert measures.brightness == level
    assert (measures.entropy, measures.edges, measures.focus) == (0.0, 0.0, 0.0)


@settings(max_examples=20)
@given(st.binary(min_size=256, max_size=256).map(lambda part: part * (PIXELS // 256)))
def test_measures_stay_within_their_bounds(pixels: bytes) -> None:
    """Whatever is in the picture."""
    measures = measure(pixels)

    assert 0 <= measures.brightness <= 255
    assert 0 <= measures.entropy <= 8
    assert measures.edges >= 0
    assert measures.focus >= 0


def test_laplacian_is_that_of_the_definition() -> None:
    """Four times a pixel less its neighbours, not across the border."""
    rng = Random(3)
    pixels = rng.randbytes(PIXELS)
    curvature = laplacian(pixels)

    for _ in range(2_000):
        x, y = rng.randrange(WIDTH), rng.randrange(HEIGHT)
        at = y * WIDTH + x
        if 0 < x < WIDTH - 1 and 0 < y < HEIGHT - 1:
            sides = pixels[at - 1] + pixels[at + 1] + pixels[at - WIDTH] + pixels[at + WIDTH]
            assert curvature[at] == min(abs(4 * pixels[at] - sides), 255)
        else:
            assert curvature[at] == 0


@settings(max_examples=10)
@given(SEEDS)
def test_picture_is_like_itself(seed: int) -> None:
    """All is in place, as sharp as before, and nothing differs."""
    pixels = plain(seed)
    picture = picture_of(pixels)
    likeness = compare(picture, picture)

    assert 0 < likeness.textured <= BLOCKS
    assert likeness.kept == 1.0
    assert likeness.sharpness == pytest.approx(1.0, abs=0.1)
    assert difference(pixels, pixels) == 0.0
    assert displacement(pixels, pixels) is None


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from([0.4, 0.7, 1.1]))
def test_light_changes_neither_place_nor_sharpness(seed: int, light: float) -> None:
    """Half of the lamps go out, or the sun comes in."""
    rows, rng = room(seed), Random(seed)
    likeness = compare(picture_of(shot(rows, rng, light=light)), picture_of(shot(rows, rng)))

    assert likeness.kept > 0.9
    assert likeness.sharpness > 0.5


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_blur_takes_sharpness_and_leaves_the_rest(seed: int) -> None:
    """A lens that was turned loses the fine, not the coarse."""
    rows, rng = room(seed), Random(seed)
    likeness = compare(picture_of(shot(blurred(rows, 4), rng)), picture_of(shot(rows, rng)))

    assert likeness.sharpness < 0.3
    assert likeness.kept > 0.25


def test_nothing_of_another_room_is_in_place() -> None:
    """What does not belong together is not found alike."""
    likeness = compare(picture_of(plain(1)), picture_of(plain(2)))

    assert likeness.kept < 0.25
    assert likeness.present > 0.5


@pytest.mark.parametrize(("right", "down"), [(6, 0), (-8, 0), (0, 5), (10, -7)])
def test_displacement_is_found(right: int, down: int) -> None:
    """A camera that was nudged: by how much its view has moved."""
    before = shot(window(LARGE, 30, 30), Random(1))
    now = shot(window(LARGE, 30 - right, 30 - down), Random(2))

    assert displacement(now, before) == (right, down)


def test_other_room_is_no_displacement() -> None:
    """What fits nowhere has not moved by any number of pixels."""
    assert displacement(plain(1), plain(2)) is None
