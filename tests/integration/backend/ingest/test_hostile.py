"""Forged, replayed, forked, gapped, oversized and future envelopes against a real database."""

from dataclasses import replace

import psycopg
import pytest

from backend.batch import write_batch
from backend.db import Database
from backend.errors import UnavailableError
from backend.ids import GatewayId
from backend.ingest.service import examine_all
from backend.ingest.store import REFUSED_BYTES_MAX, REFUSED_ROWS_PER_HOUR_MAX
from backend.ingest.types import Accepted, Duplicate, Fork, Gap, Message, Refused
from backend.telemetry.types import datetime_of
from schemas.envelope import CONTENT_TYPE, ENVELOPE_BYTES_MAX, encode_payload
from schemas.receipt import StreamState
from schemas.topics import up_topic
from tests.gateway_double import GatewayDouble
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import NET_G, TARE_G, build_warehouse

pytestmark = pytest.mark.integration
NAME = GatewayId("gw-1")


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse that has been quiet for three seconds."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    rig.quiet(3)
    return rig


def refused(rig: Rig) -> list[tuple[str, str | None]]:
    """Return the kept refusals, reason and claimed gateway."""
    rows = rig.made.execute("SELECT reason, gateway_id FROM refused_envelope ORDER BY id")
    return [(row[0], row[1]) for row in rows]


def test_hostile_envelopes_are_refused_by_name_and_kept(rig: Rig) -> None:
    """Each is refused with its reason, its bytes are evidence, and the stream goes on."""
    gateway = rig.made.gateway
    payload = encode_payload(gateway.envelope(rig.round(), rig.now_us))
    forger = replace(gateway, key=GatewayDouble().key)
    flipped = bytearray(gateway.sign(payload, rig.now_us).data)
    flipped[-1] ^= 1
    cases: dict[str, Message] = {
        "wrong_key": forger.seal(rig.round(), rig.now_us),
        "bad_signature": gateway.message(bytes(flipped), rig.now_us),
        "oversized": gateway.message(b"\0" * (ENVELOPE_BYTES_MAX + 1), rig.now_us),
        "unsupported_version": gateway.sign(payload, rig.now_us, f"{CONTENT_TYPE};v=2"),
        "not_cbor": gateway.message(b"\xff", rig.now_us),
        "unknown_gateway": replace(gateway.sign(payload, rig.now_us), topic=up_topic("gw-9")),
        "topic_mismatch": replace(gateway.sign(payload, rig.now_us), topic="pw/1/up/64/gw-1"),
    }
    for reason, message in cases.items():
        assert isinstance(rig.verdict(message), Refused), reason
    assert [row[0] for row in refused(rig)] == list(cases)
    kept = rig.made.execute(
        "SELECT length(bytes) FROM refused_envelope WHERE reason = 'oversized'"
    )
    assert kept == [(REFUSED_BYTES_MAX,)]
    assert isinstance(rig.verdict(gateway.seal(rig.round(), rig.now_us)), Accepted)
    assert rig.made.execute("SELECT state FROM stream") == [("open",)]


def test_replay_is_receipted_again_and_stored_once(rig: Rig) -> None:
    """The same bytes again change nothing, and their receipt is due again."""
    message = rig.made.gateway.seal(rig.round(), rig.now_us)
    rig.write(message)
    before = rig.made.execute("SELECT count(*) FROM scalar_reading")
    outcome = rig.write(message, message)
    assert all(isinstance(verdict, Duplicate) for verdict in outcome.verdicts)
    assert outcome.heads[NAME].number == 4
    assert rig.made.execute("SELECT count(*) FROM scalar_reading") == before
    assert refused(rig) == []


def test_gap_is_answered_with_the_last_number_held(rig: Rig) -> None:
    """Nothing is accepted beyond a gap; the receipt says from where to send again."""
    lost = rig.made.gateway.seal(rig.round(), rig.now_us)
    beyond = rig.made.gateway.seal(rig.round(), rig.now_us)
    outcome = rig.write(beyond)
    assert isinstance(outcome.verdicts[0], Gap)
    assert outcome.heads[NAME].number == 3
    assert all(isinstance(v, Accepted) for v in rig.write(lost, beyond).verdicts)


