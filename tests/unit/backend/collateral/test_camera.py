"""What cameras tell of their own view, and what it does to the lots that they watch."""

from uuid import uuid4

import pytest

from backend.collateral.rules.facts import tamper_facts
from backend.collateral.rules.sensors import fold_event
from backend.collateral.rules.surveillance import TAMPER_GRAVE_US
from backend.collateral.types import Binding, Purpose, SensorState
from backend.ids import BindingId, ChannelId, GatewayId, ZoneId
from backend.telemetry.types import EventRow
from schemas.quantities import EventType

KEY = GatewayId("gw-1"), "cam"
IMAGE = bytes(range(32))


def event(kind: EventType, at_us: int, image: bytes | None = None, **body: object) -> EventRow:
    """Return an event of the camera."""
    return EventRow(
        at_us=at_us,
        channel=ChannelId(1),
        envelope=0,
        envelope_number=5,
        type=kind,
        body=body,
        image_sha256=image,
    )


@pytest.mark.parametrize("what", ["covered", "moved", "blurry", "dark", "frozen"])
def test_every_tampering_is_a_finding_with_its_image(what: str) -> None:
    """Told once, grave when it lasts, gone when the camera says so."""
    binding = Binding(
        id=BindingId(1),
        gateway=KEY[0],
        sensor=KEY[1],
        purpose=Purpose.CAMERA,
        zone_id=ZoneId(uuid4()),
        lot_id=None,
        max_gap_s=60,
    )
    told = event(EventType.CAMERA_TAMPER, 1, IMAGE, what=what, active=True)
    state = fold_event(SensorState(key=KEY), told, 1)

    (fact,) = tamper_facts(binding, state, 1)
    (later,) = tamper_facts(binding, state, 2 + TAMPER_GRAVE_US)
    freed = fold_event(state, event(EventType.CAMERA_TAMPER, 2, what=what, active=False), 2)

    assert state.is_tampered
    assert (fact.grave, later.grave) == (False, True)
    assert state.tampers[what].image_sha256 == IMAGE
    assert tamper_facts(binding, freed, 3) == []


def test_snapshot_is_a_sign_of_life() -> None:
    """And nothing else: it is neither health nor tampering."""
    state = fold_event(SensorState(key=KEY), event(EventType.SNAPSHOT, 7, IMAGE, why="x"), 9)

    assert (state.last_at_us, state.fresh_us) == (7, 9)
    assert not state.is_tampered
