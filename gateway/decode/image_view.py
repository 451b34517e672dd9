"""Whether a camera still sees what it was put up to see: verdicts on a sequence of pictures.

A verdict stands when its condition held in every picture for the persistence, and falls when it
held in none for as long: a light switch is over at once, and a lorry leaves some of the view in
place. The background follows slow changes, and is not learnt from what is doubted.

A camera that was turned on purpose is not guessed at: an installer gives its view a new number.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

import cbor2

from gateway.decode.image import (
    PIXELS,
    Likeness,
    Measures,
    Picture,
    blend,
    compare,
    difference,
    displacement,
    picture_of,
)

BRIGHTNESS_DARK: Final = 14.0  # Of 255: nothing can be told in such a picture.
KEPT_LOST: Final = 0.25  # A lorry that fills half of the view leaves half of the blocks.
KEPT_LEARN: Final = 0.5  # A background is not learnt from pictures that show less of it.
KEPT_SHIFTED: Final = 0.75
PRESENT_COVERED: Final = 0.3  # Of the background's textured blocks: a hand or cloth has few.
ENTROPY_COVERED: Final = 3.0  # Bits; one surface with a camera's noise. A room has 6 to 7.5.
SHARPNESS_LOST: Final = 0.3
TEXTURED_MIN: Final = 6  # With fewer blocks to go by, only dark, covered and frozen are told.
SHIFT_PX_MIN: Final = 4
DIFFERENCE_FROZEN: Final = 0.002  # 38 pixels: a clock in the corner, and nothing else.
DIGESTS_MAX: Final = 720  # Two hours at one in ten seconds: a loop that is longer is not noticed.
PICTURES_MIN: Final = 3  # However seldom a camera is asked, one picture convinces nobody.
LEARN_SHIFT: Final = 6  # A 64th each time: about ten minutes.
REFRESH_EVERY: Final = 6  # Pictures after which the background is looked at anew.
_VERSION: Final = 1


class Tamper(StrEnum):
    """What can be wrong with a view; the names travel in ``camera_tamper``."""

    COVERED = "covered"
    MOVED = "moved"
    BLURRY = "blurry"
    DARK = "dark"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one picture showed, and which verdicts changed with it."""

    measures: Measures
    likeness: Likeness
    shift: tuple[int, int] | None
    doubts: frozenset[Tamper]
    changes: Mapping[Tamper, bool]


@dataclass(slots=True)
class _Verdict:
    """One verdict; ``turning``: since when the pictures have said otherwise, and how many."""

    active: bool = False
    turning_s: float = 0.0
    pictures: int = 0

    def note(self, condition: bool, now_s: float, persist_s: float) -> bool:
        """Return whether the verdict turned."""
        if condition is self.active:
            self.pictures = 0
            return False
        if self.pictures == 0:
            self.turning_s = now_s
        self.pictures += 1
        if self.pictures < PICTURES_MIN or now_s - self.turning_s < persist_s:
            return False
        self.active, self.pictures = condition, 0
        return True


