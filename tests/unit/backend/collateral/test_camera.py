"""What cameras and receivers tell of themselves, and what it does to the lots that they watch."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.memory import sensor_memory_json, spells_of, vehicles_of
from backend.collateral.rules.sensors import fold_event
from backend.collateral.rules.sun import sun_height_deg
from backend.collateral.rules.view import (
    UNWATCHED_US,
    VEHICLE_US_MAX,
    WATCHED_US,
    tamper_facts,
)
from backend.collateral.types import Fact, FactKind, Purpose, SensorKey, SensorState
from backend.ids import ChannelId
from backend.telemetry.types import EventRow
from schemas.quantities import EventType
from tests.unit.backend.collateral.columns import NAME, SECOND_US, binding_of, setup_of

NOON_US, MIDNIGHT_US = 1_790_078_400 * SECOND_US, 1_790_121_600 * SECOND_US
IMAGE = bytes(range(32))
OBJECTS: SensorKey = (NAME, "cam")
IMAGES: SensorKey = (NAME, "cam-image")
SETUP = setup_of(
    binding_of("cam", Purpose.CAMERA),
    binding_of("cam-image", Purpose.CAMERA),
    binding_of("tracker", Purpose.POSITION),
    binding_of("door", Purpose.DOOR),
)
States = dict[SensorKey, SensorState]


def event(kind: EventType, at_us: int, image: bytes | None = None, **body: object) -> EventRow:
    """Return an event of a camera."""
    return EventRow(
        at_us=at_us,
        channel=ChannelId(1),
        envelope=0,
        envelope_number=5,
        type=kind,
        body=body,
        image_sha256=image,
    )


def verdict(at_us: int, what: str, *, active: bool) -> EventRow:
    """Return a verdict on images."""
    return event(EventType.CAMERA_TAMPER, at_us, IMAGE, what=what, active=active)


def lorry(at_us: int, phase: str, name: str = "1") -> EventRow:
    """Return an event of a lorry in view."""
    return event(EventType.CAMERA_OBJECT, at_us, id=name, label="truck", phase=phase)


def fold(told: Sequence[tuple[SensorKey, EventRow]], late_us: int = 0) -> States:
    """Return the states after events, each made as it says and arrived so much later."""
    states: States = {}
    for key, each in told:
        state = states.get(key, SensorState(key=key))
        states[key] = fold_event(state, each, each.at_us, each.at_us + late_us)
    return states


def judge(states: States, now_us: int, since_us: int | None = None) -> list[Fact]:
    """Return what is found at a time, after readings that came since another."""
    since_us = now_us if since_us is None else since_us
    seen = Seen(sensors=states, streams={}, sights=(), now_us=now_us, since_us=since_us)
    return tamper_facts(SETUP, seen)


@pytest.mark.parametrize("what", ["covered", "moved", "blurry", "frozen"])
def test_every_tampering_is_a_finding_with_its_image(what: str) -> None:
    """Told at once, grave when it lasts, gone some seconds after the camera says so."""
    states = fold([(IMAGES, verdict(NOON_US, what, active=True))])
    (fact,) = judge(states, NOON_US)
    (later,) = judge(states, NOON_US + UNWATCHED_US)
    freed = fold(
        [
            (IMAGES, verdict(NOON_US, what, active=True)),
            (IMAGES, verdict(NOON_US + 1, what, active=False)),
        ]
    )

    assert states[IMAGES].is_tampered
    assert (fact.grave, later.grave) == (False, True)
    assert fact.evidence[0].image_sha256 == IMAGE
    assert fact.probability < later.probability
    assert judge(freed, NOON_US + 15 * SECOND_US) == []


@pytest.mark.parametrize("what", ["covered", "moved"])
def test_a_lorry_in_view_explains_what_it_hides_and_nothing_longer(what: str) -> None:
    """A minute of a known lorry raises nothing; a quarter of an hour is no lorry any more."""
    begun = [
        (OBJECTS, lorry(NOON_US - 30 * SECOND_US, "new")),
        (IMAGES, verdict(NOON_US, what, active=True)),
    ]
    over = [
        *begun,
        (OBJECTS, lorry(NOON_US + 30 * SECOND_US, "end")),
        (IMAGES, verdict(NOON_US + 70 * SECOND_US, what, active=False)),
    ]
    assert judge(fold(begun), NOON_US + 29 * SECOND_US) == []
    assert judge(fold(over), NOON_US + 71 * SECOND_US, since_us=NOON_US) == []
    (stays,) = judge(fold(begun), NOON_US + VEHICLE_US_MAX + UNWATCHED_US)
    assert stays.grave


def test_where_lorries_are_told_a_verdict_without_one_is_grave_sooner() -> None:
    """The camera told of a lorry yesterday, is online, and tells of none now."""
    day_us = 86_400 * SECOND_US
    told = [
        (OBJECTS, lorry(NOON_US - day_us, "new")),
        (OBJECTS, lorry(NOON_US - day_us + 60 * SECOND_US, "end")),
        (IMAGES, verdict(NOON_US, "covered", active=True)),
        (OBJECTS, event(EventType.CAMERA_STATUS, NOON_US, status="online")),
    ]
    (fact,) = judge(fold(told), NOON_US + WATCHED_US)
    assert fact.grave
    dead = [*told, (OBJECTS, event(EventType.CAMERA_STATUS, NOON_US, status="offline"))]
    (fact,) = judge(fold(dead), NOON_US + WATCHED_US)
    assert not fact.grave


def test_darkness_alone_is_never_critical() -> None:
    """By night the camera sees nothing; by day somebody may have seen to that."""
    for begin_us, kind in ((NOON_US, FactKind.TAMPER), (MIDNIGHT_US, FactKind.SENSOR_LOST)):
        states = fold([(IMAGES, verdict(begin_us, "dark", active=True))])
        (fact,) = judge(states, begin_us + 6 * 3_600 * SECOND_US)
        assert (fact.kind, fact.grave) == (kind, False)


def test_the_sun_stands_where_it_should() -> None:
    """At noon of an equinox it is as high as the latitude leaves; at midnight below."""
    assert sun_height_deg(51.95, 0.0, NOON_US) == pytest.approx(38.0, abs=1.5)
    assert sun_height_deg(51.95, 0.0, MIDNIGHT_US) < -35.0


def test_a_tampering_inside_one_batch_is_told_with_its_own_times() -> None:
    """Covered for ten minutes at the beginning of thirteen hours that come at once."""
    end_us = NOON_US + 600 * SECOND_US
    outage_us = 13 * 3_600 * SECOND_US
    states = fold(
        [
            (IMAGES, verdict(NOON_US, "covered", active=True)),
            (IMAGES, verdict(end_us, "covered", active=False)),
        ],
        late_us=outage_us,
    )
    now_us = end_us + outage_us + 30 * SECOND_US
    (fact,) = judge(states, now_us, since_us=NOON_US + outage_us)
    assert fact.grave
    assert fact.began_us == NOON_US
    assert judge(states, now_us) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"jamming": "warning", "spoofing": "none"}, []),
        ({"jamming": "critical", "spoofing": "unknown"}, ["jamming"]),
        ({"jamming": "ok", "spoofing": "multiple"}, ["spoofing"]),
    ],
)
def test_a_receiver_that_is_jammed_or_fooled_says_so(
    body: dict[str, str], found: list[str]
) -> None:
    """What a receiver finds in its signals is tampering, and grave when it lasts."""
    key = NAME, "tracker"
    states = fold([(key, event(EventType.GNSS_INTEGRITY, NOON_US, None, **body))])
    assert [fact.key.split(":")[-1] for fact in judge(states, NOON_US)] == found
    assert all(fact.grave for fact in judge(states, NOON_US + 400 * SECOND_US))


def test_snapshot_is_a_sign_of_life() -> None:
    """And nothing else: it is neither health nor tampering."""
    state = fold_event(SensorState(key=IMAGES), event(EventType.SNAPSHOT, 7, IMAGE, why="x"), 9, 9)

    assert (state.last_at_us, state.fresh_us) == (7, 9)
    assert not state.is_tampered


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just(IMAGES),
            st.sampled_from(["covered", "moved", "dark", "other"]),
            st.booleans(),
        ),
        st.tuples(
            st.just(OBJECTS), st.sampled_from(["new", "update", "end"]), st.sampled_from("123")
        ),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_memory_is_bounded_and_survives_its_stored_form(
    steps: list[tuple[SensorKey, str, bool | str]],
) -> None:
    """Whatever a camera tells, little is kept of it, and that is read back as it was."""
    told: list[tuple[SensorKey, EventRow]] = []
    for number, (key, what, more) in enumerate(steps):
        at_us = NOON_US + number * 40 * SECOND_US
        if isinstance(more, bool):
            told.append((key, verdict(at_us, what, active=more)))
        else:
            told.append((key, lorry(at_us, what, more)))
    for state in fold(told).values():
        stored = sensor_memory_json(state)
        assert spells_of(stored) == state.spells
        assert vehicles_of(stored) == state.vehicles
        assert len(state.vehicles) <= 16
        assert len(state.spells) <= 8
