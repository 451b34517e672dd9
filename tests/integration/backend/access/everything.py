"""Rows of every table for one plant, and which rows of a table are that plant's."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.parties.types import Role
from schemas.keys import key_id_of
from tests.builders import NOW
from tests.integration.backend.access.application_rows import add_application_rows
from tests.integration.backend.access.image_rows import add_image_rows, image_of
from tests.integration.backend.access.market_rows import add_market_rows
from tests.integration.backend.access.money_rows import LOAN_TABLES, add_money_rows, book_ids
from tests.integration.backend.access.notice_rows import add_notice_rows
from tests.integration.backend.access.release_rows import add_release_rows
from tests.integration.backend.access.settlement_rows import add_settlement_rows
from tests.plant import Plant, build_plant, insert

# Of each table and view: which rows are of one plant. A new table must be added here, or the
# tests fail; PUBLIC ones are the same for whoever is logged in.
ROWS_OF: Final[dict[str, LiteralString]] = {
    "account": "party_id = ANY(%(parties)s)",
    "alert": "id = ANY(%(alerts)s)",
    "alert_event": "alert_id = ANY(%(alerts)s)",
    "alert_evidence": "alert_id = ANY(%(alerts)s)",
    "application": "id = ANY(%(applications)s)",
    "application_document": "application_id = ANY(%(applications)s)",
    "application_seat": "application_id = ANY(%(applications)s)",
    "application_step": "application_id = ANY(%(applications)s)",
    "api_token": "account_id = ANY(%(accounts)s)",
    "calendar": "id = %(calendar)s",
    "calendar_day": "calendar_id = %(calendar)s",
    "channel": "gateway_id = %(gateway)s",
    "commodity": "id = ANY(%(commodities)s)",
    "daily_price": "instrument_id = ANY(%(instruments)s)",
    "drawdown": "facility_id = %(facility)s",
    "enrolment_code": "gateway_id = %(gateway)s",
    "envelope": "gateway_id = %(gateway)s",
    "event_reading": "channel_id = ANY(%(channels)s)",
    "facility": "id = %(facility)s",
    **dict.fromkeys(LOAN_TABLES, "facility_id = %(facility)s"),
    "facility_event": "facility_id = %(facility)s",
    "facility_lock": "facility_id = %(facility)s",
    "facility_past": "facility_id = %(facility)s",
    "facility_policy": "facility_id = %(facility)s",
    "gateway": "id = %(gateway)s",
    "stream_closed": "gateway_id = %(gateway)s",
    "gateway_certificate": "gateway_id = %(gateway)s",
    "gateway_attestation": "gateway_id = %(gateway)s",
    "gateway_command": "gateway_id = %(gateway)s",
    "gateway_command_outcome": "gateway_id = %(gateway)s",
    "gateway_key": "gateway_id = %(gateway)s",
    "feed": "instrument_id = ANY(%(instruments)s)",
    "grade": "instrument_id = ANY(%(instruments)s)",
    "grade_differential": "grade_id IN (SELECT id FROM grade WHERE instrument_id"
    " = ANY(%(instruments)s))",
    "image": "gateway_id = %(gateway)s",
    "image_request": "gateway_id = %(gateway)s",
    "instrument": "id = ANY(%(instruments)s)",
    "item": "lot_id = ANY(%(lots)s)",
    "item_sighting": "item_id = ANY(%(items)s)",
    "item_state": "item_id = ANY(%(items)s)",
    "journal_account": "id = ANY(%(books)s)",
    "journal_balance": "account_id = ANY(%(books)s)",
    "journal_entry": "account_id = ANY(%(books)s)",
    "journal_transfer": "key = ANY(%(transfers)s)",
    "settlement_account": "id = %(bank_account)s",
    "statement_file": "id = %(file_id)s",
    "settlement_line": "file_id = %(file_id)s",
    "settlement_event": "line_id = %(line_id)s",
    "repayment_reversal": "facility_id = %(facility)s",
    "lot": "id = ANY(%(lots)s)",
    "lot_event": "lot_id = ANY(%(lots)s)",
    "lot_state": "lot_id = ANY(%(lots)s)",
    "lot_valuation": "lot_id = ANY(%(lots)s)",
    "notice": "alert_id = ANY(%(alerts)s)",
    "notice_message": "subscription_id = ANY(%(subscriptions)s)",
    "notice_subscription": "id = ANY(%(subscriptions)s)",
    "party": "id = ANY(%(parties)s)",
    "party_key": "party_id = ANY(%(parties)s)",
    "pledge": "id = %(pledge)s",
    "pledge_lot": "pledge_id = %(pledge)s",
    "price": "instrument_id = ANY(%(instruments)s)",
    "price_decision": "instrument_id = ANY(%(instruments)s)",
    "price_event": "instrument_id = ANY(%(instruments)s)",
    "refused_envelope": "gateway_id = %(gateway)s",
    "release_event": "order_id = ANY(%(orders)s)",
    "release_item": "order_id = ANY(%(orders)s)",
    "release_order": "lot_id = ANY(%(lots)s)",
    "released_item": "order_id = ANY(%(orders)s)",
    "repayment": "facility_id = %(facility)s",
    "scalar_reading": "channel_id = ANY(%(channels)s)",
    "sensor_binding": "gateway_id = %(gateway)s",
    "sensor_state": "gateway_id = %(gateway)s",
    "session": "account_id = ANY(%(accounts)s)",
    "sighting_reading": "channel_id = ANY(%(channels)s)",
    "site": "id = %(site)s",
    "stock_take": "lot_id = ANY(%(lots)s)",
    "stock_take_item": "stock_take_id = ANY(%(stock_takes)s)",
    "stream": "gateway_id = %(gateway)s",
    "thinning": "gateway_id = %(gateway)s",
    "uplink_held": "gateway_id = %(gateway)s",
    "uplink_inbox": "gateway_id = %(gateway)s",
    "valuation": "facility_id = %(facility)s",
    "visible_event_reading": "channel_id = ANY(%(channels)s)",
    "visible_scalar_reading": "channel_id = ANY(%(channels)s)",
    "visible_sighting_reading": "channel_id = ANY(%(channels)s)",
    "volatility": "instrument_id = ANY(%(instruments)s)",
    "zone": "site_id = %(site)s",
}
READINGS: Final = frozenset({"scalar_reading", "sighting_reading", "event_reading"})
VIEWS: Final = frozenset(f"visible_{name}" for name in READINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """A plant and the ids by which its rows are found."""

    plant: Plant
    ids: dict[str, Any]


def build_everything(conn: Conn, name: str) -> Everything:
    """Store a plant with at least one row in every table; ``conn`` is the worker's."""
    plant = build_plant(conn, name)
    alert_id: UUID = insert(
        conn,
        "alert",
        kind="shortfall",
        severity="critical",
        cause=f"lot:{plant.lots['copper']}:load",
        lot_id=plant.lots["copper"],
        summary="short",
        opened_at=NOW,
    )
    facility_alert: UUID = insert(
        conn,
        "alert",
        kind="below_line",
        severity="warning",
        cause=f"facility:{plant.facility_id}:line",
        facility_id=plant.facility_id,
        summary="below",
        opened_at=NOW,
    )
    token_id = _add_access_rows(conn, plant)
    _add_telemetry_rows(conn, plant)
    _add_command_rows(conn, plant)
    add_image_rows(conn, plant)
    _add_uplink_rows(conn, plant)
    _add_history_rows(conn, plant, (alert_id, facility_alert))
    drawdown_id = add_money_rows(conn, plant)
    released = add_release_rows(conn, plant)
    told = add_notice_rows(conn, plant, alert_id)
    market = add_market_rows(conn, plant)
    ids = {
        "accounts": [actor.account_id for actor in plant.actors.values()],
        "alerts": [alert_id, facility_alert],
        **add_settlement_rows(conn, plant),
        **book_ids(conn, plant),
        "channels": list(plant.channels.values()),
        "commodities": list(plant.commodities.values()),
        "drawdown": drawdown_id,
        "facility": plant.facility_id,
        "gateway": plant.gateway_id,
        "instruments": list(plant.instruments.values()),
        **released,
        **told,
        **market,
        "applications": [add_application_rows(conn, plant)],
        "items": [item.id for items in plant.items.values() for item in items],
        "lots": list(plant.lots.values()),
        "parties": [actor.party_id for actor in plant.actors.values()],
        "pledge": plant.pledge_id,
        "sha256": sha256(image_of(plant)).hexdigest(),
        "site": plant.site_id,
        "token": token_id,
    }
    return Everything(plant=plant, ids=ids)