@dataclass(slots=True, kw_only=True)
class View:
    """What is remembered of one camera's view; ``number`` is the installer's name of it."""

    persist_s: float
    gap_s: float
    number: int = 1
    background: Picture | None = None
    _levels: Sequence[int] = ()
    _verdicts: dict[Tamper, _Verdict] = field(
        default_factory=lambda: {what: _Verdict() for what in Tamper}
    )
    _last: bytes | None = None
    _digests: deque[bytes] = field(default_factory=lambda: deque[bytes](maxlen=DIGESTS_MAX))
    _looked_s: float | None = None
    _learnt: int = 0

    @property
    def active(self) -> frozenset[Tamper]:
        """The verdicts that stand."""
        return frozenset(what for what, verdict in self._verdicts.items() if verdict.active)

    def look(self, pixels: bytes, sha256: bytes, now_s: float) -> Looked:
        """Return what a picture shows; ``sha256`` is that of the image as it came."""
        if self._looked_s is not None and now_s - self._looked_s > self.gap_s:
            for verdict in self._verdicts.values():
                verdict.pictures = 0  # While nobody looked, nothing persisted.
        self._looked_s = now_s
        picture = picture_of(pixels)
        background = self.background or picture
        likeness = compare(picture, background)
        suspected = likeness.textured >= TEXTURED_MIN and likeness.kept < KEPT_SHIFTED
        shift = displacement(pixels, background.pixels) if suspected else None
        doubts = doubts_about(picture.measures, likeness, shift)
        if not doubts & {Tamper.DARK, Tamper.COVERED} and self._is_frozen(pixels, sha256):
            doubts |= {Tamper.FROZEN}
        self._last = pixels
        self._digests.append(sha256)
        changes = {
            what: verdict.active
            for what, verdict in self._verdicts.items()
            if verdict.note(what in doubts, now_s, self.persist_s)
        }
        if not doubts and (self.background is None or likeness.kept >= KEPT_LEARN):
            self._learn(picture)
        return Looked(
            measures=picture.measures,
            likeness=likeness,
            shift=shift,
            doubts=doubts,
            changes=changes,
        )

    def encode(self) -> bytes:
        """Return what must survive a restart: background and verdicts; empty: nothing yet."""
        if self.background is None:
            return b""
        return cbor2.dumps([_VERSION, self.number, sorted(self.active), self.background.pixels])

    def restore(self, saved: bytes) -> bool:
        """Take over what was saved; return whether it is of this view, and whole."""
        try:
            version, number, active, pixels = cast("tuple[object, ...]", cbor2.loads(saved))
            known = {Tamper(str(what)) for what in cast("Sequence[object]", active)}
        except (cbor2.CBORError, ValueError, TypeError):
            return False
        if (version, number) != (_VERSION, self.number):
            return False
        if not isinstance(pixels, bytes) or len(pixels) != PIXELS:
            return False
        for what, verdict in self._verdicts.items():
            verdict.active = what in known
        self._settle([value << 8 for value in pixels], pixels)
        return True

    def _is_frozen(self, pixels: bytes, sha256: bytes) -> bool:
        """Tell whether a camera's noise is missing: that very image was there, or nearly."""
        if sha256 in self._digests:
            return True
        return self._last is not None and difference(pixels, self._last) < DIFFERENCE_FROZEN

    def _learn(self, picture: Picture) -> None:
        if self.background is None:
            self._settle([value << 8 for value in picture.pixels], picture.pixels)
            return
        self._levels = blend(self._levels, picture.pixels, LEARN_SHIFT)
        self._learnt += 1
        if self._learnt % REFRESH_EVERY == 0:
            self._settle(self._levels, bytes([level >> 8 for level in self._levels]))

    def _settle(self, levels: Sequence[int], pixels: bytes) -> None:
        self._levels = levels
        self.background = picture_of(pixels)


def doubts_about(
    measures: Measures, likeness: Likeness, shift: tuple[int, int] | None
) -> frozenset[Tamper]:
    """Return what may be wrong with a picture, by itself and against its background."""
    if measures.brightness < BRIGHTNESS_DARK:
        return frozenset({Tamper.DARK})
    if measures.entropy < ENTROPY_COVERED:
        return frozenset({Tamper.COVERED})
    if likeness.textured < TEXTURED_MIN:
        return frozenset()
    if likeness.kept < KEPT_LOST:
        if likeness.present < PRESENT_COVERED:
            return frozenset({Tamper.COVERED})
        blurry = likeness.sharpness < SHARPNESS_LOST
        return frozenset({Tamper.BLURRY if blurry else Tamper.MOVED})
    if likeness.sharpness < SHARPNESS_LOST:
        return frozenset({Tamper.BLURRY})
    if shift is not None and max(abs(shift[0]), abs(shift[1])) >= SHIFT_PX_MIN:
        return frozenset({Tamper.MOVED})
    return frozenset()
