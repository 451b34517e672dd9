"""A plant with goods that are free, its parties with keys, and the steps of an application."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from backend.applications.service import (
    ApplicationView,
    NewApplication,
    NewStep,
    advance,
    load_view,
    open_application,
)
from backend.applications.types.machine import Seat
from backend.applications.types.record import DocumentKind
from backend.db import Database
from backend.ids import ApplicationId, LotId
from backend.parties.types import Actor, Role
from schemas.contract import contract_content_type
from schemas.keys import key_id_of
from tests.builders import NOW
from tests.integration.backend.releases.orders import sign
from tests.plant import ITEM_MASS_G, ITEMS_PER_LOT, Plant, build_plant, insert, set_lot_state

AMOUNT_MINOR: Final = 1_000_000
MASS_G: Final = ITEMS_PER_LOT * ITEM_MASS_G
LENDABLE_MINOR: Final = 1_200_000  # Three tonnes at 8,000 euros, of which nobody knows the risk.
DECISION: Final = {
    "limit_minor": AMOUNT_MINOR,
    "rate_bps": 650,
    "term_days": 90,
    "warning_line_bps": 15_000,
    "call_line_bps": 13_000,
    "liquidation_line_bps": 11_000,
    "cure_hours": 48,
    "offer_days": 7,
}
WAY: Final = (
    "register",
    "certify",
    "approve",
    "sign",
    "countersign",
    "accept",
    "draw",
    "authorise",
    "disburse",
    "repay",
    "release",
)
WHO: Final = {
    "register": Role.LOGISTICS,
    "accept": Role.LOGISTICS,
    "certify": Role.BORROWER,
    "sign": Role.BORROWER,
    "draw": Role.BORROWER,
    "repay": Role.BORROWER,
    "withdraw": Role.BORROWER,
    "refuse": Role.LOGISTICS,
    "turn_away": Role.LOGISTICS,
}


@dataclass(slots=True, kw_only=True)
class Desk:
    """Where an application is taken through its steps; ``now`` is moved by hand."""

    db: Database
    plant: Plant
    lot: LotId
    keys: dict[Role, Ed25519PrivateKey]
    now: datetime = NOW
    application: ApplicationId = field(default_factory=lambda: ApplicationId(uuid4()))

    def actor(self, role: Role) -> Actor:
        """Return who acts in a role."""
        return self.plant.actors[role]

    def apply(self, **overrides: Any) -> ApplicationView:  # noqa: ANN401
        """Apply with three tonnes of copper."""
        values: dict[str, object] = {
            "goods": [
                {
                    "name": "cathodes",
                    "commodity_id": self.plant.commodities["copper"],
                    "mass_g": MASS_G,
                }
            ],
            "amount_minor": AMOUNT_MINOR,
            "currency": "EUR",
            "term_days": 90,
            **overrides,
        }
        new = NewApplication(
            id=self.application,
            kind="movable",
            seats={
                Seat.LENDER: self.actor(Role.LENDER).party_id,
                Seat.LOGISTICS: self.actor(Role.LOGISTICS).party_id,
            },
            values=values,
        )
        borrower = self.actor(Role.BORROWER)
        with self.db.acting(borrower) as conn:
            return open_application(conn, borrower, new, self.now)

    def do(
        self,
        step: str,
        values: Mapping[str, object] | None = None,
        *,
        role: Role | None = None,
        key: UUID | None = None,
        message: str | None = None,
    ) -> ApplicationView:
        """Do a step as whoever does it, with what it asks for."""
        actor = self.actor(role or WHO.get(step, Role.LENDER))
        if message is None and step in ("sign", "countersign"):
            message = self.signed(actor.role)
        new = NewStep(
            id=key or uuid4(),
            application_id=self.application,
            step=step,
            values=self.values(step) if values is None else values,
            message=message,
        )
        with self.db.acting(actor) as conn:
            return advance(conn, actor, new, self.now)

    def values(self, step: str) -> dict[str, object]:
        """Return what a step asks for."""
        match step:
            case "register":
                return {"lots": [str(self.lot)]}
            case "approve":
                return {**DECISION}
            case "draw" | "repay":
                return {"amount_minor": AMOUNT_MINOR}
            case "refuse" | "decline" | "withdraw" | "turn_away" | "unwind":
                return {"reason": "a test"}
            case _:
                return {}

    def reach(self, step: str) -> None:
        """Apply and do every step before one."""
        self.apply()
        for name in WAY[: WAY.index(step)]:
            self.do(name)

    def contract(self) -> bytes:
        """Return the bytes of the contract."""
        documents = self.view(Role.BORROWER).documents
        return next(d.content for d in documents if d.kind is DocumentKind.CONTRACT)

    def signed(self, role: Role, payload: bytes | None = None) -> str:
        """Return a contract signed with a party's key."""
        content = self.contract() if payload is None else payload
        return sign(self.keys[role], contract_content_type(), content).hex()

    def view(self, role: Role) -> ApplicationView:
        """Return the application as a party sees it."""
        actor = self.actor(role)
        with self.db.acting(actor) as conn:
            return load_view(conn, actor, self.application, self.now)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        with self.db.working() as conn:
            conn.execute("RESET ROLE")
            names = conn.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind = 'r' AND NOT relispartition"
            ).fetchall()
            return {
                name: sorted(
                    conn.execute(
                        sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))
                    ).fetchall()
                )
                for (name,) in names
            }


def build_desk(db: Database) -> Desk:
    """Store a plant with a third lot, sound, watched and free, and keys of its parties."""
    with db.working() as conn:
        plant = build_plant(conn)
        lot = LotId(
            insert(
                conn,
                "lot",
                name="cathodes",
                site_id=plant.site_id,
                zone_id=plant.zones["hall"],
                owner_party=plant.actors[Role.BORROWER].party_id,
                commodity_id=plant.commodities["copper"],
                instrument_id=plant.instruments["copper"],
                pledged_mass_g=MASS_G,
            )
        )
        insert(conn, "lot_state", lot_id=lot)
        for lot_id in (lot, *plant.lots.values()):
            set_lot_state(conn, lot_id)
        insert(conn, "sensor_state", gateway_id=plant.gateway_id, sensor="rfid-a", fresh_at=NOW)
        keys = {role: Ed25519PrivateKey.generate() for role in (Role.LENDER, Role.BORROWER)}
        for role, key in keys.items():
            public_key, actor = key.public_key().public_bytes_raw(), plant.actors[role]
            insert(
                conn,
                "party_key",
                key_id=key_id_of(public_key),
                public_key=public_key,
                party_id=actor.party_id,
                name="desk",
                registered_at=NOW,
                registered_by=actor.account_id,
                valid_until=NOW + timedelta(days=5),
            )
    return Desk(db=db, plant=plant, lot=lot, keys=keys)
