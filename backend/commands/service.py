"""Asking gateways, and following what they answer and attest; callers open the transaction."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from backend.alerts import service as alerts
from backend.alerts.types import Steps
from backend.commands import store
from backend.commands.errors import TooManyPendingError
from backend.commands.rules import (
    ANSWER_WITHIN,
    LIFE,
    ONLINE_WITHIN,
    PENDING_MAX,
    answer_of,
    attestation_of,
    challenge_cause,
    challenge_finding,
    change_finding,
    changes_between,
    command_named,
    is_chosen,
    is_of_interest,
    revoked_cause,
    revoked_finding,
)
from backend.commands.types import (
    Answer,
    Attestation,
    GatewayTrust,
    NewCommand,
    PendingCommand,
    Said,
)
from backend.db import Conn
from backend.errors import NotFoundError
from backend.ids import AccountId, GatewayId
from backend.keys import BackendKey
from backend.plant.errors import NotEnrolledError
from backend.telemetry.types import ReadingBatch, unix_us_of
from schemas.command import NONCE_BYTES, Challenge, Command, Order, type_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks a gateway for what; nobody: the platform itself."""

    gateway_id: GatewayId
    order: Order
    asked_by: AccountId | None = None


def ask(conn: Conn, asked: Asked, now: datetime) -> int:
    """Keep a command to a gateway, to be sent until it is answered; return its number.

    Raises:
        NotFoundError: There is no such gateway, or the actor may not know of it.
        NotEnrolledError: It has no key yet.
        TooManyPendingError: It has more to answer than it should.
    """
    enrolled = store.is_enrolled(conn, asked.gateway_id)
    if enrolled is None:
        raise NotFoundError("gateway", asked.gateway_id)
    if not enrolled:
        raise NotEnrolledError(asked.gateway_id)
    if store.count_pending(conn, asked.gateway_id, now) >= PENDING_MAX:
        raise TooManyPendingError(asked.gateway_id, PENDING_MAX)
    number = store.next_number(conn, asked.gateway_id)
    command = NewCommand(
        gateway_id=asked.gateway_id,
        order=asked.order,
        issued_at=now,
        expires_at=now + LIFE[type_of(asked.order)],
        asked_by=asked.asked_by,
    )
    store.add(conn, number, command)
    return number


def challenge(conn: Conn, gateway_id: GatewayId, asked_by: AccountId | None, now: datetime) -> int:
    """Challenge a gateway with a new nonce; return the command's number.

    Raises:
        NotFoundError, NotEnrolledError, TooManyPendingError: As ``ask``.
    """
    order = Challenge(secrets.token_bytes(NONCE_BYTES))
    return ask(conn, Asked(gateway_id=gateway_id, order=order, asked_by=asked_by), now)


def challenge_some(conn: Conn, per_hour: float, every_s: float, now: datetime) -> list[GatewayId]:
    """Challenge gateways that are heard, at times that nobody can foretell; return them.

    Who owes an answer is asked again, so that it can show itself as soon as it is able to.

    Args:
        conn: in the caller's transaction.
        per_hour: how often each is challenged on average.
        every_s: how often this is called.
        now: the time.
    """
    chosen = [
        gateway
        for gateway, owes in store.list_online(conn, now, ONLINE_WITHIN)
        if owes or is_chosen(secrets.randbelow(1 << 53) / (1 << 53), per_hour, every_s)
    ]
    for gateway in chosen:
        challenge(conn, gateway, None, now)
    return chosen


def note_unanswered(conn: Conn, now: datetime) -> list[GatewayId]:
    """Raise alerts for gateways that send and do not answer; return those that are new."""
    silent = store.save_unanswered(conn, now, ANSWER_WITHIN)
    findings = tuple(challenge_finding(gateway, now) for gateway in silent)
    alerts.take(conn, [Steps(findings=findings)], now)
    return silent


