"""What a small grey picture measures: brightness, entropy, edges, focus, likeness, displacement.

Pictures are 160 x 120 bytes, one a pixel, row by row. Sums run inside ``map`` over slices, because
a Raspberry Pi has no numpy here and takes about 20 ms a picture this way. Decides nothing: see
``image_view``.

Source: variance of the Laplacian as focus measure: Pech-Pacheco et al., "Diatom autofocusing in
brightfield microscopy", ICPR 2000; entropy and edge density against a background as signs of
tampering: Saglam and Temizel, "Real-time adaptive camera tamper detection", AVSS 2009.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from math import log2, sqrt
from operator import add, eq, mul, sub
from typing import Final

WIDTH: Final = 160
HEIGHT: Final = 120
PIXELS: Final = WIDTH * HEIGHT
BLOCK: Final = 20  # Pixels a side: eight blocks by six.
BLOCKS: Final = (WIDTH // BLOCK) * (HEIGHT // BLOCK)
TEXTURE_VARIANCE_MIN: Final = 25.0  # A wall in even light has about 4, from noise and shade.
LIKE_MIN: Final = 0.5  # Correlation from which on a block shows what it showed before.
SHIFT_PX_MAX: Final = 24  # Beyond, too little is left to compare: nothing matches then anyway.
SHIFT_FIT_MIN: Final = 0.9
SHIFT_GAIN_MIN: Final = 0.1  # By how much a shift must fit better than none.
_EDGE_OFFSET: Final = 16.0  # So that noise in the dark is no edge.
_COLUMNS: Final = WIDTH // BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What one picture measures by itself.

    ``brightness`` is the mean, 0 to 255; ``entropy`` of the histogram in bits, 0 to 8; ``edges``
    the mean step between neighbours against the brightness; ``focus`` the variance of the
    Laplacian.
    """

    brightness: float
    entropy: float
    edges: float
    focus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with what comparing it with others needs; sequences have one element a block."""

    pixels: bytes
    measures: Measures
    blocks: Sequence[bytes]
    means: Sequence[float]
    variances: Sequence[float]
    sharpness: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How far a picture shows what its background shows.

    ``textured``: blocks of the background that have anything to be recognised by; ``present``: as
    many of the picture's own, as a share of these; ``kept``: the share of them that is in place;
    ``sharpness``: the Laplacian's energy against the background's in the same light, its median
    over the blocks in place, or of the whole picture where none is.
    """

    textured: int
    present: float
    kept: float
    sharpness: float


def measure(pixels: bytes) -> Measures:
    """Return what a picture measures."""
    return _measure(pixels, laplacian(pixels))


def picture_of(pixels: bytes) -> Picture:
    """Return a picture ready to be compared; ``pixels`` are ``PIXELS`` bytes."""
    assert len(pixels) == PIXELS, "pictures are made small before they come here"
    curvature = laplacian(pixels)
    blocks = _blocks(pixels)
    means = [sum(block) / len(block) for block in blocks]
    return Picture(
        pixels=pixels,
        measures=_measure(pixels, curvature),
        blocks=blocks,
        means=means,
        variances=[
            max(_dot(block, block) / len(block) - mean * mean, 0.0)
            for block, mean in zip(blocks, means, strict=True)
        ],
        sharpness=[_dot(block, block) / len(block) for block in _blocks(curvature)],
    )


def laplacian(pixels: bytes) -> bytes:
    """Return the magnitude of the four-neighbour Laplacian, at most 255; 0 at the border."""
    sides = map(add, pixels[WIDTH : -WIDTH - 2], pixels[WIDTH + 2 : -WIDTH])
    ends = map(add, pixels[1 : -2 * WIDTH - 1], pixels[2 * WIDTH + 1 : -1])
    centre = map(mul, pixels[WIDTH + 1 : -WIDTH - 1], repeat(4))
    steps = map(abs, map(sub, centre, map(add, sides, ends)))
    inner = bytearray(map(min, steps, repeat(255)))
    framed = bytearray(WIDTH + 1) + inner + bytearray(WIDTH + 1)
    framed[::WIDTH] = bytes(HEIGHT)  # There the neighbours are of another row.
    framed[WIDTH - 1 :: WIDTH] = bytes(HEIGHT)
    return bytes(framed)


