"""Which findings a change asks for, and who may say that one is dealt with."""

from typing import Final, assert_never

from backend.alerts.errors import AlertRefusedError
from backend.alerts.types import (
    Alert,
    AlertKind,
    AlertState,
    Finding,
    Resolution,
    Severity,
    Steps,
)
from backend.collateral.types import Evidence, Fact, FactKind, LotChange
from backend.ids import GatewayId, LotId
from backend.ingest.types import StreamFault
from backend.parties.types import Role
from backend.telemetry.types import datetime_of

EVIDENCE_MAX: Final = 64  # Readings behind one finding: all tags of a lot, and to spare.

# What is still true may be called a sensor's fault or a false alarm: locks that the state itself
# asks for stay all the same.
_OF_UNTRUTH: Final = (Resolution.SENSOR_FAULT, Resolution.FALSE_ALARM)
_ORDER: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


def steps_of(change: LotChange) -> Steps:
    """Return what a lot's change asks for: only what is new, graver or no more."""
    if change.raised:
        return Steps()
    keys = {fact.key for fact in change.facts}
    return Steps(
        findings=tuple(
            _finding(change.lot_id, fact)
            for fact in change.facts
            if fact.key not in change.before_facts
            or (fact.grave and not change.before_facts[fact.key])
        ),
        ceased=tuple(
            cause_of(change.lot_id, key) for key in change.before_facts if key not in keys
        ),
    )


def stream_steps(fault: StreamFault) -> Steps:
    """Return what a change of a stream's or clock's standing asks for."""
    name = f"gateway:{fault.gateway}"
    fork, clock, held_up = f"{name}:fork", f"{name}:clock", f"{name}:not_stored"
    findings: list[Finding] = []
    ceased: list[str] = []
    if fault.fork is not None:
        findings.append(
            _gateway_finding(
                fault,
                fork,
                (AlertKind.TAMPER, Severity.CRITICAL),
                f"{fault.gateway} signed two histories; its stream is stopped",
                fault.fork,
            )
        )
    else:
        ceased.append(fork)
    if fault.clock_flag is not None:
        findings.append(
            _gateway_finding(
                fault,
                clock,
                (AlertKind.SURVEILLANCE_LOST, Severity.WARNING),
                f"the clock of {fault.gateway} is not to be believed: {fault.clock_flag.value}",
                fault.clock_flag.value,
            )
        )
    else:
        ceased.append(clock)
    if fault.not_stored is not None:
        findings.append(
            _gateway_finding(
                fault,
                held_up,
                (AlertKind.SURVEILLANCE_LOST, Severity.CRITICAL),
                f"an envelope of {fault.gateway} can not be stored; its stream waits there",
                fault.not_stored,
            )
        )
    else:
        ceased.append(held_up)
    return Steps(findings=tuple(findings), ceased=tuple(ceased))


def cause_of(lot_id: LotId, key: str) -> str:
    """Return the name of a cause: one has at most one unresolved alert."""
    return f"lot:{lot_id}:{key}"


def kind_of(kind: FactKind) -> AlertKind:
    """Return the kind of alert that a fact is a reason for."""
    match kind:
        case FactKind.ITEM_MISSING | FactKind.LOAD_SHORT:
            return AlertKind.SHORTFALL
        case FactKind.ITEM_RELOCATED | FactKind.OUT_OF_ZONE:
            return AlertKind.RELOCATION
        case FactKind.TAGS_LEFT | FactKind.TAMPER:
            return AlertKind.TAMPER
        case FactKind.OVER_LIMIT:
            return AlertKind.DAMAGE
        case FactKind.SENSOR_LOST:
            return AlertKind.SURVEILLANCE_LOST
        case _:
            assert_never(kind)


def is_worse(severity: Severity, than: Severity) -> bool:
    """Return whether one severity is above another."""
    return _ORDER.index(severity) > _ORDER.index(than)


def check_acknowledge(alert: Alert) -> None:
    """Check that an alert can be acknowledged.

    Raises:
        AlertRefusedError: It is not open any more.
    """
    if alert.state is not AlertState.OPEN:
        raise AlertRefusedError("not_open", f"alert {alert.id} is {alert.state.value} already")


def check_resolve(
    alert: Alert, resolution: Resolution, role: Role, *, pledged: bool, holds: bool
) -> None:
    """Check that somebody may say what an alert turned out to be.

    Args:
        alert: as it stands.
        resolution: what is said.
        role: of who says it.
        pledged: whether its lot is pledged.
        holds: whether what it found is still so.

    Raises:
        AlertRefusedError: Resolved already, not this role's to say, or still true.
    """
    if alert.state is AlertState.RESOLVED:
        raise AlertRefusedError("not_open", f"alert {alert.id} is resolved already")
    if role is Role.OPERATOR and alert.lot_id is not None:
        raise AlertRefusedError("not_yours", "an operator resolves gateways' alerts only")
    if pledged and alert.severity is Severity.CRITICAL and role is not Role.LENDER:
        raise AlertRefusedError("not_yours", "a critical alert on pledged goods is the lender's")
    if holds and resolution not in _OF_UNTRUTH:
        raise AlertRefusedError(
            "still_true",
            f"it is still so: {alert.summary}",
            allowed=[each.value for each in _OF_UNTRUTH],
        )


def _finding(lot_id: LotId, fact: Fact) -> Finding:
    return Finding(
        cause=cause_of(lot_id, fact.key),
        kind=kind_of(fact.kind),
        severity=Severity.CRITICAL if fact.grave else Severity.WARNING,
        summary=fact.text,
        lot_id=lot_id,
        evidence=fact.evidence[:EVIDENCE_MAX],
    )


def _gateway_finding(
    fault: StreamFault, cause: str, weight: tuple[AlertKind, Severity], summary: str, text: str
) -> Finding:
    return Finding(
        cause=cause,
        kind=weight[0],
        severity=weight[1],
        summary=summary,
        gateway=fault.gateway,
        evidence=(_of_stream(fault.gateway, fault, text),),
    )


def _of_stream(gateway: GatewayId, fault: StreamFault, text: str) -> Evidence:
    return Evidence(
        at=datetime_of(fault.at_unix_us),
        gateway=gateway,
        envelope_number=fault.number,
        sensor="gateway",
        quantity=None,
        value=None,
        text=text,
    )
