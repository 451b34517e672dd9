"""Rooms drawn by arithmetic, as small grey pictures: the tests' own, unlike the simulator's."""

from hashlib import sha256
from random import Random

import numpy as np

from gateway.decode.image import HEIGHT, WIDTH

Rows = list[list[int]]


def room(seed: int, *, width: int = WIDTH, height: int = HEIGHT) -> Rows:
    """Return a wall in shade with boxes on it."""
    rng = Random(seed)
    rows = [[70 + y // 3 + x // 8 for x in range(width)] for y in range(height)]
    for _ in range(60):
        box(rows, rng.randrange(width), rng.randrange(height), rng.randrange(20, 235), rng)
    return rows


def box(rows: Rows, left: int, top: int, shade: int, rng: Random) -> None:
    """Draw a box of one shade."""
    right, bottom = left + rng.randrange(6, 30), top + rng.randrange(6, 24)
    fill(rows, (left, top, right, bottom), shade)


def fill(rows: Rows, area: tuple[int, int, int, int], shade: int) -> None:
    """Fill left, top, right, bottom with a shade."""
    left, top, right, bottom = area
    for row in rows[top:bottom]:
        row[left:right] = [shade] * len(row[left:right])


def window(rows: Rows, left: int, top: int) -> Rows:
    """Return the part of a larger room that a camera sees from there."""
    return [row[left : left + WIDTH] for row in rows[top : top + HEIGHT]]


def blurred(rows: Rows, radius: int) -> Rows:
    """Return rows with each pixel the mean of its square."""

    def smooth(line: list[int]) -> list[int]:
        return [
            sum(line[max(i - radius, 0) : i + radius + 1])
            // len(line[max(i - radius, 0) : i + radius + 1])
            for i in range(len(line))
        ]

    across = [smooth(row) for row in rows]
    columns = [smooth([row[x] for row in across]) for x in range(len(rows[0]))]
    return [[column[y] for column in columns] for y in range(len(rows))]


def shot(rows: Rows, rng: Random, *, light: float = 1.0, noise: int = 2) -> bytes:
    """Return rows as a camera sees them: in some light, with noise."""
    levels = np.rint(np.array(rows) * light)
    drawn = np.frombuffer(rng.randbytes(levels.size), dtype=np.uint8).reshape(levels.shape)
    noisy = levels + (drawn % (2 * noise + 1)) - noise
    return np.clip(noisy, 0, 255).astype(np.uint8).tobytes()


def digest(pixels: bytes) -> bytes:
    """Return what stands for the digest of the file that the pixels came in."""
    return sha256(pixels).digest()
