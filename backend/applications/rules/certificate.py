"""The value certificate: what the goods are measured to be, and what they are worth. Pure.

It is drawn from lots that are whole, in their place, sound and watched, at a price that may be
used; anything less is a reason against it, never a smaller number.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from backend.applications.rules.fields import canonical_json
from backend.applications.types.movable import Certificate, CertifiedLot, LotSeen
from backend.collateral.types import Condition, Custody, QuantityState, Surveillance
from backend.facility.types import Reason
from backend.ids import ApplicationId, LotId
from backend.money import Minor
from backend.valuation.types import HaircutModel, LotValue

# Older than this, what was measured says what was there, not what is.
MEASURED_WITHIN: Final = timedelta(minutes=15)
VALID_FOR: Final = timedelta(hours=24)  # A price's day; a drawdown is valued anew anyway.
HORIZON_DAYS: Final = 20  # The house's liquidation horizon, in trading days.


def measured(lots: Sequence[LotSeen], now: datetime) -> Sequence[Reason]:
    """Return each reason why what the sensors say of lots may not be certified now."""
    if not lots:
        return [Reason(code="NO_LOTS", detail="no lot is registered for this application")]
    return [reason for lot in lots for reason in _faults(lot, now)]


def priced(values: Sequence[LotValue]) -> Sequence[Reason]:
    """Return each reason why lots have no value that may be certified."""
    return [
        Reason(
            code="NOT_VALUED",
            detail=f"{value.name} can not be valued: {'; '.join(value.reasons)}",
            numbers={"value_minor": value.value_minor},
        )
        for value in values
        if not value.complete or value.value_minor <= 0
    ]


def draw_certificate(
    application_id: ApplicationId,
    currency: str,
    lots: Sequence[LotSeen],
    values: Sequence[LotValue],
    now: datetime,
) -> Certificate:
    """Return the certificate of lots that are measured and priced."""
    lines = tuple(_certified(lot, value) for lot, value in zip(lots, values, strict=True))
    return Certificate(
        application_id=application_id,
        at=now,
        valid_until=now + VALID_FOR,
        currency=currency,
        horizon_days=HORIZON_DAYS,
        model=HaircutModel.T4_99.value,
        value_minor=Minor(sum(line.value_minor for line in lines)),
        lendable_minor=Minor(sum(line.lendable_minor for line in lines)),
        lots=lines,
    )


def encode_certificate(certificate: Certificate) -> bytes:
    """Return a certificate as it is kept: JSON in one form."""
    return canonical_json(json.loads(json.dumps(asdict(certificate), default=_plain)))


def decode_certificate(content: bytes) -> Certificate:
    """Return the certificate that was kept."""
    told: dict[str, Any] = json.loads(content)
    told |= {
        "application_id": ApplicationId(UUID(told["application_id"])),
        "at": datetime.fromisoformat(told["at"]),
        "valid_until": datetime.fromisoformat(told["valid_until"]),
        "lots": tuple(_decode_lot(lot) for lot in told["lots"]),
    }
    return Certificate(**told)


def _decode_lot(told: dict[str, Any]) -> CertifiedLot:
    for name in ("price_at", "measured_at"):
        told[name] = datetime.fromisoformat(told[name])
    told["lot_id"] = LotId(UUID(told["lot_id"]))
    return CertifiedLot(**told)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _certified(lot: LotSeen, value: LotValue) -> CertifiedLot:
    facts, state = lot.facts, lot.facts.state
    assert state.measured_mass_g is not None
    assert lot.measured_at is not None
    assert value.price is not None
    assert value.price_at is not None
    return CertifiedLot(
        lot_id=facts.lot_id,
        name=facts.name,
        commodity=lot.commodity,
        instrument_id=facts.instrument_id,
        place=lot.place,
        registered_mass_g=facts.pledged_mass_g,
        measured_mass_g=state.measured_mass_g,
        accepted_mass_g=value.accepted_mass_g,
        price=f"{value.price:f}",
        price_at=value.price_at,
        price_source=value.price_source or "",
        haircut_bps=value.haircut_bps,
        value_minor=value.value_minor,
        lendable_minor=value.lendable_minor,
        custody=state.custody.value,
        quantity=state.quantity.value,
        condition=state.condition.value,
        surveillance=state.surveillance.value,
        measured_at=lot.measured_at,
    )


def _faults(lot: LotSeen, now: datetime) -> Iterator[Reason]:
    facts, state = lot.facts, lot.facts.state
    name = facts.name
    if not state.evaluated or state.measured_mass_g is None:
        yield Reason(code="UNMEASURED", detail=f"{name} is not measured yet by its sensors")
        return
    if lot.measured_at is None or lot.measured_at < now - MEASURED_WITHIN:
        age_s = 0 if lot.measured_at is None else int((now - lot.measured_at).total_seconds())
        most_s = int(MEASURED_WITHIN.total_seconds())
        told = "never" if lot.measured_at is None else f"{age_s} s ago"
        yield Reason(
            code="STALE",
            detail=f"{name} was last measured {told}, at most {most_s} s are allowed",
            numbers={"age_s": age_s, "age_s_max": most_s},
        )
    if state.quantity is not QuantityState.WHOLE:
        yield Reason(
            code="QUANTITY",
            detail=f"{name}: its quantity is {state.quantity.value}, {state.measured_mass_g} g are"
            f" measured of {facts.pledged_mass_g} g registered",
            numbers={"measured_g": state.measured_mass_g, "registered_g": facts.pledged_mass_g},
        )
    wrong = {
        "custody": (state.custody, state.custody is Custody.IN_ZONE, "in_zone"),
        "condition": (state.condition, state.condition is Condition.SOUND, "sound"),
        "surveillance": (
            state.surveillance,
            state.surveillance is not Surveillance.DARK,
            "live or degraded",
        ),
    }
    for what, (found, fits, bound) in wrong.items():
        if not fits:
            yield Reason(
                code=what.upper(), detail=f"{name}: its {what} is {found.value}, must be {bound}"
            )
    if state.tampered:
        yield Reason(code="TAMPERED", detail=f"{name}: what watches it has been tampered with")
    if lot.critical_alerts:
        yield Reason(
            code="ALERTS",
            detail=f"{name} has {lot.critical_alerts} critical alerts that nobody resolved",
            numbers={"alerts": lot.critical_alerts},
        )
