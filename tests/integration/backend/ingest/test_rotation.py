"""A stream that hands over to the next key, and gateways that are revoked: on a real database."""

from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey

from backend.db import Database
from backend.ids import GatewayId
from backend.ingest import store
from backend.ingest.rules.chain import receipt_of
from backend.ingest.types import Accepted, Duplicate, Message, Reason, Refused, StreamHead
from backend.plant import service as plant
from backend.plant import store as plant_store
from backend.telemetry.types import datetime_of
from schemas.envelope import GENESIS_HASH
from schemas.keys import key_id_of
from schemas.quantities import EventType
from schemas.rotation import proof_text
from tests.builders import make_actor
from tests.gateway_double import GatewayDouble, Happening
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse that has been watched for a while."""
    made = Rig(db=db, made=build_warehouse(db_url))
    made.quiet(3)
    return made


def _naming(gateway: GatewayDouble, following: SigningKey, **changes: Any) -> Happening:  # noqa: ANN401
    public_key = bytes(following.verify_key)
    text = proof_text(gateway.name, gateway.key_id, public_key)
    body = {"public_key": public_key, "proof": following.sign(text).signature} | changes
    return Happening(sensor="gateway", type=EventType.KEY_ROTATED, body=body)


def _next_double(gateway: GatewayDouble, following: SigningKey) -> GatewayDouble:
    return replace(gateway, key=following, number=0, sha256=GENESIS_HASH, readings=0)


def _head(rig: Rig) -> StreamHead:
    with rig.db.working() as conn:
        return store.lock_heads(conn, [GatewayId("gw-1")])[GatewayId("gw-1")]


def _reason(rig: Rig, message: Message) -> Reason:
    verdict = rig.verdict(message)
    assert isinstance(verdict, Refused)
    return verdict.evidence.reason


def test_stream_goes_on_under_the_next_key(rig: Rig) -> None:
    """The last word is receipted until the first under the new key is: nothing twice."""
    old, following = rig.made.gateway, SigningKey.generate()
    last = old.seal([*rig.round(), _naming(old, following)], rig.now_us)

    assert isinstance(rig.verdict(last), Accepted)
    receipt = receipt_of(_head(rig), 1)
    assert (receipt.number, receipt.sha256, receipt.readings) == (
        old.number,
        old.sha256,
        old.readings,
    )
    assert isinstance(rig.verdict(last), Duplicate), "the receipt was lost, so it comes again"

    new = _next_double(old, following)
    first = new.seal(rig.round(), rig.now_us + 1)
    assert isinstance(rig.verdict(first), Accepted)
    assert isinstance(rig.verdict(first), Duplicate)
    receipt = receipt_of(_head(rig), 1)
    assert (receipt.number, receipt.sha256, receipt.readings) == (1, new.sha256, new.readings)
    assert rig.made.execute("SELECT count(*) FROM envelope") == [(old.number + 1,)]
    assert _reason(rig, old.seal(rig.round(), rig.now_us)) is Reason.WRONG_KEY


def test_last_word_and_the_first_of_the_next_come_in_one_batch(rig: Rig) -> None:
    """However they arrive, each is judged under its own key."""
    old, following = rig.made.gateway, SigningKey.generate()
    last = old.seal([_naming(old, following)], rig.now_us)
    first = _next_double(old, following).seal(rig.round(), rig.now_us)

    outcome = rig.write(last, last, first)

    assert isinstance(outcome.verdicts[0], Accepted)
    assert isinstance(outcome.verdicts[1], Duplicate)
    assert isinstance(rig.verdict(first), Accepted), "unknown in its batch, good in the next"


def test_closed_key_signs_nothing_more(rig: Rig) -> None:
    """An envelope after the last word, or another in its place, is kept and not accepted."""
    old, following = rig.made.gateway, SigningKey.generate()
    before = replace(old)
    rig.verdict(old.seal([_naming(old, following)], rig.now_us))
    assert _reason(rig, old.seal(rig.round(), rig.now_us)) is Reason.KEY_CLOSED
    assert _reason(rig, before.seal(rig.round(), rig.now_us)) is Reason.KEY_CLOSED
    assert _head(rig).state.value == "open"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"proof": bytes(64)}, id="no-proof"),
        pytest.param({"public_key": bytes(32)}, id="small-order"),
        pytest.param({"public_key": b"x"}, id="short"),
        pytest.param({"public_key": "text"}, id="text"),
    ],
)
def test_next_key_without_proof_is_refused(rig: Rig, changes: dict[str, Any]) -> None:
    """The old key stays, and the envelope is evidence."""
    old = rig.made.gateway
    before = _head(rig)
    named = _naming(old, SigningKey.generate(), **changes)
    assert _reason(rig, old.seal([named], rig.now_us)) is Reason.BAD_ROTATION
    assert _head(rig) == before


def test_proof_for_another_gateway_or_key_is_refused(rig: Rig) -> None:
    """A proof fits one gateway, one old key, one new key; and a key is used once."""
    old, following = rig.made.gateway, SigningKey.generate()
    foreign = proof_text("gw-2", old.key_id, bytes(following.verify_key))
    named = _naming(old, following, proof=following.sign(foreign).signature)
    assert _reason(rig, replace(old).seal([named], rig.now_us)) is Reason.BAD_ROTATION
    own = _naming(old, old.key)
    assert _reason(rig, replace(old).seal([own], rig.now_us)) is Reason.BAD_ROTATION
    named = _naming(old, following)
    later = Happening(sensor="gateway", type=EventType.HEALTH, body={"state": "up", "why": ""})
    assert _reason(rig, replace(old).seal([named, later], rig.now_us)) is Reason.BAD_ROTATION
    assert isinstance(rig.verdict(old.seal([later, named], rig.now_us)), Accepted)


def test_revoked_gateway_is_refused_until_it_is_enrolled_anew(rig: Rig) -> None:
    """By name, with the evidence kept; its receipt says that the stream is stopped."""
    now = datetime_of(rig.now_us)
    with rig.db.acting(make_actor()) as conn:
        plant.revoke(conn, GatewayId("gw-1"), now)
    assert _reason(rig, rig.made.gateway.seal(rig.round(), rig.now_us)) is Reason.REVOKED
    assert receipt_of(_head(rig), 1).state.value == "stopped"
    key = SigningKey.generate()
    with rig.db.enrolling() as conn:
        plant_store.save_enrolment(
            conn, GatewayId("gw-1"), bytes(key.verify_key), key_id_of(bytes(key.verify_key)), now
        )
    new = _next_double(rig.made.gateway, key)
    assert isinstance(rig.verdict(new.seal(rig.round(), rig.now_us)), Accepted)
