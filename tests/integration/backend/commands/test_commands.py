"""Commands to a gateway double, and what its signed answers do: on a real database."""

from datetime import timedelta
from typing import Any

import pytest

from backend.collateral import service as collateral
from backend.commands import service, store
from backend.commands.errors import TooManyPendingError
from backend.commands.rules import ANSWER_WITHIN, PENDING_MAX
from backend.commands.types import CommandOutcome
from backend.db import Database
from backend.errors import NotFoundError
from backend.ids import GatewayId
from backend.keys import BackendKey
from backend.plant.errors import NotEnrolledError
from backend.telemetry.types import datetime_of
from schemas.command import Challenge, Configure, Rotate, decode_command
from schemas.cose import decode_sign1
from schemas.quantities import EventType
from tests.gateway_double import Happening
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import build_warehouse

pytestmark = pytest.mark.integration
GATEWAY = GatewayId("gw-1")
DIGEST = bytes(range(32))


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse that has been watched for a while."""
    made = Rig(db=db, made=build_warehouse(db_url))
    made.quiet(5)
    return made


def _ask(rig: Rig, order: Challenge | Configure | Rotate) -> int:
    with rig.db.working() as conn:
        asked = service.Asked(gateway_id=GATEWAY, order=order)
        return service.ask(conn, asked, datetime_of(rig.now_us))


def _say(rig: Rig, kind: EventType, **body: Any) -> None:  # noqa: ANN401 - any plain value
    rig.quiet(1, extra=[Happening(sensor="gateway", type=kind, body=body)])


def _alerts(rig: Rig, cause: str) -> list[tuple[Any, ...]]:
    return rig.made.execute(
        "SELECT kind, severity, ceased_at IS NOT NULL FROM alert WHERE cause = %s", cause
    )


def _surveillance(rig: Rig) -> set[str]:
    return {row[0] for row in rig.made.execute("SELECT surveillance FROM lot_state")}


def _trust(rig: Rig) -> Any:  # noqa: ANN401 - the record
    with rig.db.working() as conn:
        return service.load_trust(conn, GATEWAY)


def _note_unanswered(rig: Rig) -> list[GatewayId]:
    now = datetime_of(rig.now_us)
    with rig.db.working() as conn:
        gateways = service.note_unanswered(conn, now)
        collateral.reconsider(conn, gateways, now)
    return gateways


def test_command_waits_until_the_stream_answers_it(rig: Rig) -> None:
    """Numbered from 1, the lowest first; the gateway's word ends it, and stays."""
    first, second = _ask(rig, Rotate()), _ask(rig, Configure("[seal]\n"))
    now = datetime_of(rig.now_us)
    with rig.db.working() as conn:
        assert [each.number for each in service.pending(conn, now)] == [first]

    _say(rig, EventType.COMMAND_DONE, number=first, type="rotate", outcome="failed", why="disk")
    _say(rig, EventType.COMMAND_DONE, number=first, type="rotate", outcome="done", why="")

    with rig.db.working() as conn:
        assert [each.number for each in service.pending(conn, now)] == [second]
        newest, oldest = store.list_records(conn, GATEWAY)
    assert (newest.number, newest.outcome) == (second, None)
    assert (oldest.outcome, oldest.why) == (CommandOutcome.FAILED, "disk")


def test_command_is_signed_the_same_each_time(rig: Rig) -> None:
    """What is sent again is byte for byte what was sent before."""
    _ask(rig, Configure("[seal]\n"))
    key = BackendKey(bytes(32))
    with rig.db.working() as conn:
        (waiting,) = service.pending(conn, datetime_of(rig.now_us))

    message = service.sign(key, waiting)

    assert message == service.sign(key, waiting)
    said = decode_command(decode_sign1(message, bytes_max=4_096))
    assert (said.gateway, said.number, said.order) == (GATEWAY, 1, Configure("[seal]\n"))


def test_expired_command_is_not_sent(rig: Rig) -> None:
    """From its end on nobody sends it; a late answer is kept all the same."""
    number = _ask(rig, Challenge(bytes(32)))
    with rig.db.working() as conn:
        assert service.pending(conn, datetime_of(rig.now_us) + timedelta(minutes=10)) == []

    _say(rig, EventType.CHALLENGE_ANSWER, number=number, nonce=bytes(32))

    with rig.db.working() as conn:
        assert store.list_records(conn, GATEWAY)[0].outcome is CommandOutcome.DONE


