"""What a UHF reader makes of the tags before its antenna: a block of inventory rounds at a time.

A tag is read in a round by chance, with a chance of its own; something before a shelf lowers it
for all that stand there, and a reader that is out reads nothing. Chances have 16 bits: one in
65,536 is the smallest.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.noise.draws import Bools, Floats, Gaps, Spells, Words, fork, stream
from firmware_sim.noise.profile import NoiseProfile

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int16s = NDArray[np.int16]

# Gen2 readers of this class report about -80 to -25 dBm; the field is a signed byte.
RSSI_CDBM: Final = (-8_500, -2_500)
ROUND_S: Final = 1.0  # the round that the profile's chances are for
TAGS_MAX: Final = 65_536  # of one antenna, ghosts among them: a run of months has some hundreds
_DAY_S: Final = 86_400.0
_CELLS_MAX: Final = 1 << 18  # of a block (rounds times tags): its arrays stay in the cache
_LEVELS: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A tag that an antenna could hear; ``shelf`` is what may be blocked as a whole.

    ``factor`` multiplies the chance to read it.
    """

    epc: str
    shelf: str = ""
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What stands before an antenna, and what it may hear from next door."""

    here: tuple[Heard, ...]
    near: tuple[Heard, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """The reads of a block of rounds, in order; ``tag`` indexes the reader's own list of EPCs.

    ``listened`` (rounds,): false where the reader was out. The rest has one element a read.
    """

    listened: Bools
    round: Int32s
    tag: Int32s
    rssi_cdbm: Int16s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """One tag as this antenna hears it."""

    chance: float
    level_cdbm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """A field as columns: chance, level and number of each tag, and the shelves they are on."""

    chance: Floats
    level_cdbm: Int16s
    number: Int32s
    shelves: Mapping[str, Int64s]
    plain: bool  # the numbers are those of the columns


class TagReads:
    """Which tags an antenna reads in each round, and how strongly."""

    def __init__(
        self,
        profile: NoiseProfile,
        rng: random.Random,
        mixes: Mapping[str, tuple[tuple[float, float, float], ...]] | None = None,
    ) -> None:
        """Start with no tag met yet; ``mixes`` are the kinds of tags of shelves of their own."""
        self._profile = profile
        self._mixes = mixes or {}
        self._salt = rng.getrandbits(64)
        self._cells, self._noise = Words(fork(rng)), Words(fork(rng))
        self._again = Gaps(profile.duplicate, fork(rng))
        self._ghosts = Gaps(profile.ghost, fork(rng))
        self._wrong = fork(rng)
        self._order = fork(rng)
        away_s = _DAY_S / profile.reader_outages_per_day if profile.reader_outages_per_day else 0.0
        self._outages = Spells(away_s, profile.reader_outage_s, fork(rng), fixed=True)
        spread = stream(rng).standard_normal(_LEVELS) * profile.rssi_sd_db * 100.0
        self._spread_cdb = np.round(spread).astype(np.int16)
        self._tags: dict[str, _Tag] = {}
        self._blocked: dict[str, Spells] = {}
        self._numbers: dict[str, int] = {}
        self._epcs: list[bytes] = []
        self._known: tuple[Field, _Columns] | None = None
        self._now_s = 0.0

    @property
    def epcs(self) -> Sequence[bytes]:
        """All EPCs that this antenna has ever reported, by number."""
        return self._epcs

    def round(self, here: Sequence[str], near: Sequence[str]) -> list[tuple[str, float]]:
        """Return (EPC hex, RSSI in dBm) of one round over tags ``here`` and next door."""
        field = Field(
            here=tuple(Heard(epc=epc) for epc in here), near=tuple(Heard(epc=epc) for epc in near)
        )
        return self.one(field) or []

    @property
    def out(self) -> bool:
        """Whether the reader is out at the moment."""
        return self._outages.at(self._now_s)

    def one(self, field: Field, dt_s: float = ROUND_S) -> list[tuple[str, float]] | None:
        """Return (EPC hex, RSSI in dBm) of one round, in any order; None while it is out.

        Args:
            field: the tags.
            dt_s: since the round before.
        """
        reads = self.rounds(field, 1, dt_s)
        if not reads.listened[0]:
            return None
        tags: list[int] = reads.tag.tolist()
        levels_cdbm: list[int] = reads.rssi_cdbm.tolist()
        said = [
            (self._epcs[tag].hex().upper(), level_cdbm / 100.0)
            for tag, level_cdbm in zip(tags, levels_cdbm, strict=True)
        ]
        self._order.shuffle(said)
        return said

    def rounds(self, field: Field, count: int, dt_s: float) -> Reads:
        """Return the reads of the next ``count`` rounds over a field that stays as it is.

        Args:
            field: the tags.
            count: how many rounds.
            dt_s: from one to the next.
        """
        columns = self._columns(field)
        times_s = self._now_s + dt_s * np.arange(1.0, count + 1.0)
        listened = ~self._outages.mask(times_s)
        parts: list[tuple[Int32s, Int32s, Int16s]] = []
        size = max(1, _CELLS_MAX // max(1, len(columns.chance)))
        for start in range(0, count, size):
            part = slice(start, min(count, start + size))
            parts.append(self._block(columns, times_s[part], listened[part], start))
        if count:
            self._now_s = float(times_s[-1])
        rounds, tags, levels = zip(*parts, strict=True) if parts else ((), (), ())
        empty = np.empty(0, dtype=np.int32)
        return Reads(
            listened=listened,
            round=np.concatenate((empty, *rounds)),
            tag=np.concatenate((empty, *tags)),
            rssi_cdbm=np.concatenate((empty.astype(np.int16), *levels)),
        )

    def skip(self, count: int, dt_s: float) -> None:
        """Let ``count`` rounds go by that nobody hears of."""
        self._now_s += dt_s * count

    def _block(
        self, columns: _Columns, times_s: Floats, listened: Bools, start: int
    ) -> tuple[Int32s, Int32s, Int16s]:
        hit = self._hits(columns, times_s)
        if not listened.all():
            hit[~listened] = False
        flat = np.flatnonzero(hit).astype(np.int32)
        twice = self._again.take(len(flat))
        if len(twice):
            flat = np.insert(flat, twice, flat[twice])
        rounds, column = np.divmod(flat, np.int32(max(1, hit.shape[1])))
        rounds += np.int32(start)
        levels = self._spread_cdb[self._noise.take(len(flat))]
        levels += columns.level_cdbm[column]
        np.clip(levels, *RSSI_CDBM, out=levels)
        tags = column if columns.plain else columns.number[column]
        for ghost in self._ghosts.take(len(flat)).tolist():
            tags[ghost] = self._ghost(self._epcs[tags[ghost]])
        return rounds, tags, levels

    def _hits(self, columns: _Columns, times_s: Floats) -> Bools:
        """Return (rounds, tags): whether each tag is read in each round."""
        count, width = len(times_s), len(columns.chance)
        hit = np.empty((count, width), dtype=np.bool_)
        words = -(-width // 4) * 4  # whole draws a round, so that a round's do not depend on cuts
        cells = self._cells.take(count * words).reshape(count, words)[:, :width]
        spells = {
            shelf: self._spells(shelf).between(float(times_s[0]), float(times_s[-1]) + 1e-6)
            for shelf in columns.shelves
        }
        edges_s = sorted({edge for found in spells.values() for spell in found for edge in spell})
        cuts = [0, *np.searchsorted(times_s, edges_s).tolist(), count]
        for first, last in pairwise(cuts):
            if first == last:
                continue
            chance, now_s = columns.chance.copy(), float(times_s[first])
            for shelf, found in spells.items():
                if any(a <= now_s < b for a, b in found):
                    chance[columns.shelves[shelf]] *= self._profile.blockage_factor
            bound = np.minimum(np.round(chance * _LEVELS), _LEVELS - 1).astype(np.uint16)
            np.less(cells[first:last], bound, out=hit[first:last])
        return hit

    def _spells(self, shelf: str) -> Spells:
        if shelf not in self._blocked:
            per_s = self._profile.blockage_per_s
            self._blocked[shelf] = Spells(
                1.0 / per_s if per_s > 0.0 else 0.0,
                self._profile.blockage_s,
                random.Random(f"{self._salt}/shelf/{shelf}"),  # noqa: S311 - noise
                begins_s=self._now_s,
            )
        return self._blocked[shelf]

    def _columns(self, field: Field) -> _Columns:
        if self._known is not None and self._known[0] == field:
            return self._known[1]
        cross, loss_cdb = self._profile.cross_read, round(self._profile.cross_loss_db * 100)
        near = field.near if cross > 0.0 else ()
        mine = [(tag, self._tag(tag)) for tag in field.here]
        theirs = [(tag, self._tag(tag)) for tag in near]
        chance = np.array(
            [known.chance * tag.factor for tag, known in mine]
            + [cross * tag.factor for tag, _ in theirs]
        )
        level = [known.level_cdbm for _, known in mine]
        level += [known.level_cdbm - loss_cdb for _, known in theirs]
        number = np.array(
            [self._number(bytes.fromhex(tag.epc)) for tag, _ in (*mine, *theirs)], dtype=np.int32
        )
        shelves: dict[str, list[int]] = {}
        if self._profile.blockage_per_s > 0.0:
            for column, (tag, _) in enumerate(mine):
                shelves.setdefault(tag.shelf, []).append(column)
        columns = _Columns(
            chance=chance.reshape(-1),
            level_cdbm=np.array(level, dtype=np.int16),
            number=number,
            shelves={shelf: np.array(found) for shelf, found in shelves.items()},
            plain=bool(np.array_equal(number, np.arange(len(number)))),
        )
        self._known = field, columns
        return columns

    def _tag(self, tag: Heard) -> _Tag:
        if tag.epc not in self._tags:
            # From its EPC: whatever was met before, a tag is the tag that it is.
            rng = random.Random(f"{self._salt}/tag/{tag.epc}")  # noqa: S311 - noise
            mix = self._mixes.get(tag.shelf, self._profile.tag_betas)
            ((_, alpha, beta),) = rng.choices(mix, weights=[share for share, _, _ in mix])
            level_dbm = rng.gauss(self._profile.rssi_dbm, self._profile.rssi_tag_sd_db)
            self._tags[tag.epc] = _Tag(
                chance=rng.betavariate(alpha, beta), level_cdbm=round(level_dbm * 100)
            )
        return self._tags[tag.epc]

    def _number(self, epc: bytes) -> int:
        key = epc.hex()
        if key not in self._numbers:
            self._numbers[key] = len(self._epcs)
            self._epcs.append(epc)
        return self._numbers[key]

    def _ghost(self, epc: bytes) -> int:
        """Return the number of an EPC of which one 16-bit word came through wrong."""
        if len(self._epcs) >= TAGS_MAX:
            return self._number(epc)
        place = self._wrong.randrange(len(epc) // 2) * 2
        word = int.from_bytes(epc[place : place + 2]) ^ self._wrong.randrange(1, 65_536)
        return self._number(epc[:place] + word.to_bytes(2) + epc[place + 2 :])
