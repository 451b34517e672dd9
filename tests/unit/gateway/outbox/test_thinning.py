"""A nearly full outbox thins what it never sent: nothing but periodic scalars, and exactly."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.digest import Part, thin_run
from gateway.envelope import SealLimits
from gateway.outbox import thinning
from gateway.outbox.database import connect
from gateway.outbox.head import Head
from gateway.outbox.store import OutboxStore, ReceiptOutcome, StoreParts
from gateway.outbox.thinning import Thinner
from gateway.reading import Reading
from schemas.digest import Digest
from schemas.quantities import EventType, Quality, Quantity
from tests.unit.gateway.builders import (
    T0_UNIX_US,
    make_event,
    make_parts,
    make_receipt,
    make_scalar,
    make_segment,
    make_sighting,
)
from tests.unit.gateway.outbox.thinned import check_message, check_outbox, stored_messages

SEGMENT = make_segment()
STEPPED = make_segment(offset_us=SEGMENT.offset_us + 500_000_000)
WINDOW = 3


@dataclass(slots=True)
class Rig:
    """An outbox with a sender beside it that remembers what it sent."""

    parts: StoreParts
    store: OutboxStore = field(init=False)
    thinner: Thinner = field(init=False)
    db: sqlite3.Connection = field(init=False)
    put: list[Reading] = field(default_factory=list[Reading])
    sent: dict[int, bytes] = field(default_factory=dict[int, bytes])
    receipted: int = 0

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the store, the stream begun."""
        self.store = OutboxStore(self.parts)
        if self.store.key_id() is None:
            self.store.begin_stream(Head(key_id=self.parts.signer.key_id), known=True)
        self.db = connect(self.parts.path)
        self.thinner = Thinner(self.db, self.parts.signer)

    def close(self) -> None:
        """Close what is open."""
        self.store.close()
        self.db.close()

    def write(self, readings: Sequence[Reading], *, stepped: bool = False) -> None:
        """Journal ``readings`` and seal all."""
        segment = STEPPED if stepped else SEGMENT
        outcome = self.store.write([(segment, readings)], flush=True)
        assert not outcome.refused
        self.put += readings
        self.store.sync_head_file()

    def send(self) -> None:
        """Send what may be sent."""
        for stored in self.store.envelopes_after(self.receipted, WINDOW):
            assert self.sent.setdefault(stored.number, stored.message) == stored.message

    def take_receipt(self, index: int) -> None:
        """Get a receipt for one of the messages sent."""
        pending = [n for n in self.sent if n > self.receipted]
        if not pending:
            return
        number = pending[index % len(pending)]
        chained = {m.number: c for m, c, _ in stored_messages(self.parts.path)}[number]
        receipt = make_receipt(number, chained)
        assert self.store.apply_receipt(receipt, settled=False) is ReceiptOutcome.ADVANCED
        self.receipted = number

    def check(self) -> None:
        """Check the file against all that was put in, and what was sent against the file."""
        check_outbox(self.store, self.parts.path, self.put)
        held = {m.number: raw for m, _, raw in stored_messages(self.parts.path)}
        for number, raw in self.sent.items():
            if number > self.receipted:
                assert held.get(number) == raw, "what was sent is never replaced"


def weights(count: int, begin: int = 0, **overrides: object) -> list[Reading]:
    """Return weights 100 ms apart that go up and down."""
    return [
        make_scalar(
            time_unix_us=T0_UNIX_US + (begin + index) * 100_000,
            value=float((begin + index) * 37 % 101),
            **overrides,
        )
        for index in range(count)
    ]


VALUES = st.sampled_from([-1.0, 0.0, 0.5, 7.0, 1e9])
TIMES = st.integers(T0_UNIX_US, T0_UNIX_US + 60_000_000)
READING: st.SearchStrategy[Reading] = st.one_of(
    st.builds(
        make_scalar,
        sensor=st.sampled_from(["a", "b"]),
        quantity=st.sampled_from([Quantity.MASS, Quantity.TILT]),
        time_unix_us=TIMES,
        value=VALUES,
        quality=st.sampled_from([Quality.GOOD, Quality.GOOD, *Quality]),
    ),
    st.builds(make_sighting, time_unix_us=TIMES, epc=st.binary(max_size=3)),
    st.builds(make_event, time_unix_us=TIMES, kind=st.sampled_from(EventType)),
)
BULK = st.builds(weights, st.integers(20, 60), st.integers(0, 999), sensor=st.sampled_from("abc"))
STEP = st.one_of(
    st.tuples(st.just("write"), st.lists(READING, max_size=12), st.booleans()),
    st.tuples(st.just("write"), BULK, st.just(value=False)),
    st.tuples(st.just("thin"), st.integers(1, 4), st.none()),
    st.tuples(st.just("send"), st.none(), st.none()),
    st.tuples(st.just("receipt"), st.integers(0, 5), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=4, max_size=30))