def _add_access_rows(conn: Conn, plant: Plant) -> UUID:
    """Return the id of one of the tokens."""
    token_id: UUID | None = None
    for actor in plant.actors.values():
        digest = sha256(actor.login.encode()).digest()
        times = {"created_at": NOW, "expires_at": NOW + timedelta(days=1)}
        account_id = actor.account_id
        insert(
            conn, "session", token_sha256=digest, account_id=account_id, csrf_token="x", **times
        )
        token_id = insert(
            conn, "api_token", account_id=account_id, name="x", token_sha256=digest, **times
        )
    insert(
        conn,
        "enrolment_code",
        code_sha256=sha256(plant.name.encode()).digest(),
        gateway_id=plant.gateway_id,
        created_by=plant.actors[Role.LOGISTICS].account_id,
        expires_at=NOW,
    )
    insert(
        conn,
        "gateway_certificate",
        serial=sha256(plant.name.encode()).hexdigest()[:40],
        gateway_id=plant.gateway_id,
        sha256=sha256(plant.name.encode()).digest(),
        issued_at=NOW,
        not_after=NOW + timedelta(days=90),
        revoked_at=NOW,
    )
    assert token_id is not None
    return token_id


def _add_telemetry_rows(conn: Conn, plant: Plant) -> None:
    insert(
        conn,
        "envelope",
        gateway_id=plant.gateway_id,
        number=1,
        sha256=bytes(32),
        key_id=bytes(16),
        base_at=NOW,
        received_at=NOW,
        readings=3,
        bytes=b"x",
    )
    insert(
        conn,
        "thinning",
        gateway_id=plant.gateway_id,
        key_id=bytes(16),
        first_number=1,
        last_number=1,
        readings=9,
        kept=3,
        **dict.fromkeys(("begins_at", "ends_at", "received_at"), NOW),
        **dict.fromkeys(("sha256", "last_sha256"), bytes(32)),
    )
    insert(
        conn,
        "refused_envelope",
        received_at=NOW,
        topic="pw/1/up/0/x",
        gateway_id=plant.gateway_id,
        reason="bad_signature",
        detail="x",
        sha256=bytes(32),
        bytes=b"x",
    )
    for lot_items in plant.items.values():
        insert(
            conn,
            "item_sighting",
            item_id=lot_items[0].id,
            gateway_id=plant.gateway_id,
            sensor="rfid-a",
            seen_us=1,
            made_us=1,
            listened_us=1,
            streak_us=1,
            streak_reads=1,
            rssi_cdbm=-5000,
            envelope_number=1,
        )
    for sensor, quantity in plant.channels:
        if quantity in ("mass", "temperature", "inventory", "latitude"):
            insert(conn, "sensor_state", gateway_id=plant.gateway_id, sensor=sensor)
    _add_reading_rows(conn, plant)