def compare(picture: Picture, background: Picture) -> Likeness:
    """Return how far ``picture`` shows what ``background`` shows, whatever the light."""
    textured = [i for i in range(BLOCKS) if background.variances[i] >= TEXTURE_VARIANCE_MIN]
    present = sum(variance >= TEXTURE_VARIANCE_MIN for variance in picture.variances)
    kept = [i for i in textured if _is_like(picture, background, i)]
    ratios = sorted(
        _sharpness(
            (picture.means[i], picture.sharpness[i]),
            (background.means[i], background.sharpness[i]),
        )
        for i in kept
    )
    own, other = picture.measures, background.measures
    whole = _sharpness((own.brightness, own.focus), (other.brightness, other.focus))
    return Likeness(
        textured=len(textured),
        present=present / len(textured) if textured else 1.0,
        kept=len(kept) / len(textured) if textured else 1.0,
        sharpness=ratios[len(ratios) // 2] if ratios else whole,
    )


def displacement(pixels: bytes, background: bytes) -> tuple[int, int] | None:
    """Return by how many pixels the view has moved, right and down; None: it has not.

    By the shift at which the projections on both axes fit the background's best; they must fit
    well, and clearly better than in place.
    """
    right = _best_shift(_column_sums(pixels), _column_sums(background))
    down = _best_shift(_row_sums(pixels), _row_sums(background))
    if right is None or down is None or (right, down) == (0, 0):
        return None
    return right, down


def difference(pixels: bytes, other: bytes) -> float:
    """Return the share of pixels that differ at all."""
    return 1.0 - sum(map(eq, pixels, other)) / len(pixels)


def blend(background: Sequence[int], pixels: bytes, shift: int) -> list[int]:
    """Return ``background`` moved by 1 / 2**``shift`` toward a picture; it holds 1/256 levels."""
    return [
        old + (((new << 8) - old) >> shift) for old, new in zip(background, pixels, strict=True)
    ]


def _measure(pixels: bytes, curvature: bytes) -> Measures:
    counts = Counter(pixels)
    size = len(pixels)
    mean = sum(value * count for value, count in counts.items()) / size
    entropy = -sum(count / size * log2(count / size) for count in counts.values())
    down = sum(map(abs, map(sub, pixels[WIDTH:], pixels)))
    right = sum(map(abs, map(sub, pixels[1:], pixels)))
    seams = sum(map(abs, map(sub, pixels[WIDTH::WIDTH], pixels[WIDTH - 1 :: WIDTH])))
    return Measures(
        brightness=mean,
        entropy=max(entropy, 0.0),
        edges=(down + right - seams) / (2 * size) / (mean + _EDGE_OFFSET),
        focus=_dot(curvature, curvature) / size,
    )


def _blocks(pixels: bytes) -> list[bytes]:
    rows = [
        pixels[top + left : top + left + BLOCK]
        for top in range(0, PIXELS, WIDTH)
        for left in range(0, WIDTH, BLOCK)
    ]
    return [
        b"".join(rows[first + column : first + BLOCK * _COLUMNS : _COLUMNS])
        for first in range(0, len(rows), BLOCK * _COLUMNS)
        for column in range(_COLUMNS)
    ]


def _is_like(picture: Picture, background: Picture, block: int) -> bool:
    """Tell whether a block correlates with the background's: brighter or dimmer is the same."""
    now, before = picture.blocks[block], background.blocks[block]
    together = _dot(now, before) / len(now) - picture.means[block] * background.means[block]
    spread = sqrt(picture.variances[block] * background.variances[block])
    return spread > 0 and together / spread >= LIKE_MIN


def _sharpness(now: tuple[float, float], before: tuple[float, float]) -> float:
    """Return a sharpness against another as if both were in the same light.

    Args:
        now: mean and energy of the Laplacian.
        before: the same of the background.
    """
    gain = (now[0] + 1.0) / (before[0] + 1.0)
    return now[1] / (gain * gain) / (before[1] + 1.0)


def _column_sums(pixels: bytes) -> list[int]:
    return [sum(pixels[x::WIDTH]) for x in range(WIDTH)]


def _row_sums(pixels: bytes) -> list[int]:
    return [sum(pixels[top : top + WIDTH]) for top in range(0, PIXELS, WIDTH)]


def _best_shift(now: Sequence[int], before: Sequence[int]) -> int | None:
    """Return the shift by which a projection fits; 0: in place; None: nowhere."""
    fits = {
        shift: _correlation(
            now[max(shift, 0) : len(now) + min(shift, 0)],
            before[max(-shift, 0) : len(before) - max(shift, 0)],
        )
        for shift in range(-SHIFT_PX_MAX, SHIFT_PX_MAX + 1)
    }
    best = max(fits, key=lambda shift: (fits[shift], -abs(shift)))
    if fits[best] - fits[0] < SHIFT_GAIN_MIN:
        best = 0
    return best if fits[best] >= SHIFT_FIT_MIN else None


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Pearson's coefficient; 0 where one of both does not vary."""
    size = len(a)
    mean_a, mean_b = sum(a) / size, sum(b) / size
    spread = sqrt(
        max(_dot(a, a) - size * mean_a**2, 0.0) * max(_dot(b, b) - size * mean_b**2, 0.0)
    )
    if spread < size:  # Less than one level: rounding only.
        return 0.0
    return (_dot(a, b) - size * mean_a * mean_b) / spread


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(map(mul, a, b))
