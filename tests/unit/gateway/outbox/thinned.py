"""What an outbox holds, checked against every reading that was ever put into it."""

from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from gateway.digest import first_number
from gateway.outbox.database import connect
from gateway.outbox.store import OutboxStore
from gateway.outbox.thinning import decode_message
from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.digest import Digest
from schemas.envelope import GENESIS_HASH, Envelope
from schemas.quantities import QUALITY_CODES, Quality

GOOD = QUALITY_CODES[Quality.GOOD]
Said = tuple[str, str | None, int, float, int]  # Sensor, quantity, time, value, quality.


def stored_messages(path: Path) -> list[tuple[Envelope | Digest, bytes, bytes]]:
    """Return each message of an outbox file, what the next one names, and its bytes."""
    with closing(connect(path)) as db:
        rows = db.execute("SELECT sha256, message FROM envelopes ORDER BY number").fetchall()
    return [(decode_message(message), chained, message) for chained, message in rows]


def scalars_of(message: Envelope | Digest) -> list[Said]:
    """Return the scalars of a message, in their order."""
    columns = message.scalars
    return [
        (*message.sensors[sensor], message.base_unix_us + offset_us, value, quality)
        for sensor, offset_us, value, quality in zip(
            columns.sensor, columns.offset_us, columns.value, columns.quality, strict=True
        )
    ]


def events_of(message: Envelope | Digest) -> list[tuple[str, int, str, bytes]]:
    """Return the events of a message, in their order."""
    columns = message.events
    return [
        (message.sensors[sensor][0], message.base_unix_us + offset_us, kind.value, body)
        for sensor, offset_us, kind, body in zip(
            columns.sensor, columns.offset_us, columns.type, columns.body, strict=True
        )
    ]


def sightings_of(message: Envelope | Digest) -> list[tuple[str, int, bytes, int]]:
    """Return the sightings of a message, in their order."""
    columns = message.sightings
    found: list[tuple[str, int, bytes, int]] = []
    begin = 0
    for sensor, offset_us, length, count in zip(
        columns.sensor, columns.offset_us, columns.epc_length, columns.count, strict=True
    ):
        epc = columns.epcs[begin : begin + length]
        found.append((message.sensors[sensor][0], message.base_unix_us + offset_us, epc, count))
        begin += length
    return found


def check_message(message: Envelope | Digest, originals: Sequence[Reading]) -> None:
    """Check that a message holds of its ``originals`` all, or what a digest keeps of them."""
    assert events_of(message) == [
        (r.sensor, r.time_unix_us, r.type.value, r.body)
        for r in originals
        if isinstance(r, EventReading)
    ]
    assert sightings_of(message) == [
        (r.sensor, r.time_unix_us, r.epc, r.count) for r in originals if isinstance(r, Sighting)
    ]
    scalars: list[Said] = [
        (r.sensor, r.quantity, r.time_unix_us, r.value, QUALITY_CODES[r.quality])
        for r in originals
        if isinstance(r, Scalar)
    ]
    if isinstance(message, Envelope):
        assert scalars_of(message) == scalars
        return
    kept = scalars_of(message)
    remaining = iter(scalars)
    assert all(said in remaining for said in kept), "kept readings are originals, in their order"
    channels = {(said[0], said[1], said[4]) for said in scalars}
    assert channels == {(said[0], said[1], said[4]) for said in kept}
    for channel in channels:
        before = [said for said in scalars if (said[0], said[1], said[4]) == channel]
        after = [said for said in kept if (said[0], said[1], said[4]) == channel]
        assert (after[0], after[-1]) == (before[0], before[-1])
        if channel[2] == GOOD:
            assert min(said[3] for said in after) == min(said[3] for said in before)
            assert max(said[3] for said in after) == max(said[3] for said in before)
            assert len(after) <= 4
        else:
            assert len(after) <= 2


def check_outbox(store: OutboxStore, path: Path, put: Sequence[Reading]) -> None:
    """Check chain, counts and contents of an outbox that was given ``put``, in that order."""
    stats = store.stats()
    assert stats.emitted == len(put)
    messages = stored_messages(path)
    number, previous, before = None, None, None
    kept = 0
    for message, chained, raw in messages:
        first = first_number(message)
        if previous is None:
            assert first == stats.receipted_number + 1
            assert first > 1 or message.previous_sha256 == GENESIS_HASH
        else:
            assert (first, message.previous_sha256) == (number, previous)
            assert message.readings_before == before
        if isinstance(message, Envelope):
            assert sha256(raw).digest() == chained
        else:
            assert message.last_sha256 == chained
        begin = message.readings_before
        check_message(message, put[begin : begin + message.readings])
        number, previous, before = message.number + 1, chained, begin + message.readings
        kept += message.kept if isinstance(message, Digest) else message.readings
    if messages:
        assert before == stats.sealed_readings
        assert messages[-1][0].number == stats.head_number
    if messages and stats.receipted_number == 0:
        assert kept + stats.thinned_readings == stats.sealed_readings
