"""An envelope that can not be stored stands alone; everything else of its batch is stored."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

import pytest

from backend.db import Database
from backend.ids import GatewayId
from backend.ingest.service import examine_all
from backend.ingest.types import Message, Outcome
from backend.plant.store import save_enrolment
from backend.telemetry.types import datetime_of
from backend.worker import POISON_RETRY_S, Writer
from tests.builders import FixedClock
from tests.gateway_double import GatewayDouble
from tests.integration.backend.ingest.rig import SECOND_US, Rig
from tests.warehouse import Warehouse, add_gateway, build_warehouse

pytestmark = pytest.mark.integration
NAME = GatewayId("gw-1")
CAUSE = "gateway:gw-1:not_stored"
POISON = """
    CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF {} THEN RAISE EXCEPTION 'it can not be stored'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER poison BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION poison()
"""


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse of which nothing was heard."""
    return Rig(db=db, made=build_warehouse(db_url))


@pytest.fixture
def clock(rig: Rig) -> FixedClock:
    """The backend's clock."""
    return FixedClock(datetime_of(rig.now_us))


@pytest.fixture
def writer(rig: Rig, clock: FixedClock) -> Iterator[Writer]:
    """A writer that holds every lease."""
    writer = Writer(rig.db, clock)
    writer.book.learn_keys(writer.lease())
    yield writer
    writer.close()


def seal(rig: Rig, gateway: GatewayDouble, count: int) -> list[Message]:
    """Return a gateway's next envelopes, a second apart."""
    begin_us = rig.now_us + SECOND_US * gateway.number
    return [gateway.seal(rig.round(), begin_us + n * SECOND_US) for n in range(count)]


def commit(writer: Writer, messages: list[Message]) -> list[Outcome]:
    """Commit messages as the worker does."""
    return writer.commit(examine_all(messages, writer.book))


def held(made: Warehouse) -> dict[str, int]:
    """Return how far each stream is stored."""
    rows = made.execute("SELECT gateway_id, count(*), max(number) FROM envelope GROUP BY 1")
    assert all(count == last for _, count, last in rows)
    return {gateway: last for gateway, _, last in rows}


def test_envelope_that_can_not_be_stored_holds_up_its_stream_alone(
    rig: Rig, writer: Writer, clock: FixedClock
) -> None:
    """It is kept as evidence under an alert; later, when it can be stored, the stream goes on."""
    made, other = rig.made, GatewayDouble(name="gw-2")
    add_gateway(made, other)
    writer.book.learn_keys(writer.lease())
    made.execute(POISON.format("NEW.gateway_id = 'gw-1' AND NEW.number = 3", "envelope"))
    mine, others = seal(rig, made.gateway, 5), seal(rig, other, 5)
    outcomes = commit(writer, list(chain(*zip(mine, others, strict=True))))
    assert held(made) == {"gw-1": 2, "gw-2": 5}
    assert made.execute("SELECT reason, gateway_id, number FROM refused_envelope") == [
        ("not_stored", "gw-1", 3)
    ]
    assert made.alerts()[CAUSE] == ("critical", "open", False)
    assert outcomes[-1].heads[GatewayId("gw-2")].number == 5

    made.execute("DROP TRIGGER poison ON envelope")
    commit(writer, mine[2:])
    assert held(made) == {"gw-1": 2, "gw-2": 5}  # Known, so not even tried.
    clock.advance(timedelta(seconds=POISON_RETRY_S + 1))
    commit(writer, mine[2:])
    assert held(made) == {"gw-1": 5, "gw-2": 5}
    assert made.alerts()[CAUSE] == ("critical", "open", True)


def test_refusal_that_can_not_be_stored_keeps_nothing_else_from_it(
    rig: Rig, writer: Writer
) -> None:
    """Noise whose refusal the database will not take is left to the log."""
    rig.made.execute(POISON.format("true", "refused_envelope"))
    noise = rig.made.gateway.message(b"noise", rig.now_us)
    outcomes = commit(writer, [noise, *seal(rig, rig.made.gateway, 2), noise])
    assert held(rig.made) == {"gw-1": 2}
    assert outcomes[-1].heads[NAME].number == 2
    assert CAUSE not in rig.made.alerts()


def test_alert_of_a_fork_ceases_when_the_gateway_goes_on_under_a_new_key(
    rig: Rig, writer: Writer, clock: FixedClock
) -> None:
    """Enrolled anew, its first envelope ends what the fork was; the alert stays for a person."""
    gateway = rig.made.gateway
    rival = GatewayDouble(key=gateway.key)
    commit(writer, [*seal(rig, gateway, 1), rival.seal(rig.round(gross_g=1.0), rig.now_us)])
    assert rig.made.alerts()["gateway:gw-1:fork"] == ("critical", "open", False)
    again = GatewayDouble()
    with rig.db.working() as conn:
        save_enrolment(conn, NAME, again.public_key, again.key_id, clock.now())
    writer.book.learn_keys(writer.lease())
    commit(writer, [again.seal(rig.round(), rig.now_us + SECOND_US)])
    assert rig.made.alerts()["gateway:gw-1:fork"] == ("critical", "open", True)
