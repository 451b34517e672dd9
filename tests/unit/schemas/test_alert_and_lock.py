"""alert.schema.json and lock.schema.json: what they let pass and what they refuse."""

import json
from functools import cache
from typing import Any, cast

import jsonschema
import pytest

from schemas.quantities import Quantity
from tests.conformance.vectors import VECTORS

Json = dict[str, Any]
LOT = "6d0f0b5e-2f0a-4c53-9d5e-3a2f4a4f2d10"
OPENED = "2026-03-01T08:15:30.250000Z"
LATER = "2026-03-01T09:00:00Z"
EVIDENCE: Json = {
    "at": "2026-03-01T08:15:29Z",
    "gateway": "gw-north",
    "envelope_number": 4_711,
    "sensor": "scale-a",
    "quantity": "mass",
    "value": 9_180_000,
    "text": "fell by 1,020 kg within 4 s",
    "image_sha256": None,
}
ACKNOWLEDGED: Json = {
    "state": "acknowledged",
    "acknowledged_at": LATER,
    "acknowledged_by": "logistics",
}
RESOLVED: Json = {
    "state": "resolved",
    "resolved_at": LATER,
    "resolved_by": "bank",
    "resolution": "true_incident",
}


def _alert(**overrides: object) -> Json:
    return {
        "id": "0b0f8a57-1f63-4d26-8f0e-0a3c2b1d4e5f",
        "kind": "shortfall",
        "severity": "critical",
        "state": "open",
        "subject": {"lot_id": LOT},
        "summary": "copper: 9,180 kg measured of 10,200 kg pledged",
        "opened_at": OPENED,
        "ceased_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "resolved_by": None,
        "resolution": None,
        "evidence": [EVIDENCE],
    } | overrides


def _lock(**overrides: object) -> Json:
    return {
        "facility_id": LOT,
        "reason": "QUANTITY_SHORT",
        "opened_at": OPENED,
        "opened_by": "system:worker",
        "detail": "copper: 9,180 kg measured of 10,200 kg pledged",
        "alert_id": "0b0f8a57-1f63-4d26-8f0e-0a3c2b1d4e5f",
        "lifted_at": None,
        "lifted_by": None,
    } | overrides


