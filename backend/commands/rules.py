"""When commands are sent again, which gateways are challenged, what answers and changes mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import cbor2

from backend.alerts.types import AlertKind, Finding, Severity
from backend.collateral.types import Evidence
from backend.commands.types import (
    GATEWAY_SENSOR,
    Answer,
    Attestation,
    CommandOutcome,
    CommandState,
    PendingCommand,
    Said,
)
from backend.ids import GatewayId
from schemas.command import CommandType, Order, body_of, decode_order
from schemas.cose import decode_cbor
from schemas.quantities import EventType

LIFE: Final[Mapping[CommandType, timedelta]] = {
    CommandType.CHALLENGE: timedelta(minutes=10),
    CommandType.CONFIGURE: timedelta(days=7),  # A gateway may be without network for that long.
    CommandType.ROTATE: timedelta(days=7),
    CommandType.FETCH_IMAGE: timedelta(minutes=5),  # A person waits for it.
}
ANSWER_WITHIN: Final = timedelta(minutes=2)  # Of a challenge, while envelopes go on arriving.
ONLINE_WITHIN: Final = timedelta(seconds=60)  # Heartbeats come at least every 30 s.
PENDING_MAX: Final = 16
RESEND_S_MIN: Final = 2.0
RESEND_S_MAX: Final = 60.0
WHY_CHARACTERS_MAX: Final = 500
SOFTWARE_CHARACTERS_MAX: Final = 80
_KNOWN: Final = {EventType.COMMAND_DONE, EventType.CHALLENGE_ANSWER, EventType.GATEWAY_START}


@dataclass(slots=True)
class Resends:
    """When each pending command is to be sent next; forgets those that are pending no more.

    One at a time for each gateway, the lowest number first: a gateway refuses what is older than
    what it has executed, and no broker promises an order.
    """

    _next_s: dict[tuple[GatewayId, int], tuple[int, float]] = field(
        default_factory=lambda: dict[tuple[GatewayId, int], tuple[int, float]]()
    )

    def due(self, pending: Sequence[PendingCommand], now_s: float) -> list[PendingCommand]:
        """Return which of ``pending``, the lowest of each gateway, are to be sent now."""
        keys = {(each.gateway_id, each.number) for each in pending}
        self._next_s = {key: value for key, value in self._next_s.items() if key in keys}
        due: list[PendingCommand] = []
        for each in pending:
            key = each.gateway_id, each.number
            attempts, next_s = self._next_s.get(key, (0, now_s))
            if next_s <= now_s:
                pause_s = min(RESEND_S_MIN * 2.0**attempts, RESEND_S_MAX)
                self._next_s[key] = attempts + 1, now_s + pause_s
                due.append(each)
        return due


def state_of(outcome: CommandOutcome | None, expires_at: datetime, now: datetime) -> CommandState:
    """Return how a command stands."""
    if outcome is not None:
        return CommandState(outcome.value)
    return CommandState.EXPIRED if expires_at <= now else CommandState.PENDING


def is_chosen(draw: float, per_hour: float, every_s: float) -> bool:
    """Return whether a gateway is challenged now: at random, ``per_hour`` times on average.

    Args:
        draw: uniform in 0 to 1, one for each gateway and decision; nobody can foretell it.
        per_hour: how often.
        every_s: how often that is decided.
    """
    return draw < per_hour * every_s / 3600.0


def encode_order(order: Order) -> bytes:
    """Return an order's body as the database keeps it."""
    return cbor2.dumps(body_of(order))


def order_of(kind: CommandType, body: bytes) -> Order:
    """Return the order that the database keeps.

    Raises:
        MalformedError: It is none that this software wrote.
    """
    return decode_order(kind, decode_cbor(body, "body"))


def is_of_interest(sensor: str, kind: EventType) -> bool:
    """Return whether an event is a gateway's word on itself that is followed here."""
    return sensor == GATEWAY_SENSOR and kind in _KNOWN


