"""Journal, envelopes and receipts on one SQLite file. Synchronous; one thread may own it.

Each method is one transaction: after kill -9 at any instant it has happened wholly or not at all.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Final

import structlog

from gateway.envelope import Link
from gateway.errors import UnavailableError
from gateway.outbox.admission import Batches, Gate
from gateway.outbox.bounds import Fault
from gateway.outbox.database import PAGE_BYTES, OutboxStats, connect, read_stats
from gateway.outbox.draft import Place, UnsealableError, draft_envelope
from gateway.outbox.head import Head
from gateway.outbox.journal import Journal
from gateway.outbox.parts import ReceiptOutcome, StoredEnvelope, StoreParts, WriteOutcome
from gateway.outbox.ranks import Rank
from gateway.outbox.records import unsealable_record
from gateway.outbox.room import Room
from gateway.outbox.rotation import Rotation, RotationOutcome
from gateway.outbox.schema import migrate
from gateway.outbox.segments import Segments
from gateway.outbox.tail import Front, Row
from gateway.outbox.thinning import Thinner, raise_sendable
from gateway.reading import ClockSegment, Entry, EventReading, Sweep
from schemas.receipt import Receipt

SEALS_A_WRITE_MAX: Final = 16  # Bounds one transaction; what is left comes with the next.
SEAL_PAGES_MIN: Final = 4  # The trees' inner pages that one envelope may split.

_log = structlog.get_logger()


class OutboxStore:
    """The outbox file, open for its one writer."""

    def __init__(self, parts: StoreParts) -> None:
        """Open the file, made when absent.

        Raises:
            sqlite3.Error: The file is torn or unreadable (see ``recovery``).
            StateError: A newer version wrote it.
        """
        self._parts = parts
        # How many entries of the last write were seen to, if it was committed; the rest waits.
        self.settled = 0
        self._db = connect(parts.path)
        try:
            self._room = Room(self._db, parts.path, parts.bytes_max)
            migrate(self._db)
            self._journal = Journal(self._db)
            self._thinner = Thinner(self._db, parts.signer)
            self._rotation = Rotation(self._db)
            with self._transaction():
                raise_sendable(self._db, parts.window)
            self._segments = Segments(self._db)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            sqlite3.DatabaseError: Something in it is torn.
        """
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"quick_check: {verdict}")

    @property
    def pages_left(self) -> int:
        """How many more pages there is room for; pages freed inside the file count as left."""
        return self._room.space().pages_left

    @property
    def last_sequence(self) -> int:
        """The sequence number of the newest reading ever journalled in this file; 0: none."""
        return self._journal.last_sequence

    def stream(self) -> Head | None:
        """Return the stream's head; None in a new file, or while only a receipt can tell it."""
        row = self._db.execute(
            "SELECT key_id, head_number, head_sha256, readings_sealed, receipted_number"
            " FROM stream WHERE head_known"
        ).fetchone()
        if row is None:
            return None
        return Head(key_id=row[0], number=row[1], sha256=row[2], readings=row[3], receipted=row[4])

    def key_id(self) -> bytes | None:
        """Return the id of the key that this file's stream is signed with; None in a new file."""
        row = self._db.execute("SELECT key_id FROM stream").fetchone()
        return None if row is None else bytes(row[0])

    def gateway(self) -> str | None:
        """Return whose stream this file holds; None in a new file."""
        row = self._db.execute("SELECT gateway FROM stream").fetchone()
        return None if row is None else str(row[0])

    def begin_stream(self, head: Head, *, known: bool) -> None:
        """Start a new file at ``head``; sealing waits for a receipt unless ``known``."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO stream (id, gateway, key_id, head_known, head_number, head_sha256,"
                " readings_sealed, sequence_sealed, receipted_number, receipted_sha256)"
                " VALUES (1, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
                (
                    self._parts.gateway,
                    head.key_id,
                    known,
                    head.number,
                    head.sha256,
                    head.readings,
                    head.number if known else head.receipted,
                    head.sha256,
                ),
            )
            raise_sendable(self._db, self._parts.window)
        if known:
            self._parts.head_file.save(head)

    def sync_head_file(self) -> None:
        """Bring the side file up to the sealed head; until then nothing newer may be sent.

        Raises:
            OSError: The disk refuses.
        """
        head = self.stream()
        if head is not None and head != self._parts.head_file.head(head.key_id):
            self._parts.head_file.save(head)

    def write(
        self, batches: Batches, *, flush: bool, behind: Rank = Rank.PERIODIC
    ) -> WriteOutcome:
        """Journal what there is room for, seal full envelopes; with ``flush`` also small ones.

        All in one transaction, so that it costs one sync. ``settled`` then tells how many entries
        were seen to; ``behind`` is the highest rank of what waits after them.

        Raises:
            sqlite3.Error: The disk refuses; nothing has happened. The store must be opened anew.
        """
        with self._transaction():
            refused = self._append(batches, behind)
            sealed = 0
            head = self.stream()
            for _ in range(SEALS_A_WRITE_MAX):
                unsealed = self._sealable() if self._parts.signer.ready else 0
                if not unsealed or not (flush or unsealed >= self._parts.limits.readings_max):
                    break
                further = None if head is None else self._seal(head)
                if head is None or further is None:
                    break
                sealed += further.number - head.number
                head = further
            return WriteOutcome(
                refused=refused,
                sealed=sealed,
                unsealed=self._sealable(),
                unreceipted=0 if head is None else head.number - head.receipted,
            )

    def envelopes_after(self, number: int, limit: int) -> list[StoredEnvelope]:
        """Return up to ``limit`` envelopes and digests that follow ``number``, in order.

        Not those that the side file does not yet know, nor those that may yet be thinned: neither
        must be sent.
        """
        head = self._parts.head_file.head(self._parts.signer.key_id)
        rows = self._db.execute(
            "SELECT number, sha256, message FROM envelopes WHERE number > ?"
            " AND number <= MIN(?, (SELECT sendable FROM stream)) ORDER BY number LIMIT ?",
            (number, 0 if head is None else head.number, limit),
        )
        return [StoredEnvelope(number=n, sha256=h, message=m) for n, h, m in rows]

    def apply_receipt(self, receipt: Receipt, *, settled: bool) -> ReceiptOutcome:
        """Delete what ``receipt``, already verified, says is committed, and nothing else.

        Args:
            receipt: What the backend signed.
            settled: No newer receipt came for so long that none is on its way.
        """
        if self._rotation.is_of_closed(receipt):
            return ReceiptOutcome.STALE
        known, head_number, head_sha256, receipted, receipted_sha256 = self._db.execute(
            "SELECT head_known, head_number, head_sha256, receipted_number, receipted_sha256"
            " FROM stream"
        ).fetchone()
        if not known:
            if receipt.number < receipted:
                return ReceiptOutcome.STALE
            if not settled and (receipt.number, receipt.sha256) != (head_number, head_sha256):
                return ReceiptOutcome.UNSETTLED
            return self._adopt(receipt)
        if receipt.number < receipted:
            return ReceiptOutcome.STALE
        if receipt.number == receipted:
            same = receipt.sha256 == receipted_sha256
            return ReceiptOutcome.REPEATED if same else ReceiptOutcome.FORKED
        row = self._db.execute(
            "SELECT sha256 FROM envelopes WHERE number = ?", (receipt.number,)
        ).fetchone()
        if receipt.number > head_number or row is None or row[0] != receipt.sha256:
            return ReceiptOutcome.FORKED
        with self._transaction():
            self._db.execute("DELETE FROM envelopes WHERE number <= ?", (receipt.number,))
            self._db.execute("DELETE FROM digests WHERE number <= ?", (receipt.number,))
            self._db.execute(
                "UPDATE stream SET receipted_number = ?, receipted_sha256 = ?",
                (receipt.number, receipt.sha256),
            )
            turned = receipt.number == head_number and self._rotation.closes(self._sequence_sealed)
            if turned:
                self._rotation.turn(receipt)
            raise_sendable(self._db, self._parts.window)
        if not turned:
            return ReceiptOutcome.ADVANCED
        assert self._parts.turn is not None, "whoever began a rotation can end it"
        self._parts.turn(self.key_id() or b"")
        self._thinner = Thinner(self._db, self._parts.signer)
        self.sync_head_file()
        self._flush()
        return ReceiptOutcome.TURNED

    def begin_rotation(
        self, segment: ClockSegment, named: EventReading, next_key_id: bytes
    ) -> RotationOutcome:
        """Journal ``named``, which names the next key, as the last reading under this one; seal.

        What comes after it is journalled, and sealed under the next key once the backend's receipt
        says that this stream is closed.
        """
        if self._rotation.sequence is not None:
            return RotationOutcome.PENDING
        if self.stream() is None:
            return RotationOutcome.HEAD_UNKNOWN
        with self._transaction():
            if self._append([(segment, [named])]) or not self.settled:
                return RotationOutcome.FULL
            self._rotation.begin(next_key_id, self.last_sequence)
        self._flush()
        return RotationOutcome.BEGUN

    def _flush(self) -> None:
        while self.write([], flush=True).sealed:
            pass
        self.sync_head_file()

    def thin(self) -> int:
        """Make some room if little is left, in one small step; return how many readings it cost.

        Raises:
            sqlite3.Error: The disk refuses; nothing has happened. The store must be opened anew.
        """
        if not self._parts.signer.ready:
            return 0
        space = self._room.space()
        return self._thinner.relieve(space.pages_left, space.pages_max)

    def stats(self) -> OutboxStats:
        """Return the counts of this outbox."""
        return read_stats(self._db)

    def _adopt(self, receipt: Receipt) -> ReceiptOutcome:
        """Go on after what the backend holds: what lay between was in the file that is lost."""
        with self._transaction():
            self._db.execute(
                "UPDATE stream SET head_known = 1, head_number = ?, head_sha256 = ?,"
                " readings_sealed = ?, receipted_number = ?, receipted_sha256 = ?",
                (
                    receipt.number,
                    receipt.sha256,
                    receipt.readings,
                    receipt.number,
                    receipt.sha256,
                ),
            )
            raise_sendable(self._db, self._parts.window)
        return ReceiptOutcome.ADOPTED

    def _append(self, batches: Batches, behind: Rank = Rank.PERIODIC) -> Sequence[Entry]:
        """Journal in order until the disk has no more room; return what the bound refuses."""
        rows: list[Row] = []
        gate = Gate(*self._room.spaces(), batches, behind)
        sequence = self.last_sequence
        self._segments.prune()
        key, of = 0, None
        for segment, entry in gate.admitted():
            if segment is not of:
                key, of = self._segments.number(segment), segment
            row = self._journal.encode(entry)
            gate.note_taken(len(row))
            sequence += len(entry) if isinstance(entry, Sweep) else 1
            rows.append(Row(sequence, key, row, entry))
        self._journal.append(rows)
        self.settled = gate.settled
        return gate.refused

    def _seal(self, head: Head) -> Head | None:
        """Seal the oldest readings behind ``head``; None: no room for it, or the key is not there.

        A reading that no envelope can hold is set aside instead; ``head`` is where it was then.
        """
        front = self._journal.front(self._parts.limits.readings_max)
        if self._rotation.sequence is not None:
            front = front.up_to(self._rotation.sequence)
        link = Link(
            number=head.number + 1, previous_sha256=head.sha256, readings_before=head.readings
        )
        segment = self._segments.of(front.segment)
        if front.unreadable:
            fault = Fault(sensor="", field="row", value=front.unreadable, bound="one of ours")
            self._set_aside(front, fault, segment.offset_us)
            return head
        place = Place(
            gateway=self._parts.gateway,
            link=link,
            segment=segment,
            limits=self._parts.limits,
            room_bytes=(self.pages_left - SEAL_PAGES_MIN + 1) * PAGE_BYTES,
        )
        try:
            draft = draft_envelope(place, front.entries)
        except UnsealableError as error:
            self._set_aside(front, error.fault, front.entries[0].time_unix_us)
            return head
        if draft is None:
            return None
        envelope = draft.envelope
        try:
            message = self._parts.signer.sign_envelope(envelope, draft.sensor_rows)
        except UnavailableError:
            return None  # The holder has told why; what is read is journalled meanwhile.
        digest = sha256(message).digest()
        self._db.execute(
            "INSERT INTO envelopes VALUES (?, ?, ?, ?)",
            (link.number, digest, envelope.readings, message),
        )
        last_sequence = self._journal.remove(front, draft.taken, draft.rest)
        self._db.execute(
            "UPDATE stream SET head_number = ?, head_sha256 = ?,"
            " readings_sealed = readings_sealed + ?, sequence_sealed = ?",
            (link.number, digest, envelope.readings, last_sequence),
        )
        return replace(
            head, number=link.number, sha256=digest, readings=head.readings + envelope.readings
        )

    def _set_aside(self, front: Front, fault: Fault, time_unix_us: object) -> None:
        """Take the oldest row out of the stream; a record in its stead says how much it was."""
        last = front.sequences[0]
        count = last - self._sequence_sealed
        _log.error("reading_set_aside", sequence=last, count=count, fault=str(fault))
        self._journal.set_aside(front, str(fault))
        self._db.execute("UPDATE stream SET sequence_sealed = ?", (last,))
        record = unsealable_record(count, fault, time_unix_us)
        row = self._journal.encode(record)
        self._journal.append([Row(self.last_sequence + 1, front.segment, row, record)])

    @property
    def _sequence_sealed(self) -> int:
        return int(self._db.execute("SELECT sequence_sealed FROM stream").fetchone()[0])

    def _sealable(self) -> int:
        """Return how many readings wait to be sealed; not those that wait for the next key."""
        last = self.last_sequence
        if self._rotation.sequence is not None:
            last = min(last, self._rotation.sequence)
        return last - self._sequence_sealed

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._journal.forget_tail()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
