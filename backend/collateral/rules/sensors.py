"""What a batch of readings leaves behind of each sensor: last values, health, time listened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.collateral.rules.echoes import TRACED, fold_echo
from backend.collateral.rules.series import GOOD, Newest, Series, SeriesBook, numbers_in
from backend.collateral.rules.vehicles import fold_vehicle
from backend.collateral.types import (
    CONTACT_OPEN,
    Echo,
    Health,
    Sample,
    SensorKey,
    SensorState,
    TamperSpell,
)
from backend.ids import ChannelId
from backend.telemetry.types import EventRow, Int64s, ReadingBatch
from schemas.quantities import EventType, Quantity

# A reader reports every round, about a second. What lies further apart is silence, in which
# nothing can go missing; and a clock that steps adds or takes no more than this.
LISTEN_STEP_US_MAX: Final = 5_000_000
TAMPERS_MAX: Final = 8  # Kinds that one camera may report at a time.
OPEN: Final = "open"  # Of a contact; what cameras and receivers say has names of its own.
_ONLINE: Final = "online"
# Events by which a sensor shows that it lives, whatever else they say.
_SIGNS_OF_LIFE: Final = frozenset(
    {
        EventType.CAMERA_STATUS,
        EventType.CAMERA_TAMPER,
        EventType.CAMERA_OBJECT,
        EventType.SNAPSHOT,
    }
)
# What a receiver says of its signals (gateway.decode.events), and when that is an alarm: only
# "warning" of a jammer still leaves a position to be relied on.
_INTEGRITY: Final[Mapping[str, frozenset[str]]] = {
    "jamming": frozenset({"critical"}),
    "spoofing": frozenset({"indicated", "multiple"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How long a reader had listened, at each of its inventory rounds in a batch."""

    place: Int64s
    listened_us: Int64s
    before_us: int

    def at(self, place: Int64s) -> Int64s:
        """Return the time listened at places in the batch."""
        index = np.searchsorted(self.place, place, side="right")
        return np.concatenate(([self.before_us], self.listened_us))[index]


def sensors_of(batch: ReadingBatch, book: SeriesBook) -> set[SensorKey]:
    """Return every sensor that a batch has readings of."""
    keys = {sensor for sensor, _ in book.series()}
    heard = map(ChannelId, numbers_in(batch.sightings.channel))
    channels = {*heard, *(event.channel for event in batch.events)}
    keys |= {(batch.channels[c].gateway, batch.channels[c].sensor) for c in channels}
    return keys


def fold_sensors(
    states: Mapping[SensorKey, SensorState], batch: ReadingBatch, book: SeriesBook
) -> tuple[dict[SensorKey, SensorState], dict[SensorKey, Listening]]:
    """Return the states of all sensors in a batch after it, and the time their readers listened.

    Args:
        states: of those sensors that are known.
        batch: the readings.
        book: its scalars by channel.
    """
    listening: dict[SensorKey, Listening] = {}
    after = _fold_scalars(states, batch, book)
    for key, quantity in book.series():
        if quantity is Quantity.INVENTORY:
            rounds = book.get(key, quantity)
            assert rounds is not None, "the book says it has them"
            listening[key], after[key] = _listen(after[key], rounds.good())
    for key, last_at_us, made_us in _sighted(batch):
        after[key] = _heard(after[key], last_at_us, made_us)
    _fold_events(after, batch)
    return after, listening


def _arrivals_us(batch: ReadingBatch, book: SeriesBook) -> dict[SensorKey, int]:
    """Return every sensor in a batch, and when the last envelope came that it spoke in."""
    last = book.last_envelopes()
    columns = batch.sightings
    spoken = [
        (ChannelId(channel), int(columns.envelope[columns.channel == channel].max()))
        for channel in numbers_in(columns.channel)
    ]
    spoken += [(event.channel, event.envelope) for event in batch.events]
    for channel, envelope in spoken:
        ref = batch.channels[channel]
        key = ref.gateway, ref.sensor
        last[key] = max(envelope, last.get(key, envelope))
    return {key: int(batch.times.arrived_us[envelope]) for key, envelope in last.items()}


def _heard(state: SensorState, at_us: int, made_us: int) -> SensorState:
    """Return the state after a sign of life, whatever order such signs are looked at in."""
    if state.fresh_us is not None and state.last_at_us is not None:
        made_us, at_us = max((state.fresh_us, state.last_at_us), (made_us, at_us))
    return replace(state, last_at_us=at_us, fresh_us=made_us)