def _add_command_rows(conn: Conn, plant: Plant) -> None:
    gateway_id = plant.gateway_id
    insert(
        conn,
        "gateway_command",
        gateway_id=gateway_id,
        number=1,
        type="rotate",
        body=b"\x80",
        issued_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )
    insert(
        conn,
        "gateway_command_outcome",
        gateway_id=gateway_id,
        number=1,
        at=NOW,
        outcome="done",
        why="",
        envelope_number=1,
    )
    next_key = sha256(f"next {gateway_id}".encode()).digest()
    insert(
        conn,
        "gateway_key",
        key_id=next_key[:16],
        public_key=next_key,
        gateway_id=gateway_id,
        enrolled_at=NOW,
    )
    insert(
        conn,
        "stream_closed",
        key_id=key_id_of(plant.gateway_key.public_key().public_bytes_raw()),
        gateway_id=gateway_id,
        number=1,
        sha256=bytes(32),
        readings=1,
        closed_at=NOW,
        next_key_id=next_key[:16],
    )
    insert(
        conn,
        "gateway_attestation",
        gateway_id=gateway_id,
        at=NOW,
        cause="start",
        software="x",
        envelope_number=1,
    )


def _add_reading_rows(conn: Conn, plant: Plant) -> None:
    row: dict[str, Any] = {"at": NOW, "envelope_number": 1}
    mass = plant.channels["scale-a", "mass"]
    insert(conn, "scalar_reading", channel_id=mass, value=1.0, quality=0, **row)
    insert(
        conn,
        "sighting_reading",
        channel_id=plant.channels["rfid-a", None],
        epc=plant.items["copper"][0].epc,
        antenna=1,
        rssi_cdbm=-5000,
        count=1,
        **row,
    )
    camera = plant.channels["cam-a", None]
    insert(conn, "event_reading", channel_id=camera, type="health", body=Jsonb({}), **row)


def _add_history_rows(conn: Conn, plant: Plant, alert_ids: tuple[UUID, ...]) -> None:
    for alert_id in alert_ids:
        insert(
            conn, "alert_evidence", alert_id=alert_id, at=NOW, recorded_at=NOW, text="less mass"
        )
        insert(conn, "alert_event", alert_id=alert_id, at=NOW, actor="ingest", what="opened")
    for lot_id in plant.lots.values():
        insert(conn, "lot_event", lot_id=lot_id, at=NOW, actor="x", what="registered")


def _add_uplink_rows(conn: Conn, plant: Plant) -> None:
    """Add what waits for the worker, as the api does, and what waits for the gateway."""
    key = {"gateway_id": plant.gateway_id}
    insert(
        conn,
        "uplink_held",
        **key,
        receipt=b"r",
        issued_unix_us=1,
        key_id=b"k",
        number=1,
        state="open",
    )
    conn.execute("RESET ROLE")
    insert(conn, "uplink_inbox", **key, partition=0, message=b"m", received_at=NOW)
    conn.execute("SET LOCAL ROLE pledgewatch_worker")