def test_any_history_keeps_chain_events_and_extremes(
    steps: list[tuple[str, object, object]],
) -> None:
    """Write, thin, send, receipt and restart in any order: see ``check_outbox``."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning, "ENVELOPES_A_RUN", 4)
        patch.setattr(thinning, "DIGESTS_A_RUN", 2)
        patch.setattr(thinning, "TAIL_GROWTH_MIN", 1)
        patch.setattr(thinning, "GAIN_SHARE_MIN", -4.0)  # Also where it saves nothing.
        limits = SealLimits(readings_max=16)
        rig = Rig(make_parts(Path(folder), limits=limits, window=WINDOW))
        for what, first, second in steps:
            match what, first:
                case "write", _:
                    rig.write(cast("list[Reading]", first), stepped=bool(second))
                case "thin", int() as times:
                    for _ in range(times):
                        rig.thinner.step(urgent=True)
                case "send", _:
                    rig.send()
                case "receipt", int() as index:
                    rig.take_receipt(index)
                case _:
                    rig.close()
                    rig.open()
            rig.check()
        rig.close()


def test_thinning_goes_on_to_ever_coarser_digests(tmp_path: Path) -> None:
    """Runs of digests are thinned again; what they keep is exact at every level."""
    rig = Rig(make_parts(tmp_path, limits=SealLimits(readings_max=64), window=WINDOW))
    for index in range(300):
        event = make_event(time_unix_us=T0_UNIX_US + index)
        rig.write([*weights(63, index * 63), event if index % 50 == 0 else weights(1)[0]])
    rig.send()
    while rig.thinner.step(urgent=True):
        pass
    rig.check()
    digests = [m for m, _, _ in stored_messages(tmp_path / "outbox.sqlite3")[WINDOW:]]

    assert rig.store.stats().digests == 2
    assert all(isinstance(message, Digest) for message in digests)
    assert sum(len(message.events) for message in digests) == 5
    assert rig.store.stats().thinned_readings > 18_000


def test_step_takes_a_bounded_piece_and_frees_pages(tmp_path: Path) -> None:
    """One step reads at most its bound; the pages of what it took away are free for more."""
    rig = Rig(make_parts(tmp_path, limits=SealLimits(readings_max=1_024), window=WINDOW))
    for index in range(60):
        rig.write(weights(1_024, index * 1_024))
    before = rig.store.pages_left
    cost = rig.thinner.step(urgent=False)

    assert 20_000 < cost <= thinning.STEP_BYTES_MAX / 15
    assert rig.store.pages_left - before > 100
    rig.check()


def test_thinning_makes_room_for_new_readings(tmp_path: Path) -> None:
    """Far more is journalled than the bound takes whole; nothing is refused, no event lost."""
    rig = Rig(
        make_parts(tmp_path, limits=SealLimits(readings_max=256), bytes_max=2**20, window=WINDOW)
    )
    for index in range(600):
        rig.write([*weights(256, index * 256), make_event(time_unix_us=T0_UNIX_US + index)])
        rig.store.thin()
        if index % 97 == 0:
            rig.close()
            rig.open()
    rig.check()
    size = sum(file.stat().st_size for file in tmp_path.glob("outbox.sqlite3*"))

    assert size <= 2**20 + 64 * 1024
    assert rig.store.stats().thinned_readings > 100_000


def test_full_of_events_refuses_scalars_and_keeps_every_event(tmp_path: Path) -> None:
    """What must not be thinned takes the room: weights are refused, events go on."""
    parts = make_parts(tmp_path, limits=SealLimits(readings_max=64), bytes_max=2**20, window=1)
    rig = Rig(parts)
    refused = 0
    for index in range(700):
        event = make_event(time_unix_us=T0_UNIX_US + index, body={"bytes": bytes(1_000)})
        outcome = rig.store.write([(SEGMENT, [event, *weights(8, index * 8)])], flush=True)
        rig.put += [r for r in [event, *weights(8, index * 8)] if r not in outcome.refused]
        assert event not in outcome.refused
        refused += len(outcome.refused)
        rig.store.sync_head_file()
        rig.store.thin()
        if refused:
            break
    assert refused == 8
    check_outbox(rig.store, parts.path, rig.put)


def test_run_ends_where_the_clock_steps() -> None:
    """A digest has one clock: envelopes of two segments never share one."""
    with TemporaryDirectory() as folder:
        rig = Rig(make_parts(Path(folder), limits=SealLimits(readings_max=64), window=1))
        rig.write(weights(128))
        rig.write(weights(128, 128), stepped=True)
        parts = [
            Part(message=message, sha256=chained)
            for message, chained, _ in stored_messages(rig.parts.path)
        ]
        thinned = thin_run(parts)

    assert thinned is not None
    digest, count = thinned
    assert count == 2
    assert digest.clock == parts[0].message.clock
    check_message(digest, rig.put[:128])