@cache
def _schema(name: str) -> Json:
    schema = json.loads((VECTORS.parent / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def _is_valid(name: str, instance: Json) -> bool:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    # Its type stub leaves a parameter open.
    validator = cast("Any", jsonschema.Draft202012Validator(_schema(name), format_checker=checker))
    return validator.is_valid(instance)


def _sighting(**overrides: object) -> Json:
    return EVIDENCE | {"quantity": None, "value": None, "text": "last read 61 s ago"} | overrides


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param(_alert(), id="open"),
        pytest.param(_alert(ceased_at=LATER), id="ceased, and open still"),
        pytest.param(_alert(**ACKNOWLEDGED), id="acknowledged"),
        pytest.param(_alert(**RESOLVED), id="resolved at once"),
        pytest.param(_alert(**(ACKNOWLEDGED | RESOLVED)), id="resolved after acknowledgement"),
        pytest.param(
            _alert(kind="surveillance_lost", subject={"gateway_id": "gw-south"}), id="of a gateway"
        ),
        pytest.param(
            _alert(kind="price_stale", subject={"facility_id": LOT}, evidence=[]), id="no reading"
        ),
        pytest.param(_alert(evidence=[_sighting(image_sha256="5a" * 32)]), id="with an image"),
        pytest.param(_alert(evidence=[_sighting(gateway=None, sensor=None)]), id="of the backend"),
    ],
)
def test_alert_passes(alert: Json) -> None:
    """Every stage of an alert's life, and every kind of subject."""
    assert _is_valid("alert", alert)


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param(_alert(kind="theft"), id="unknown kind"),
        pytest.param(_alert(severity="fatal"), id="unknown severity"),
        pytest.param(_alert(state="closed"), id="unknown state"),
        pytest.param(_alert(score=1), id="extra field"),
        pytest.param({k: v for k, v in _alert().items() if k != "evidence"}, id="no evidence"),
        pytest.param(_alert(id="42"), id="id is no UUID"),
        pytest.param(_alert(subject={}), id="no subject"),
        pytest.param(_alert(subject={"lot_id": LOT, "facility_id": LOT}), id="two subjects"),
        pytest.param(_alert(summary=""), id="empty summary"),
        pytest.param(_alert(opened_at="2026-03-01T08:15:30"), id="time without zone"),
        pytest.param(_alert(opened_at="2026-03-01T08:15:30+01:00"), id="time not in UTC"),
        pytest.param(_alert(acknowledged_at=LATER), id="open, yet acknowledged"),
        pytest.param(_alert(state="acknowledged"), id="acknowledged by nobody"),
        pytest.param(_alert(**(ACKNOWLEDGED | {"acknowledged_by": None})), id="by no person"),
        pytest.param(_alert(state="resolved"), id="resolved without a cause"),
        pytest.param(_alert(**(RESOLVED | {"resolved_by": None})), id="resolved by nobody"),
        pytest.param(_alert(resolution="false_alarm"), id="open with a resolution"),
        pytest.param(_alert(evidence=[EVIDENCE | {"quantity": "weight"}]), id="unknown quantity"),
        pytest.param(_alert(evidence=[EVIDENCE | {"envelope_number": 0}]), id="envelope zero"),
        pytest.param(_alert(evidence=[EVIDENCE | {"value": "9 t"}]), id="value as text"),
        pytest.param(_alert(evidence=[EVIDENCE | {"image_sha256": "5A" * 32}]), id="capitals"),
        pytest.param(_alert(evidence=[EVIDENCE] * 101), id="too much evidence"),
    ],
)
def test_alert_is_refused(alert: Json) -> None:
    """Whatever contradicts itself or says what nobody reads."""
    assert not _is_valid("alert", alert)


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(_lock(), id="standing"),
        pytest.param(_lock(lifted_at=LATER, lifted_by="system:worker"), id="lifted by machinery"),
        pytest.param(_lock(reason="PRICE_STALE", alert_id=None), id="without an alert"),
        pytest.param(_lock(reason="MANUAL", opened_by="bank"), id="by a person"),
        pytest.param(
            _lock(reason="MANUAL", opened_by="bank", lifted_at=LATER, lifted_by="bank"),
            id="by a person, and lifted",
        ),
    ],
)
def test_lock_passes(lock: Json) -> None:
    """Standing and lifted, of machinery and of a person."""
    assert _is_valid("lock", lock)


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(_lock(reason="THEFT"), id="unknown reason"),
        pytest.param(_lock(reason="quantity_short"), id="reason in small letters"),
        pytest.param(_lock(lifted_at=LATER), id="lifted by nobody"),
        pytest.param(_lock(lifted_by="bank"), id="lifted at no time"),
        pytest.param(_lock(opened_by=""), id="opened by nobody"),
        pytest.param(_lock(opened_by=None), id="opener missing"),
        pytest.param(_lock(detail=""), id="no detail"),
        pytest.param(_lock(alert_id="7"), id="alert id is no UUID"),
        pytest.param(_lock(amount=1), id="extra field"),
        pytest.param(_lock(reason="MANUAL"), id="machinery opened a manual lock"),
        pytest.param(
            _lock(reason="MANUAL", opened_by="bank", lifted_at=LATER, lifted_by="system:worker"),
            id="machinery lifted a manual lock",
        ),
    ],
)
def test_lock_is_refused(lock: Json) -> None:
    """Whatever contradicts itself or says what nobody reads."""
    assert not _is_valid("lock", lock)


def test_evidence_knows_every_quantity_and_no_other() -> None:
    """A quantity that is added to the envelope is added to the alert."""
    known = _schema("alert")["$defs"]["evidence"]["properties"]["quantity"]["enum"]

    assert known == [*Quantity, None]
