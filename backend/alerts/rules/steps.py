"""Which findings a change asks for. Pure."""

from typing import Final, assert_never

from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.collateral.types import Evidence, Fact, FactKind, LotChange
from backend.ids import GatewayId, LotId
from backend.ingest.types import StreamFault
from backend.telemetry.types import datetime_of

EVIDENCE_MAX: Final = 64  # Readings behind one finding: all tags of a lot, and to spare.

_ORDER: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


def steps_of(change: LotChange) -> Steps:
    """Return what a lot's change asks for: only what is new, graver, less grave or no more."""
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
        eased=tuple(
            _finding(change.lot_id, fact)
            for fact in change.facts
            if not fact.grave and change.before_facts.get(fact.key, False)
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
        case FactKind.TAGS_LEFT | FactKind.TAMPER | FactKind.KNOCKED | FactKind.LOAD_EXCESS:
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


def _finding(lot_id: LotId, fact: Fact) -> Finding:
    return Finding(
        cause=cause_of(lot_id, fact.key),
        kind=kind_of(fact.kind),
        severity=_severity(fact),
        summary=fact.text,
        lot_id=lot_id,
        evidence=fact.evidence[:EVIDENCE_MAX],
        probability=min(1.0, max(0.0, fact.probability)),
        began_at=None if fact.began_us is None else datetime_of(fact.began_us),
    )


def _severity(fact: Fact) -> Severity:
    if fact.grave:
        return Severity.CRITICAL
    return Severity.INFO if fact.kind is FactKind.KNOCKED else Severity.WARNING


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