def _newest(at_us: Int64s, made_us: Int64s) -> tuple[int, int]:
    """Return the gateway's time and ours of the newest reading."""
    made = made_us.max()
    return int(at_us[made_us == made].max()), int(made)


def _fold_scalars(
    states: Mapping[SensorKey, SensorState],
    batch: ReadingBatch,
    book: SeriesBook,
) -> dict[SensorKey, SensorState]:
    """Take over the newest readings of each channel: bad ones are no sign of life.

    Returns:
        The state of every sensor in the batch, heard of just now.
    """
    found: dict[SensorKey, list[tuple[Quantity, Newest]]] = {}
    for (key, quantity), newest in book.newest().items():
        found.setdefault(key, []).append((quantity, newest))
    after: dict[SensorKey, SensorState] = {}
    for key, arrival_us in _arrivals_us(batch, book).items():
        state = states.get(key) or SensorState(key=key)
        channels = found.get(key, ())
        at_us, made_us = state.last_at_us, state.fresh_us
        for _, newest in channels:
            if (
                made_us is None
                or at_us is None
                or (newest.made_us, newest.at_us) > (made_us, at_us)
            ):
                made_us, at_us = newest.made_us, newest.at_us
        good = {quantity: n.good for quantity, n in channels if n.good is not None}
        opened, spells = state.opened, state.spells
        last_open = _last_open(book, key) if Quantity.CONTACT in good else None
        if last_open is not None:
            opened, spells = last_open.since, {**spells, OPEN: last_open}
        # Every sensor of every batch comes through here: "replace" takes five times as long.
        after[key] = SensorState(
            key=key,
            last_at_us=at_us,
            arrival_us=arrival_us,
            fresh_us=made_us,
            health=state.health,
            values={**state.values, **good},
            listened_us=state.listened_us,
            inventory_at_us=state.inventory_at_us,
            tampers=state.tampers,
            offline=state.offline,
            opened=opened,
            spells=spells,
            vehicles=state.vehicles,
            echoes=_echoes(state, [quantity for quantity, _ in channels], book),
            shelves=state.shelves,
        )
    return after


def _echoes(
    state: SensorState, quantities: Sequence[Quantity], book: SeriesBook
) -> Mapping[Quantity, Echo]:
    """Return what a sensor's channels said before, the batch included."""
    echoes: dict[Quantity, Echo] | None = None
    for quantity in quantities:
        if quantity in TRACED and (found := book.get(state.key, quantity)) is not None:
            echoes = dict(state.echoes) if echoes is None else echoes
            before = echoes.get(quantity, Echo())
            echoes[quantity] = fold_echo(before, found.good(), book)
    return state.echoes if echoes is None else echoes


def _last_open(book: SeriesBook, key: SensorKey) -> TamperSpell | None:
    """Return the last reading of an open contact, as a moment of its own."""
    contacts = book.get(key, Quantity.CONTACT)
    if contacts is None:
        return None
    rows = np.flatnonzero((contacts.quality == GOOD) & (contacts.value > CONTACT_OPEN))[-1:]
    if len(rows) == 0:
        return None
    sample = contacts.sample(int(rows[0]))
    arrived_us = book.arrivals_us(contacts.place[rows])
    return TamperSpell(since=sample, until_us=sample.made_us, arrived_us=int(arrived_us[0]))


def _listen(state: SensorState, rounds: Series) -> tuple[Listening, SensorState]:
    """Return how long the reader had listened at each round, and its state after them."""
    order = np.argsort(rounds.place, kind="stable")
    at_us = rounds.at_us[order]
    if len(at_us) == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Listening(place=nothing, listened_us=nothing, before_us=state.listened_us), state
    first_us = at_us[0] if state.inventory_at_us is None else state.inventory_at_us
    steps_us = np.clip(np.diff(at_us, prepend=first_us), 0, LISTEN_STEP_US_MAX)
    listened_us = state.listened_us + np.cumsum(steps_us)
    after = replace(state, listened_us=int(listened_us[-1]), inventory_at_us=int(at_us[-1]))
    table = Listening(
        place=rounds.place[order], listened_us=listened_us, before_us=state.listened_us
    )
    return table, after


