"""What a worker remembers of sensors is what is stored, whatever happens in between."""

from random import Random

import pytest

from backend.batch import Memory, write_batch
from backend.collateral.rules.lot import sensor_of
from backend.collateral.store.states import load_sensors_of
from backend.collateral.types import SensorKey, SensorState
from backend.db import Database
from backend.errors import UnavailableError
from backend.ids import GatewayId
from backend.ingest.service import examine_all
from backend.ingest.types import Message
from backend.telemetry.types import datetime_of
from backend.worker import Writer
from schemas.quantities import EventType, Quantity
from tests.builders import FixedClock
from tests.gateway_double import Happening, Sealed, Value
from tests.integration.backend.ingest.rig import SECOND_US, Rig
from tests.warehouse import NET_G, TARE_G, build_warehouse

pytestmark = pytest.mark.integration
NAME = GatewayId("gw-1")
SECONDS = 24
VALUES = (-18.0, 0.1 + 0.2, -0.0, 5e-324, 1.7e308, -40.125)
BAD = 3


class StoppedError(Exception):
    """Ends a transaction."""


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse of which nothing was heard."""
    return Rig(db=db, made=build_warehouse(db_url))


def stored(rig: Rig) -> dict[SensorKey, SensorState]:
    """Return the states of the gateway's sensors in the database."""
    with rig.db.working() as conn:
        states = [sensor_of(row) for row in load_sensors_of(conn, [NAME])]
    return {state.key: state for state in states}


def happenings(rng: Random) -> list[Sealed]:
    """Return anything that sensors may say within a second."""
    some: list[Sealed] = [
        Value(
            sensor=f"climate-{rng.randrange(3)}",
            quantity=rng.choice((Quantity.TEMPERATURE, Quantity.HUMIDITY)),
            value=rng.choice(VALUES),
            offset_us=rng.randrange(SECOND_US),
            quality=rng.choice((0, 0, 1, BAD)),
        )
        for _ in range(rng.randrange(5))
    ]
    some += [
        Value(sensor="door", quantity=Quantity.CONTACT, value=float(rng.random() < 0.3))
        for _ in range(rng.randrange(2))
    ]
    bodies = (
        (EventType.CAMERA_TAMPER, {"what": rng.choice(("covered", "moved")), "active": True}),
        (EventType.CAMERA_TAMPER, {"what": "covered", "active": False}),
        (EventType.CAMERA_STATUS, {"status": rng.choice(("online", "stopped"))}),
        (EventType.HEALTH, {"state": rng.choice(("up", "late", "silent", "odd"))}),
    )
    some += [
        Happening(sensor="camera", type=kind, body=body)
        for kind, body in bodies
        if rng.random() < 0.3
    ]
    return some


def seconds_of(rig: Rig, rng: Random) -> list[Message]:
    """Return a random stream, an envelope a second."""
    sealed: list[Message] = []
    for _ in range(SECONDS):
        rig.now_us += SECOND_US
        gone = frozenset(epc for epc in rig.made.items if rng.random() < 0.3)
        readings = rig.round(gone, extra=happenings(rng))
        sealed.append(rig.made.gateway.seal(readings, rig.now_us - rng.randrange(3) * SECOND_US))
    return sealed


@pytest.mark.parametrize("seed", range(4))
def test_what_is_remembered_is_what_is_stored(rig: Rig, seed: int) -> None:
    """After every batch a worker that starts anew would know the same, to the last bit."""
    rng = Random(seed)
    messages = seconds_of(rig, rng)
    while messages:
        count = rng.randrange(1, 5)
        rig.write(*messages[:count])
        del messages[:count]
        found = stored(rig)
        assert rig.memory.sensors.states(found) == found
        newest = max(state.fresh_us for state in found.values() if state.fresh_us is not None)
        assert rig.memory.sensors.fresh_us() == {NAME: newest}


def test_rolled_back_batch_is_forgotten(rig: Rig) -> None:
    """What was folded and never committed is not built upon, even if nobody said so."""
    rig.quiet(2)
    before = stored(rig)
    less_g = rig.made.gross_g - NET_G - TARE_G
    message = rig.made.gateway.seal(rig.round(gross_g=less_g), rig.now_us + SECOND_US)
    with pytest.raises(StoppedError):
        _write_and_roll_back(rig, message)
    assert stored(rig) == before
    rig.book.forget()
    rig.now_us += SECOND_US
    rig.write(message)
    found = stored(rig)
    assert rig.memory.sensors.states(found) == found
    assert rig.made.state()["quantity"] == "short"


def _write_and_roll_back(rig: Rig, message: Message) -> None:
    with rig.db.working() as conn:
        examined = examine_all([message], rig.book)
        write_batch(conn, examined, datetime_of(rig.now_us), rig.memory)
        raise StoppedError


def test_worker_that_lost_its_lease_knows_what_the_next_one_wrote(rig: Rig) -> None:
    """Between two leases another worker wrote: nothing of the first lease is built upon."""
    clock = FixedClock(datetime_of(rig.now_us))
    writer = Writer(rig.db, clock)
    writer.book.learn_keys(writer.lease())
    writer.write(examine_all([rig.made.gateway.seal(rig.round(), rig.now_us)], writer.book))
    assert NAME in writer.memory.sensors.fresh_us()
    rig.made.execute("SELECT pg_terminate_backend(%s, 5000)", writer.connection().info.backend_pid)
    rig.quiet(3, extra=[Value(sensor="door", quantity=Quantity.CONTACT, value=1.0)])
    late = rig.made.gateway.seal(rig.round(), rig.now_us + SECOND_US)
    with pytest.raises(UnavailableError):
        writer.write(examine_all([late], writer.book))
    assert writer.memory.sensors.fresh_us() == {}
    writer.lease()
    writer.write(examine_all([late], writer.book))
    found = stored(rig)
    assert found[NAME, "door"].opened is not None
    assert writer.memory.sensors.states(found) == found
    writer.close()


def test_state_that_can_not_be_read_is_not_remembered(rig: Rig) -> None:
    """Its lot is unevaluated until somebody mends the row, and no longer."""
    rig.quiet(2)
    broken = "UPDATE sensor_state SET memory = %s WHERE sensor = 'scale'"
    rig.made.execute(broken, '{"opened": 7}')
    rig.memory = Memory()
    rig.quiet(1)
    assert rig.made.state()["evaluated"] is False
    rig.made.execute(broken, "{}")
    rig.quiet(1)
    assert rig.made.state()["evaluated"] is True
