"""What a camera sees of its zone, as a JPEG with noise: floor, racks, pallets, and what is wrong.

Own drawing, from a seed: the same camera draws the same room every time, and no two images are
equal, because a sensor has noise. Only a frozen camera repeats itself.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from firmware_sim.noise import Surroundings, seeded
from firmware_sim.world import Sight, World

SIZE_PX: Final = (640, 480)
JPEG_QUALITY: Final = 80
NOISE_LEVELS: Final = 8  # Uniform, either way: a cheap camera under warehouse light.
MOVED_PX: Final = (230, 60)  # Turned away by a third of the view.
BLUR_PX: Final = 14
DIMMED_SHARE: Final = 0.45
DARK_SHARE: Final = 0.02
_MARGIN_PX: Final = 260  # Of the room around the view: there to be turned to.
_RACKS: Final = 14
_PALLET_PX: Final = (58, 44)
_COLUMNS: Final = 6
_COVER: Final = [28 + level // 16 for level in range(256)]  # A cloth with light behind it.
_GRAIN: Final = [128 + (level - 128) * NOISE_LEVELS // 128 for level in range(256)]
_SHADE: Final = [60 + level // 3 for level in range(256)]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one camera looks at now."""

    pallets: tuple[str, ...]
    covered: bool
    sights: frozenset[Sight]


def view_of(world: World, camera: str, zones: Collection[str]) -> View:
    """Return what ``camera`` sees of its zones."""
    return View(
        pallets=tuple(item.epc for item in world.items if item.zone in zones),
        covered=camera in world.covered,
        sights=world.sights.get(camera, frozenset()),
    )


def meeting(view: View, met: Surroundings) -> View:
    """Return the view with what the camera meets without anybody's doing."""
    sights = {Sight.TRUCK} if met.truck else set[Sight]()
    sights |= {Sight.DIMMED} if met.dimmed else set()
    return replace(view, sights=view.sights | sights)


class Scene:
    """One camera's room, and its images."""

    def __init__(self, seed: int, camera: str) -> None:
        """Draw the empty room."""
        self._room = _draw_room(seeded(seed, f"room:{camera}"))
        self._noise = seeded(seed, f"noise:{camera}")
        self._frozen: bytes | None = None

    def shoot(self, view: View) -> bytes:
        """Return the next image as a JPEG."""
        if Sight.FROZEN in view.sights:
            self._frozen = self._frozen or self._shoot(view)
            return self._frozen
        self._frozen = None
        return self._shoot(view)

    def _shoot(self, view: View) -> bytes:
        if view.covered:
            image = Image.linear_gradient("L").resize(SIZE_PX).point(_COVER)
        else:
            image = self._look(view)
        light = 1.0
        if Sight.DIMMED in view.sights:
            light = DIMMED_SHARE
        if Sight.DARK in view.sights:
            light = DARK_SHARE
        image = image.point([round(level * light) for level in range(256)])
        grain = Image.frombytes("L", SIZE_PX, self._noise.randbytes(SIZE_PX[0] * SIZE_PX[1]))
        grain = grain.point(_GRAIN)
        file = BytesIO()
        ImageChops.add(image, grain, 1.0, -128).save(file, "JPEG", quality=JPEG_QUALITY)
        return file.getvalue()

    def _look(self, view: View) -> Image.Image:
        room = self._room.copy()
        draw = ImageDraw.Draw(room)
        for place, epc in enumerate(sorted(view.pallets)):
            row, column = divmod(place, _COLUMNS)
            left = _MARGIN_PX + 40 + column * 95 + row * 14
            top = _MARGIN_PX + 400 - row * 62
            shade = 90 + int(epc[-2:], 16) % 110
            box = (left, top, left + _PALLET_PX[0], top + _PALLET_PX[1])
            draw.rectangle(box, fill=shade, outline=20, width=3)
            draw.line((left, top + 15, left + _PALLET_PX[0], top + 15), fill=230, width=4)
        if Sight.TRUCK in view.sights:
            _draw_truck(draw)
        dx, dy = MOVED_PX if Sight.MOVED in view.sights else (0, 0)
        left, top = _MARGIN_PX + dx, _MARGIN_PX + dy
        seen = room.crop((left, top, left + SIZE_PX[0], top + SIZE_PX[1]))
        if Sight.BLURRED in view.sights:
            seen = seen.filter(ImageFilter.GaussianBlur(BLUR_PX))
        return seen


def _draw_room(rng: Random) -> Image.Image:
    width, height = SIZE_PX[0] + 2 * _MARGIN_PX, SIZE_PX[1] + 2 * _MARGIN_PX
    room = Image.linear_gradient("L").resize((width, height)).point(_SHADE)
    draw = ImageDraw.Draw(room)
    for _ in range(_RACKS * 4):  # shelves and what lies on them
        left, top = rng.randrange(width), rng.randrange(height * 2 // 3)
        box = (left, top, left + rng.randrange(30, 120), top + rng.randrange(20, 70))
        draw.rectangle(box, fill=rng.randrange(40, 220), outline=rng.randrange(20, 60), width=3)
    for left in range(0, width, width // _RACKS):  # uprights, each a little different
        draw.rectangle((left, 0, left + rng.randrange(4, 12), height * 2 // 3), fill=30)
    for top in range(height * 2 // 3, height, 48):  # lines on the floor
        draw.line((0, top, width, top + rng.randrange(-20, 20)), fill=215, width=5)
    return room


def _draw_truck(draw: ImageDraw.ImageDraw) -> None:
    """Draw a lorry over half of the view."""
    left, top = _MARGIN_PX + 30, _MARGIN_PX + 60
    draw.rectangle((left, top, left + 350, top + 330), fill=235, outline=60, width=6)
    draw.rectangle((left + 350, top + 120, left + 430, top + 330), fill=70, outline=20, width=6)
    for wheel in (60, 270, 380):
        box = (left + wheel, top + 300, left + wheel + 60, top + 360)
        draw.ellipse(box, fill=15, outline=120, width=5)
