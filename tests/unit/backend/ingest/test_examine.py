"""From bytes on a topic to a verified envelope, or a named refusal."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ids import GatewayId
from backend.ingest.rules.examine import examine, gateway_of
from backend.ingest.service import Book, examine_all
from backend.ingest.types import Examined, Message, Reason, Refused, StreamHead
from schemas.cose import Sign1
from schemas.envelope import CONTENT_TYPE, ENVELOPE_BYTES_MAX, GENESIS_HASH, encode_payload
from schemas.quantities import Quantity
from schemas.receipt import StreamState
from schemas.topics import up_topic
from tests.gateway_double import GatewayDouble, Value

READING = Value(sensor="scale", quantity=Quantity.MASS, value=1.0)


def head_of(gateway: GatewayDouble) -> StreamHead:
    """Return the head of a stream that has not begun."""
    return StreamHead(
        gateway=GatewayId(gateway.name),
        public_key=gateway.public_key,
        key_id=gateway.key_id,
        number=0,
        sha256=GENESIS_HASH,
        readings=0,
        state=StreamState.OPEN,
        base_unix_us_max=0,
        boot_id=None,
        boot_lag_min_us=None,
        arrival_unix_us=None,
        clock_state=0,
        clock_skew_us=0,
        clock_flag=None,
    )


def book_of(*gateways: GatewayDouble) -> Book:
    """Return a worker's memory that knows the gateways' keys."""
    book = Book()
    book.learn_keys([head_of(gateway) for gateway in gateways])
    return book


def reason_of(message: Message, book: Book) -> Reason:
    """Return why a message is refused; it must be."""
    found = examine_all([message], book)[0]
    assert isinstance(found, Refused), "accepted"
    return found.evidence.reason


def test_good_envelope_is_verified() -> None:
    """An envelope under its gateway's enrolled key passes."""
    gateway = GatewayDouble()
    found = examine_all([gateway.seal([READING])], book_of(gateway))[0]
    assert isinstance(found, Examined)
    assert (found.gateway, found.envelope.number) == ("gw-1", 1)


def test_refusals_are_named() -> None:
    """Each way to be wrong has its own reason."""
    gateway, other = GatewayDouble(), GatewayDouble(name="gw-2")
    book = book_of(gateway, other)
    good = gateway.seal([READING])
    payload = encode_payload(gateway.envelope([READING]))
    cases = {
        Reason.OVERSIZED: replace(good, data=b"\0" * (ENVELOPE_BYTES_MAX + 1)),
        Reason.NOT_CBOR: replace(good, data=b"\xff\xff"),
        Reason.NOT_COSE_SIGN1: replace(good, data=b"\x01"),
        Reason.TOPIC_MISMATCH: replace(good, topic="pw/1/up/0/gw-1/more"),
        Reason.UNKNOWN_GATEWAY: replace(good, topic=up_topic("gw-3")),
        Reason.WRONG_KEY: replace(GatewayDouble().seal([READING]), topic=good.topic),
        Reason.UNSUPPORTED_VERSION: gateway.sign(payload, kind=f"{CONTENT_TYPE};v=2"),
        Reason.WRONG_CONTENT_TYPE: gateway.sign(payload, kind="text/plain;v=1"),
        Reason.BAD_FIELD: gateway.sign(b"\x80"),
        Reason.GATEWAY_MISMATCH: gateway.seal([READING], gateway=GatewayId("gw-2")),
    }
    assert {reason: reason_of(message, book) for reason, message in cases.items()} == {
        reason: reason for reason in cases
    }


def test_unsigned_version_is_not_believed() -> None:
    """A version that nobody signed is a bad signature, whatever it says."""
    gateway = GatewayDouble()
    forger = GatewayDouble(name="gw-1")
    forged = forger.seal([READING])
    own_id = forged.data.replace(forger.key_id, gateway.key_id)
    assert reason_of(replace(forged, data=own_id), book_of(gateway)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("topic", ["", "pw/1/up/x/gw-1", "pw/1/down/gw-1/receipt", "a/b/c/d/e"])
def test_only_envelope_topics_name_a_gateway(topic: str) -> None:
    """A topic that is not exactly a gateway's own names none."""
    assert gateway_of(topic) is None


@given(st.data())
def test_no_mutation_is_accepted(data: st.DataObject) -> None:
    """Whatever is done to an envelope's bytes, it is refused."""
    gateway = GatewayDouble(key=_KEYED.key)
    good = _KEYED_MESSAGE
    position = data.draw(st.integers(0, len(good.data) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "insert", "swap"]))
    mutated = bytearray(good.data)
    match change:
        case "flip":
            mutated[position] ^= data.draw(st.integers(1, 255))
        case "cut":
            del mutated[position : position + data.draw(st.integers(1, 40))]
        case "insert":
            mutated[position:position] = data.draw(st.binary(min_size=1, max_size=8))
        case _:
            tail = data.draw(st.integers(0, len(good.data) - 1))
            mutated[position], mutated[tail] = mutated[tail], mutated[position]
    if bytes(mutated) == good.data:
        return
    found = examine(replace(good, data=bytes(mutated)), book_of(gateway).verify)
    assert isinstance(found, Refused)


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    """Random bytes are refused, never raise."""
    gateway = GatewayDouble(key=_KEYED.key)
    found = examine(gateway.message(noise), book_of(gateway).verify)
    assert isinstance(found, Refused)


def test_verifier_sees_only_well_formed_messages() -> None:
    """No signature is checked of bytes that are no signed message: noise costs little."""
    seen: list[Sign1] = []

    def verify(gateway: GatewayId, message: Sign1) -> Reason | None:
        del gateway
        seen.append(message)
        return Reason.BAD_SIGNATURE

    examine(GatewayDouble().message(b"noise"), verify)
    assert seen == []


_KEYED = GatewayDouble()
_KEYED_MESSAGE = _KEYED.seal([READING])