def follow_revocations(conn: Conn, now: datetime) -> list[GatewayId]:
    """Raise and end alerts about revoked gateways; return whose standing changed."""
    untold, over = store.list_revocations(conn)
    if not untold and not over:
        return []
    findings = tuple(revoked_finding(gateway, now) for gateway in untold)
    ceased = tuple(revoked_cause(gateway) for gateway in over)
    alerts.take(conn, [Steps(findings=findings, ceased=ceased)], now)
    return [*untold, *over]


def follow(conn: Conn, batch: ReadingBatch, now: datetime) -> list[GatewayId]:
    """Note what gateways said of themselves; return whose standing changed by it."""
    said = said_in(batch)
    if not said:
        return []
    answered: set[GatewayId] = set()
    for each in said:
        answer, attested = answer_of(each), attestation_of(each)
        if answer is not None and _take_answer(conn, answer, now):
            answered.add(answer.gateway_id)
        if attested is not None:
            _take_attestation(conn, attested, command_named(each), now)
    freed = store.save_answered(conn, answered) if answered else []
    alerts.take(conn, [Steps(ceased=tuple(challenge_cause(each) for each in freed))], now)
    return freed


def said_in(batch: ReadingBatch) -> list[Said]:
    """Return what gateways say of themselves in a batch, in its order."""
    found: list[Said] = []
    for event in batch.events:
        ref = batch.channels[event.channel]
        if is_of_interest(ref.sensor, event.type):
            found.append(
                Said(
                    gateway_id=ref.gateway,
                    envelope_number=event.envelope_number,
                    type=event.type,
                    body=event.body,
                )
            )
    return found


def pending(conn: Conn, now: datetime) -> list[PendingCommand]:
    """Return the lowest command of each gateway that waits for its answer."""
    return store.fetch_pending(conn, now)


def sign(key: BackendKey, waiting: PendingCommand) -> bytes:
    """Return a command as it travels; the same bytes each time."""
    return key.sign_command(
        Command(
            gateway=waiting.gateway_id,
            number=waiting.number,
            issued_unix_us=unix_us_of(waiting.issued_at),
            expires_unix_us=unix_us_of(waiting.expires_at),
            order=waiting.order,
        )
    )


def load_trust(conn: Conn, gateway_id: GatewayId) -> GatewayTrust:
    """Return what speaks for a gateway beyond its signatures.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
    """
    trust = store.load_trust(conn, gateway_id)
    if trust is None:
        raise NotFoundError("gateway", gateway_id)
    return trust


def _take_answer(conn: Conn, answer: Answer, now: datetime) -> bool:
    """Keep an answer to a command that was asked; return whether it meets a challenge."""
    order = store.load_order(conn, answer.gateway_id, answer.number)
    if order is None:
        return False
    met = isinstance(order, Challenge)
    if answer.nonce != (order.nonce if isinstance(order, Challenge) else None):
        # A challenge is answered by its nonce and by nothing else, not even by a refusal.
        log.warning("answer_does_not_fit", gateway=answer.gateway_id, number=answer.number)
        return False
    if not store.add_outcome(conn, answer, now):
        return False
    log.info(
        "command_answered",
        gateway=answer.gateway_id,
        number=answer.number,
        outcome=answer.outcome.value,
    )
    return met


def _take_attestation(
    conn: Conn, attested: Attestation, command: int | None, now: datetime
) -> None:
    """Keep what a gateway says that it runs; a change that nobody commanded is told.

    A command excuses another configuration until it is answered, and never other software.
    """
    before = store.load_attestation(conn, attested.gateway_id)
    if command is not None and store.is_configuring(conn, attested.gateway_id, command):
        attested = replace(attested, cause="command")
        before = before and replace(before, config_sha256=attested.config_sha256)
    changes = changes_between(before, attested)
    store.add_attestation(conn, attested, now)
    if changes:
        # It is about a moment: over at once, and there until a person resolves it.
        finding = change_finding(attested, changes, now)
        alerts.take(conn, [Steps(findings=(finding,))], now)
        alerts.take(conn, [Steps(ceased=(finding.cause,))], now)