def _sighted(batch: ReadingBatch) -> list[tuple[SensorKey, int, int]]:
    """Return each reader with sightings, the time of the last and when it was made."""
    columns = batch.sightings
    if len(columns) == 0:
        return []
    made_us = batch.made_us(columns.envelope, columns.at_us)
    found: list[tuple[SensorKey, int, int]] = []
    for channel in numbers_in(columns.channel):
        mine = np.flatnonzero(columns.channel == channel)
        ref = batch.channels[ChannelId(channel)]
        newest = _newest(columns.at_us[mine], made_us[mine])
        found.append(((ref.gateway, ref.sensor), *newest))
    return found


def _fold_events(states: dict[SensorKey, SensorState], batch: ReadingBatch) -> None:
    """Fold events in their order; cameras say that they live so often that only the newest is."""
    heard: dict[SensorKey, tuple[int, int]] = {}
    for event in batch.events:
        ref = batch.channels[event.channel]
        key = ref.gateway, ref.sensor
        made_us = batch.made_us_of(event)
        if event.type in _SIGNS_OF_LIFE:
            newest = made_us, event.at_us
            heard[key] = max(newest, heard.get(key, newest))
        arrived_us = int(batch.times.arrived_us[event.envelope])
        before = states[key]
        after = _told(before, event, made_us, arrived_us)
        if after is not before:
            states[key] = after
    for key, (made_us, at_us) in heard.items():
        states[key] = _heard(states[key], at_us, made_us)


def fold_event(state: SensorState, event: EventRow, made_us: int, arrived_us: int) -> SensorState:
    """Return a sensor's state after an event; a health that is none is implausible.

    Args:
        state: before it.
        event: as it came.
        made_us: when it was made, by our clock.
        arrived_us: when it came.
    """
    state = _told(state, event, made_us, arrived_us)
    return _heard(state, event.at_us, made_us) if event.type in _SIGNS_OF_LIFE else state


def _told(state: SensorState, event: EventRow, made_us: int, arrived_us: int) -> SensorState:
    """Return a sensor's state after what an event says of it, but that it lives."""
    match event.type:
        case EventType.HEALTH:
            health = _health(event.body.get("state"))
            return state if health is state.health else replace(state, health=health)
        case EventType.CAMERA_STATUS:
            status = str(event.body.get("status"))
            offline = None if status == _ONLINE else status
            return state if offline == state.offline else replace(state, offline=offline)
        case EventType.CAMERA_TAMPER:
            what, active = str(event.body.get("what")), event.body.get("active") is not False
            return _fold_tamper(state, what, event, (made_us, arrived_us), active=active)
        case EventType.CAMERA_OBJECT:
            return replace(state, vehicles=fold_vehicle(state.vehicles, event, made_us))
        case EventType.GNSS_INTEGRITY:
            for what, alarming in _INTEGRITY.items():
                active = event.body.get(what) in alarming
                state = _fold_tamper(state, what, event, (made_us, arrived_us), active=active)
            return state
        case _:
            return state


def _fold_tamper(
    state: SensorState, what: str, event: EventRow, times_us: tuple[int, int], *, active: bool
) -> SensorState:
    """Return the state after a sensor said whether it is tampered with so.

    Args:
        state: before it.
        what: the name of the tampering.
        event: what says so.
        times_us: when that was made and when it came, by our clock.
        active: whether it is.
    """
    made_us, arrived_us = times_us
    before = state.tampers.get(what)
    if active and before is None and len(state.tampers) < TAMPERS_MAX:
        sample = Sample(
            at_us=event.at_us,
            value=1.0,
            envelope_number=event.envelope_number,
            made_us=made_us,
            image_sha256=event.image_sha256,
        )
        return replace(state, tampers={**state.tampers, what: sample})
    if active and before is not None and before.image_sha256 is None and event.image_sha256:
        sample = replace(before, image_sha256=event.image_sha256)
        return replace(state, tampers={**state.tampers, what: sample})
    if active or before is None:
        return state
    tampers = {name: sample for name, sample in state.tampers.items() if name != what}
    spells = {name: spell for name, spell in state.spells.items() if name != what}
    spells = dict(list(spells.items())[-TAMPERS_MAX + 1 :])
    spells[what] = TamperSpell(since=before, until_us=made_us, arrived_us=arrived_us)
    return replace(state, tampers=tampers, spells=spells)


def _health(said: object) -> Health:
    known: Sequence[Health] = tuple(Health)
    return Health(said) if isinstance(said, str) and said in known else Health.IMPLAUSIBLE
