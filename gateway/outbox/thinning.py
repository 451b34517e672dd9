"""Makes room in the outbox: one digest takes the place of a run of envelopes never sent.

In small steps, so that the one thread which owns the file goes on journalling: a step reads at
most ``STEP_BYTES_MAX``. What is finest goes first, and of that the oldest: no reading is thinned
twice while there is a run that was not thinned once.

``sendable`` is the greatest number that the sender may have sent; nothing up to it is thinned, so
a digest never overlaps what the backend may hold. It grows with receipts, by a window of messages.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from gateway.digest import Part, first_number, thin_run
from gateway.errors import UnavailableError
from gateway.outbox.database import PAGE_BYTES
from gateway.signing import Signer
from schemas import digest as digest_format
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.digest import DIGEST_BYTES_MAX, Digest, decode_digest, is_digest
from schemas.envelope import Envelope, decode_envelope

THIN_SHARE: Final = 0.25  # Of the room: with less left, what was never sent is thinned.
URGENT_SHARE: Final = (
    0.15  # A run that would soon be longer, too: at a tenth, weights are refused.
)
STEP_BYTES_MAX: Final = 512 * 1024  # 30,000 readings: 50 ms on a PC, four times that on a Pi.
STEP_SHARE_MAX: Final = 0.125  # Of the bound: in a small outbox, runs must be shorter than it.
ENVELOPES_A_RUN: Final = 64
DIGESTS_A_RUN: Final = 4
TAIL_GROWTH_MIN: Final = 8  # Envelopes since a run that was too short was last tried.
GAIN_SHARE_MIN: Final = 0.25  # Less is not worth a signature and what the readings lose.
SCAN_ROWS_MAX: Final = 256  # Looked at in a step: all of a long outage is looked at in several.

_SCAN: Final = (
    "SELECT e.number, COALESCE(d.first_number, e.number), COALESCE(d.level, 0),"
    " LENGTH(e.message) FROM envelopes e LEFT JOIN digests d ON d.number = e.number"
    " WHERE e.number > ? ORDER BY e.number LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A message as a run is chosen from; level 0 is an envelope, n was thinned n times."""

    number: int
    first_number: int
    level: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """A run, and whether it is as long as a run gets."""

    run: Sequence[_Stored]
    full: bool


def decode_message(message: bytes) -> Envelope | Digest:
    """Return what a stored message says.

    Raises:
        MalformedError: It is none of ours: the file is torn.
    """
    sign1 = decode_sign1(message, bytes_max=DIGEST_BYTES_MAX)
    return decode_digest(sign1) if is_digest(sign1) else decode_envelope(sign1)


def raise_sendable(db: sqlite3.Connection, window: int) -> None:
    """Let the sender send a window of messages behind the receipt; in the caller's transaction.

    Fewer are there: those that will be sealed next count as there, one number each.
    """
    rows = db.execute(
        "SELECT e.number FROM envelopes e, stream s WHERE e.number > s.receipted_number"
        " ORDER BY e.number LIMIT ?",
        (window,),
    ).fetchall()
    db.execute(
        # Without a change nothing is written: a full disk can still be opened and sent from.
        "UPDATE stream SET sendable = COALESCE(:last, receipted_number) + :more"
        " WHERE sendable < COALESCE(:last, receipted_number) + :more",
        {"last": rows[-1][0] if rows else None, "more": window - len(rows)},
    )


