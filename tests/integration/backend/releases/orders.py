"""A pledged warehouse, its lender's key, and orders signed with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.db import Database
from backend.ids import FacilityId, PartyId
from backend.parties.types import Role
from backend.telemetry.types import unix_us_of
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.keys import key_id_of
from schemas.release import (
    PartyKey,
    ReleaseOrder,
    encode_order,
    encode_party_key,
    key_content_type,
    order_content_type,
)
from tests.books import owe
from tests.builders import NOW, add_account, add_actor, add_party, bearer, token_for
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import NET_G, Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledged:
    """A lender with a facility over the warehouse's lot, its key, and who else may act."""

    rig: Rig
    client: httpx.Client
    bank: PartyId
    facility: UUID
    key: Ed25519PrivateKey
    lender: dict[str, str]
    keeper: dict[str, str]
    owner: dict[str, str]
    operator: dict[str, str]

    @property
    def made(self) -> Warehouse:
        """The warehouse."""
        return self.rig.made

    def item(self, number: int) -> UUID:
        """Return the id of a pallet."""
        return list(self.made.items.values())[number]

    def order(self, now: datetime = NOW, **overrides: Any) -> ReleaseOrder:  # noqa: ANN401
        """Return an order for two pallets to leave the site within ten minutes."""
        values: dict[str, Any] = {
            "id": uuid4(),
            "lender": self.bank,
            "lot": self.made.lot,
            "items": tuple(sorted(self.item(n) for n in range(2))),
            "mass_g": 2 * NET_G,
            "begins_unix_us": unix_us_of(now - timedelta(seconds=10)),
            "ends_unix_us": unix_us_of(now + timedelta(minutes=10)),
            "zone": None,
            "into_lot": None,
            "executor": self.made.logistics,
            "issued_unix_us": unix_us_of(now),
            **overrides,
        }
        return ReleaseOrder(**values)

    def issue(self, order: ReleaseOrder, key: Ed25519PrivateKey | None = None) -> httpx.Response:
        """Sign an order and send it as the lender."""
        message = sign(key or self.key, order_content_type(), encode_order(order)).hex()
        return self.client.post(
            "/api/release-orders", json={"message": message}, headers=self.lender
        )

    def get(self, order_id: object) -> dict[str, Any]:
        """Return an order as the lender sees it."""
        answer = self.client.get(f"/api/release-orders/{order_id}", headers=self.lender)
        return cast("dict[str, Any]", answer.json())

    def owe(self, principal_minor: int) -> None:
        """Let so much be owed."""
        with Database(self.made.url, connections_max=1) as db, db.working() as conn:
            owe(conn, FacilityId(self.facility), principal_minor, NOW)

    def pledged_g(self) -> int:
        """Return what is pledged of the lot."""
        return int(
            self.made.execute("SELECT pledged_mass_g FROM lot WHERE id = %s", self.made.lot)[0][0]
        )


def sign(key: Ed25519PrivateKey, content_type: str, payload: bytes) -> bytes:
    """Return a signed message."""
    key_id = key_id_of(key.public_key().public_bytes_raw())
    protected = encode_protected(content_type, key_id)
    return encode_sign1(protected, payload, key.sign(bytes_to_sign(protected, payload)))


def key_message(key: Ed25519PrivateKey, party: UUID, ends_at: datetime) -> str:
    """Return the message that registers a key."""
    named = PartyKey(
        party=party,
        public_key=key.public_key().public_bytes_raw(),
        ends_unix_us=unix_us_of(ends_at),
    )
    return sign(key, key_content_type(), encode_party_key(named)).hex()


def pledge_warehouse(db: Database, rig: Rig, client: httpx.Client) -> Pledged:
    """Pledge a warehouse's lot to a bank whose key is registered; a price is known."""
    made, bank = rig.made, add_party(db, "bank")
    facility = made.execute(
        "WITH f AS (INSERT INTO facility (name, lender_party, borrower_party, currency,"
        " limit_minor) VALUES ('f', %s, %s, 'USD', 1000000000) RETURNING id),"
        " p AS (INSERT INTO pledge (lender_party, pledgor_party, facility_id, state, created_at)"
        " SELECT %s, %s, id, 'active', now() FROM f RETURNING id, facility_id),"
        " l AS (INSERT INTO pledge_lot (pledge_id, lot_id, active) SELECT id, %s, true FROM p)"
        " SELECT facility_id FROM p",
        bank,
        made.owner,
        bank,
        made.owner,
        made.lot,
    )[0][0]
    made.execute(
        "INSERT INTO price (instrument_id, source, at, value, quality, received_at)"
        " VALUES ('FISH', 'test', %s, 1000, 'accepted', %s)",
        NOW,
        NOW,
    )
    key = Ed25519PrivateKey.generate()
    operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    message = key_message(key, bank, NOW + timedelta(days=30))
    body = {"name": "desk", "message": message}
    assert client.post("/api/party-keys", json=body, headers=operator).status_code == 201
    return Pledged(
        rig=rig,
        client=client,
        operator=operator,
        bank=bank,
        facility=facility,
        key=key,
        lender=bearer(token_for(db, add_account(db, bank, Role.LENDER, "bank").actor)),
        keeper=bearer(
            token_for(db, add_account(db, PartyId(made.logistics), Role.LOGISTICS, "keeper").actor)
        ),
        owner=bearer(
            token_for(db, add_account(db, PartyId(made.owner), Role.BORROWER, "owner").actor)
        ),
    )
