"""Release orders in words, and the check of their signatures."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.collateral.types.releases import ReleaseState
from backend.ids import ItemId, LotId, PartyId, ReleaseId
from backend.party_keys.types import RegisteredKey
from backend.releases.types import OrderRecord
from backend.telemetry.types import unix_us_of
from backend.web.orders import brief, check_signature, destination, goods, linked, named, progress
from backend.web.types import OrderRow
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.keys import key_id_of
from schemas.release import ReleaseOrder, encode_order, order_content_type
from tests.builders import NOW

ORDER_ID = UUID("9b66cbbb-d6f0-4b26-85ce-dc4f5d93df68")
SENTENCE = f"a <pallet> of 20000 g is gone; beyond release order {ORDER_ID} (2 items)"


def _row(**overrides: Any) -> OrderRow:  # noqa: ANN401 - of a row
    values: dict[str, Any] = {
        **dict.fromkeys(OrderRow.__slots__),
        "id": ORDER_ID,
        "items": 2,
        "mass_g": 2_000_000,
        "stays": False,
        "going": 0,
        "going_mass_g": 0,
        "released": 0,
        **overrides,
    }
    return OrderRow(**values)


def _signed(key: Ed25519PrivateKey) -> tuple[OrderRecord, RegisteredKey]:
    public_key = key.public_key().public_bytes_raw()
    lender, items = uuid4(), tuple(sorted((uuid4(), uuid4())))
    order = ReleaseOrder(
        id=ORDER_ID,
        lender=lender,
        lot=uuid4(),
        items=items,
        mass_g=7,
        begins_unix_us=unix_us_of(NOW),
        ends_unix_us=unix_us_of(NOW + timedelta(hours=1)),
        zone=None,
        into_lot=None,
        executor=uuid4(),
        issued_unix_us=unix_us_of(NOW),
    )
    payload = encode_order(order)
    protected = encode_protected(order_content_type(), key_id_of(public_key))
    message = encode_sign1(protected, payload, key.sign(bytes_to_sign(protected, payload)))
    record = OrderRecord(
        id=ReleaseId(order.id),
        lot_id=LotId(order.lot),
        lender_party=PartyId(lender),
        executor_party=PartyId(order.executor),
        mass_g=order.mass_g,
        begins_at=NOW,
        ends_at=NOW + timedelta(hours=1),
        zone_id=None,
        into_lot=None,
        message=message,
        key_id=key_id_of(public_key),
        issued_at=NOW,
        received_at=NOW,
        state=ReleaseState.ISSUED,
        acknowledged_at=None,
        revoked_at=None,
        settled_at=None,
        released_mass_g=None,
        going_mass_g=0,
        items=[ItemId(item) for item in reversed(items)],
        going=[],
        released=[],
    )
    registered = RegisteredKey(
        key_id=record.key_id,
        public_key=public_key,
        party_id=record.lender_party,
        name="desk",
        registered_at=NOW,
        valid_until=NOW,
        revoked_at=None,
    )
    return record, registered


def test_a_signature_is_verified_whatever_the_order_of_items() -> None:
    """What was signed and is kept is verified; a key that has ended since still has signed."""
    assert check_signature(*_signed(Ed25519PrivateKey.generate())).verified


def test_whatever_is_wrong_with_a_signature_is_said() -> None:
    """No key, another's key, a message that is none, and what is kept otherwise than signed."""
    record, key = _signed(Ed25519PrivateKey.generate())
    _, other = _signed(Ed25519PrivateKey.generate())
    found = [
        check_signature(record, None).why,
        check_signature(record, other).why,
        check_signature(record, replace(key, public_key=other.public_key)).why,
        check_signature(record, replace(key, public_key=bytes(32))).why,
        check_signature(replace(record, message=b"x"), key).why,
        check_signature(replace(record, mass_g=8), key).why,
        check_signature(replace(record, items=record.items[:1]), key).why,
    ]
    assert found == [
        "its key is not known",
        *["its signature is not of that key"] * 3,
        "its message can not be read: message",
        *["what was signed is not what is kept"] * 2,
    ]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, "nothing yet"),
        ({"going": 1, "going_mass_g": 1_000_000}, "1 item, 1,000 kg under way"),
        ({"settled_at": NOW, "released_mass_g": 0}, "nothing has left by it"),
        ({"settled_at": NOW, "released_mass_g": 5_000}, "5 kg has left"),
        (
            {"settled_at": NOW, "released": 2, "released_mass_g": 2_000_000},
            "2 items, 2,000 kg has left",
        ),
    ],
)
def test_progress_is_told_in_words(overrides: dict[str, object], expected: str) -> None:
    """What is under way and what has left; a mass may leave without any item."""
    assert progress(_row(**overrides)) == expected


def test_goods_and_destination_are_told_in_words() -> None:
    """Items or a mass; out, or to a zone, pledged on or no more; names may be hidden."""
    assert goods(_row()) == "2 items, 2,000 kg"
    assert goods(_row(items=0)) == "up to 2,000 kg"
    assert destination(_row()) == "leaves the site"
    assert destination(_row(stays=True, zone="dock")) == "to dock, pledged no more"
    joined = _row(stays=True, into_lot=uuid4())
    assert destination(joined) == "to another zone, joining another lot"


def test_an_order_in_a_sentence_is_a_link_and_nothing_else_is() -> None:
    """The order is linked by its whole id, shown by its first digits; all else is escaped."""
    assert linked(SENTENCE) == (
        f'a &lt;pallet&gt; of 20 kg is gone; beyond <a href="/release-orders/{ORDER_ID}">'
        "release order 9b66cbbb…</a> (2 items)"
    )
    assert brief(SENTENCE).endswith("beyond release order 9b66cbbb… (2 items)")


def test_items_of_an_event_are_named() -> None:
    """A known item by its name, an unknown one by its id; the order itself is left out."""
    detail = {"order": "x", "items": ["1", "2"], "mass_g": 3}
    assert named(detail, {"1": "copper-01"}) == {"items": ["copper-01", "2"], "mass_g": 3}