def answer_of(said: Said) -> Answer | None:
    """Return the answer in an event; None: it is none, or makes no sense."""
    number, nonce = said.body.get("number"), said.body.get("nonce")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    if said.type is EventType.CHALLENGE_ANSWER:
        if not isinstance(nonce, bytes):
            return None
        outcome, why = CommandOutcome.DONE, ""
    elif said.type is EventType.COMMAND_DONE:
        nonce = None
        try:
            outcome = CommandOutcome(str(said.body.get("outcome")))
        except ValueError:
            return None
        why = str(said.body.get("why", ""))[:WHY_CHARACTERS_MAX]
    else:
        return None
    return Answer(
        gateway_id=said.gateway_id,
        envelope_number=said.envelope_number,
        number=number,
        outcome=outcome,
        why=why,
        nonce=nonce,
    )


def attestation_of(said: Said) -> Attestation | None:
    """Return what a gateway says at its start; None: the event says nothing of the kind."""
    if said.type is not EventType.GATEWAY_START:
        return None
    return Attestation(
        gateway_id=said.gateway_id,
        cause="start",
        software=str(said.body.get("software", "unknown"))[:SOFTWARE_CHARACTERS_MAX],
        software_sha256=_bytes(said.body.get("software_sha256"), 32),
        config_sha256=_bytes(said.body.get("config_sha256"), 32),
        boot_id=_bytes(said.body.get("boot_id"), 16),
        envelope_number=said.envelope_number,
    )


def command_named(said: Said) -> int | None:
    """Return the number of the command by which a gateway says that it runs what it attests."""
    number = said.body.get("command")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def changes_between(before: Attestation | None, now: Attestation) -> list[str]:
    """Return what is not as attested before, and was not commanded: its names, for a sentence."""
    if before is None:
        return []
    changes: list[str] = []
    if (now.software, now.software_sha256) != (before.software, before.software_sha256):
        changes.append(f"software {before.software} to {now.software}")
    if now.config_sha256 != before.config_sha256:
        changes.append(
            f"configuration {_short(before.config_sha256)} to {_short(now.config_sha256)}"
        )
    return changes


def change_cause(gateway_id: GatewayId) -> str:
    """Return the name of the cause of alerts about what a gateway runs."""
    return f"gateway:{gateway_id}:changed"


def challenge_cause(gateway_id: GatewayId) -> str:
    """Return the name of the cause of alerts about challenges that are not answered."""
    return f"gateway:{gateway_id}:challenge"


def change_finding(now: Attestation, changes: Sequence[str], at: datetime) -> Finding:
    """Return the finding that a gateway runs something else, and nobody commanded it."""
    text = f"{now.gateway_id} changed without a command: {'; '.join(changes)}"
    return _finding(
        now.gateway_id, change_cause(now.gateway_id), AlertKind.TAMPER, text, (at, now)
    )


def challenge_finding(gateway_id: GatewayId, at: datetime) -> Finding:
    """Return the finding that a gateway goes on sending and does not answer a challenge."""
    text = f"{gateway_id} sends, but has not answered a challenge: its readings may be replayed"
    return _finding(
        gateway_id, challenge_cause(gateway_id), AlertKind.SURVEILLANCE_LOST, text, (at, None)
    )


def revoked_cause(gateway_id: GatewayId) -> str:
    """Return the name of the cause of alerts about a gateway that an operator revoked."""
    return f"gateway:{gateway_id}:revoked"


def revoked_finding(gateway_id: GatewayId, at: datetime) -> Finding:
    """Return the finding that a gateway is revoked, so that nobody watches by it."""
    text = f"{gateway_id} was revoked: nothing that it sends is accepted"
    return _finding(
        gateway_id, revoked_cause(gateway_id), AlertKind.SURVEILLANCE_LOST, text, (at, None)
    )


def _finding(
    gateway_id: GatewayId,
    cause: str,
    kind: AlertKind,
    text: str,
    seen: tuple[datetime, Attestation | None],
) -> Finding:
    at, attested = seen
    return Finding(
        cause=cause,
        kind=kind,
        severity=Severity.WARNING if attested else Severity.CRITICAL,
        summary=text,
        gateway=gateway_id,
        evidence=(
            Evidence(
                at=at,
                gateway=gateway_id,
                envelope_number=attested.envelope_number if attested else None,
                sensor=GATEWAY_SENSOR,
                quantity=None,
                value=None,
                text=text,
            ),
        ),
    )


def _bytes(item: object, length: int) -> bytes | None:
    return item if isinstance(item, bytes) and len(item) == length else None


def _short(digest: bytes | None) -> str:
    return "unknown" if digest is None else digest.hex()[:12]