def test_gateway_without_key_is_not_asked(rig: Rig) -> None:
    """It could believe nothing, and sign nothing."""
    rig.made.execute(
        "INSERT INTO gateway (id, site_id) SELECT 'gw-new', site_id FROM gateway LIMIT 1"
    )
    now = datetime_of(rig.now_us)
    for gateway, error in (("gw-new", NotEnrolledError), ("gw-none", NotFoundError)):
        with rig.db.working() as conn, pytest.raises(error):
            service.challenge(conn, GatewayId(gateway), None, now)


def test_silent_gateway_is_not_asked_for_ever_more(rig: Rig) -> None:
    """What is pending is bounded."""
    for _ in range(PENDING_MAX):
        _ask(rig, Rotate())
    with pytest.raises(TooManyPendingError):
        _ask(rig, Rotate())


def test_unanswered_challenge_darkens_what_the_gateway_watches(rig: Rig) -> None:
    """A stream that goes on without the nonce may be a replayed world, until the nonce comes."""
    number = _ask(rig, Challenge(DIGEST))
    rig.later(ANSWER_WITHIN.total_seconds())
    assert _note_unanswered(rig) == [], "nothing has arrived since: silence has its own alert"
    rig.quiet(2)
    assert _surveillance(rig) == {"live"}

    assert _note_unanswered(rig) == [GATEWAY]
    assert _note_unanswered(rig) == []

    assert _alerts(rig, "gateway:gw-1:challenge") == [("surveillance_lost", "critical", False)]
    assert _surveillance(rig) == {"dark"}
    assert _trust(rig).unanswered_since is not None

    _say(rig, EventType.CHALLENGE_ANSWER, number=number, nonce=bytes(32))
    assert _surveillance(rig) == {"dark"}, "a wrong nonce answers nothing"
    _say(rig, EventType.CHALLENGE_ANSWER, number=number, nonce=DIGEST)

    assert _alerts(rig, "gateway:gw-1:challenge") == [("surveillance_lost", "critical", True)]
    assert _surveillance(rig) == {"live"}
    trust = _trust(rig)
    assert trust.unanswered_since is None
    assert trust.answered_at == datetime_of(rig.now_us)


def test_done_is_no_answer_to_a_challenge(rig: Rig) -> None:
    """Only the nonce shows that the stream is made now."""
    number = _ask(rig, Challenge(DIGEST))
    rig.later(ANSWER_WITHIN.total_seconds())
    _say(rig, EventType.COMMAND_DONE, number=number, type="challenge", outcome="done", why="")
    assert _note_unanswered(rig) == [GATEWAY]


def test_gateways_that_are_heard_are_challenged_at_random(rig: Rig) -> None:
    """Certain at sixty an hour, decided each minute; never twice at once, nor the silent."""
    now = datetime_of(rig.now_us)
    with rig.db.working() as conn:
        assert service.challenge_some(conn, 60.0, 60.0, now + timedelta(hours=1)) == []
        assert service.challenge_some(conn, 0.0, 60.0, now) == []
        assert service.challenge_some(conn, 60.0, 60.0, now) == [GATEWAY]
        assert service.challenge_some(conn, 60.0, 60.0, now) == []


def _start(rig: Rig, **changes: Any) -> None:  # noqa: ANN401 - any plain value
    body = {
        "software": "1.0",
        "software_sha256": DIGEST,
        "config_sha256": DIGEST,
        "boot_id": bytes(16),
    }
    _say(rig, EventType.GATEWAY_START, **(body | changes))


def test_change_that_nobody_commanded_is_told(rig: Rig) -> None:
    """The same again is silent; other software is a warning that stays, though it is over."""
    _start(rig)
    _start(rig)
    assert _alerts(rig, "gateway:gw-1:changed") == []

    _start(rig, software_sha256=bytes(32))

    assert _alerts(rig, "gateway:gw-1:changed") == [("tamper", "warning", True)]
    assert _trust(rig).software_sha256 == bytes(32)
    assert _surveillance(rig) == {"live"}


def test_commanded_configuration_is_no_surprise(rig: Rig) -> None:
    """It names its command, and is what the next start is measured against; once."""
    _start(rig)
    number = _ask(rig, Configure("[seal]\n"))
    _start(rig, config_sha256=bytes(32), command=number)
    _say(rig, EventType.COMMAND_DONE, number=number, type="configure", outcome="done", why="")
    _start(rig, config_sha256=bytes(32))
    assert _alerts(rig, "gateway:gw-1:changed") == []
    _start(rig, command=number)
    assert _alerts(rig, "gateway:gw-1:changed") == [("tamper", "warning", True)]