def test_fork_stops_the_stream_and_locks_its_lots(rig: Rig) -> None:
    """A second history under the gateway's key: evidence, a critical alert, a stopped stream."""
    rival = replace(rig.made.gateway)
    rig.write(rig.made.gateway.seal(rig.round(), rig.now_us))
    outcome = rig.write(rival.seal(rig.round(gross_g=1.0), rig.now_us))
    assert isinstance(outcome.verdicts[0], Fork)
    assert outcome.heads[NAME].state is StreamState.STOPPED
    assert rig.made.alerts()["gateway:gw-1:fork"] == ("critical", "open", False)
    state = rig.made.state()
    assert (state["surveillance"], state["tampered"]) == ("dark", True)
    assert refused(rig) == [("fork", "gw-1")]
    verdict = rig.verdict(rig.made.gateway.seal(rig.round(), rig.now_us))
    assert isinstance(verdict, Refused)
    assert refused(rig)[-1] == ("stream_stopped", "gw-1")


def test_flood_is_counted_and_not_kept(rig: Rig) -> None:
    """A sender's refusals are kept up to its allowance, and others' do not suffer."""
    flood = [
        rig.made.gateway.message(bytes([0xFF, n % 256, n // 256]), rig.now_us)
        for n in range(REFUSED_ROWS_PER_HOUR_MAX + 20)
    ]
    assert rig.write(*flood).evidence_dropped == 20
    assert len(refused(rig)) == REFUSED_ROWS_PER_HOUR_MAX
    stranger = replace(flood[0], topic=up_topic("gw-9"))
    assert rig.write(stranger).evidence_dropped == 0


def test_connection_killed_in_the_transaction_leaves_nothing(rig: Rig, db: Database) -> None:
    """The server ends the connection before the commit: no row of the batch is there."""
    gateway = rig.made.gateway
    before = rig.made.execute("SELECT number, readings FROM stream")
    less_g = rig.made.gross_g - NET_G - TARE_G
    message = gateway.seal(rig.round(gross_g=less_g), rig.now_us)
    with pytest.raises((UnavailableError, psycopg.OperationalError)):
        _write_and_be_killed(rig, db, message)
    rig.memory.forget()
    assert rig.made.execute("SELECT number, readings FROM stream") == before
    assert rig.made.execute("SELECT count(*) FROM envelope") == [(3,)]
    assert rig.made.execute("SELECT count(*) FROM scalar_reading") == [(6,)]
    assert rig.made.alerts() == {}
    assert rig.made.state()["quantity"] == "whole"
    assert isinstance(rig.verdict(message), Accepted)
    assert rig.made.state()["quantity"] == "short"


def _write_and_be_killed(rig: Rig, db: Database, message: Message) -> None:
    conn = db.connect()
    with db.working(conn):
        examined = examine_all([message], rig.book)
        write_batch(conn, examined, datetime_of(rig.now_us), rig.memory)
        rig.made.execute("SELECT pg_terminate_backend(%s)", conn.info.backend_pid)


def test_lot_whose_rules_raise_is_unevaluated_and_others_go_on(rig: Rig, db_url: str) -> None:
    """Its evidence is stored, it locks, and comes back when its setup makes sense again."""
    made = rig.made
    made.execute("UPDATE lot_state SET memory = '{\"loads\": 7}' WHERE lot_id = %s", made.lot)
    rig.quiet(1)
    assert made.state()["evaluated"] is False
    assert made.state()["custody"] == "in_zone"
    assert made.execute("SELECT count(*) FROM envelope") == [(4,)]
    made.execute("UPDATE lot_state SET memory = '{}' WHERE lot_id = %s", made.lot)
    rig.quiet(1)
    assert made.state()["evaluated"] is True