class Thinner:
    """Thins the outbox of one connection, step by step; remembers what is not worth trying."""

    def __init__(self, db: sqlite3.Connection, signer: Signer) -> None:
        self._db = db
        self._signer = signer
        self._protected = encode_protected(digest_format.content_type(), signer.key_id)
        self._behind: dict[int, int] = {}  # By level: nothing up to this number is worth a try.
        self._tail_tried = 0
        pages_max = int(db.execute("PRAGMA max_page_count").fetchone()[0])
        self._step_bytes = min(STEP_BYTES_MAX, int(pages_max * PAGE_BYTES * STEP_SHARE_MAX))
        top = db.execute("SELECT MAX(level) FROM digests").fetchone()[0]
        self._level_max = 0 if top is None else int(top)

    def relieve(self, left: int, whole: int) -> int:
        """Take a step if little is left of the whole room; return how many readings that cost.

        Raises:
            sqlite3.Error: The disk refuses; nothing has happened. The store must be opened anew.
        """
        if left >= whole * THIN_SHARE:
            return 0
        try:
            return self.step(urgent=left < whole * URGENT_SHARE)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            return 0  # Rolled back; others fill the disk, and journalling may go on.

    def step(self, *, urgent: bool) -> int:
        """Thin one run; return how many readings that cost, 0: there is none to thin.

        Args:
            urgent: also a run that would soon be longer.

        Raises:
            sqlite3.Error: The disk refuses; nothing has happened. The store must be opened anew.
        """
        sendable = int(self._db.execute("SELECT sendable FROM stream").fetchone()[0])
        for level in range(self._level_max + 1):
            choice = self._choose(level, sendable)
            if choice is not None and choice.full:
                return self._thin(level, choice.run)
        if urgent:
            choice = self._choose(0, sendable)
            if choice is not None and self._tail_grew(choice.run):
                self._tail_tried = choice.run[-1].number
                return self._thin(0, choice.run, keep_trying=True)
        return 0

    def _tail_grew(self, run: Sequence[_Stored]) -> bool:
        newer = sum(stored.number > self._tail_tried for stored in run)
        return newer >= min(TAIL_GROWTH_MIN, len(run)) and len(run) > 1

    def _choose(self, level: int, sendable: int) -> _Choice | None:
        """Return the oldest run of a level; finer messages in between go with it."""
        after = max(sendable, self._behind.get(level, 0))
        found = [
            _Stored(number=number, first_number=first, level=at, bytes=size)
            for number, first, at, size in self._db.execute(_SCAN, (after, SCAN_ROWS_MAX))
        ]
        begin = next((i for i, stored in enumerate(found) if stored.level == level), None)
        if begin is None:
            if len(found) == SCAN_ROWS_MAX:
                self._behind[level] = found[-1].number
            return None
        if begin:
            self._behind[level] = found[begin - 1].number
        rest = found[begin:]
        run = list(takewhile(lambda stored: stored.level <= level, rest))
        ended = len(run) < len(rest)  # By a coarser one: it will not grow.
        run, capped = _cap(_trimmed(run, level), level, self._step_bytes)
        if len(run) > 1 or (capped and level == 0):
            return _Choice(run=run, full=capped or ended)
        if ended or capped:  # One alone among coarser ones.
            self._behind[level] = run[-1].number
        return _Choice(run=run, full=False)

    def _thin(self, level: int, run: Sequence[_Stored], *, keep_trying: bool = False) -> int:
        """Replace ``run``, or what of it fits one digest, if that is worth it."""
        parts = [self._part(stored.number) for stored in run]
        thinned = thin_run(parts)
        if thinned is not None:
            digest, count = thinned
            try:
                message = self._sign(digest)
            except UnavailableError:
                return 0  # The holder has told why; the run is there when the key is back.
            bytes_before = sum([stored.bytes for stored in run[:count]])
            if len(message) <= min(DIGEST_BYTES_MAX, bytes_before * (1 - GAIN_SHARE_MIN)):
                above = max([stored.level for stored in run[:count]]) + 1
                return self._replace(parts[:count], digest, message, above)
            if count < len(run):
                run = run[:count]
        else:
            run = run[:1]
        if not keep_trying:
            self._behind[level] = run[-1].number
        return 0

    def _part(self, number: int) -> Part:
        digest, message = self._db.execute(
            "SELECT sha256, message FROM envelopes WHERE number = ?", (number,)
        ).fetchone()
        return Part(message=decode_message(message), sha256=digest)

    def _sign(self, digest: Digest) -> bytes:
        payload = digest_format.encode_payload(digest)
        signature = self._signer.sign(bytes_to_sign(self._protected, payload))
        return encode_sign1(self._protected, payload, signature)

    def _replace(self, parts: Sequence[Part], digest: Digest, message: bytes, level: int) -> int:
        """Put the digest in the place of the parts, in one transaction."""
        rows = sum([_rows_of(part.message) for part in parts])
        between = (first_number(parts[0].message), digest.number)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("DELETE FROM digests WHERE number BETWEEN ? AND ?", between)
            self._db.execute("DELETE FROM envelopes WHERE number BETWEEN ? AND ?", between)
            self._db.execute(
                "INSERT INTO envelopes VALUES (?, ?, ?, ?)",
                (digest.number, digest.last_sha256, digest.readings, message),
            )
            self._db.execute(
                "INSERT INTO digests VALUES (?, ?, ?)", (digest.number, digest.first_number, level)
            )
            self._db.execute(
                "UPDATE stream SET readings_thinned = readings_thinned + ?", (rows - digest.kept,)
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._level_max = max(self._level_max, level)
        self._behind[level] = min(self._behind.get(level, 0), digest.first_number - 1)
        return rows - digest.kept


def _cap(run: Sequence[_Stored], level: int, bytes_max: int) -> tuple[list[_Stored], bool]:
    """Return as much of ``run`` as one step takes, and whether that is all that it takes."""
    size = count = 0
    for index, stored in enumerate(run):
        size += stored.bytes
        count += stored.level == level
        if size > bytes_max and index:
            return _trimmed(run[:index], level), True
        if count >= (DIGESTS_A_RUN if level else ENVELOPES_A_RUN):
            return list(run[: index + 1]), True
    return list(run), False


def _trimmed(run: Sequence[_Stored], level: int) -> list[_Stored]:
    """Return ``run`` without finer messages at its end: they are to be thinned on their own."""
    end = max(index for index, stored in enumerate(run) if stored.level == level) + 1
    return list(run[:end])


def _rows_of(message: Envelope | Digest) -> int:
    return message.kept if isinstance(message, Digest) else message.readings
