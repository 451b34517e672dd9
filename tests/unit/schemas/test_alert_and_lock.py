"""The schemas of alerts and locks: what they let pass and what they refuse."""

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


EVIDENCE_2: Json = {
    "at": "2026-03-01T08:15:29Z",
    "recorded_at": OPENED,
    "gateway_id": "gw-north",
    "envelope_number": 4_711,
    "sensor": "scale-a",
    "quantity": "mass",
    "value": 9_180_000,
    "text": "fell by 1,020 kg within 4 s",
    "image_sha256": None,
    "expected": "10,200 kg, less 40 kg of tolerance",
    "log_odds": 21.5,
}
TIMELINE: Json = {
    "begin": "2026-03-01T08:05:29Z",
    "end": "2026-03-01T08:25:30Z",
    "lot": [{"at": OPENED, "actor": "ingest", "what": "state", "detail": {"before": {}}}],
    "values": [
        {
            "minute": "2026-03-01T08:15:00Z",
            "gateway_id": "gw-north",
            "sensor": "scale-a",
            "quantity": "mass",
            "count": 60,
            "value_min": 9_180_000,
            "value_max": 10_200_000,
        }
    ],
    "sightings": [
        {
            "minute": "2026-03-01T08:15:00Z",
            "gateway_id": "gw-north",
            "sensor": "rfid-a",
            "items": 10,
            "reads": 512,
        }
    ],
    "events": [
        {
            "at": OPENED,
            "gateway_id": "gw-north",
            "sensor": "cam-a",
            "type": "snapshot",
            "image_sha256": "5a" * 32,
        }
    ],
    "cut": False,
}
LOCK_2: Json = {
    "facility_id": LOT,
    "facility": "copper line",
    "reason": "QUANTITY_SHORT",
    "detail": "copper: 1,020 kg short",
    "opened_at": OPENED,
    "opened_by": "ingest",
    "lifted_at": None,
}


def _choice(resolution: str, code: str | None = None) -> Json:
    why = None if code is None else "it is still so"
    return {"resolution": resolution, "allowed": code is None, "code": code, "why": why}


def _alert_2(**overrides: object) -> Json:
    return {
        "id": "0b0f8a57-1f63-4d26-8f0e-0a3c2b1d4e5f",
        "kind": "shortfall",
        "severity": "critical",
        "state": "open",
        "lot_id": LOT,
        "gateway_id": None,
        "facility_id": None,
        "summary": "copper: 9,180 kg measured of 10,200 kg pledged",
        "probability": 0.9999,
        "began_at": "2026-03-01T08:15:29Z",
        "opened_at": OPENED,
        "eased_at": None,
        "unattended_at": None,
        "ceased_at": None,
        "acknowledged_at": None,
        "resolved_at": None,
        "resolution": None,
        "note": None,
        "evidence": [EVIDENCE_2],
        "events": [{"at": OPENED, "actor": "system", "what": "opened", "note": None}],
        "holding": [{"what": "1,020 kg are missing", "ends_when": "the weight is back"}],
        "choices": [
            _choice("true_incident", "still_true"),
            _choice("sensor_fault"),
            _choice("authorised", "still_true"),
            _choice("false_alarm"),
        ],
        "locks": [LOCK_2],
        "timeline": TIMELINE,
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
    "alert",
    [
        pytest.param(_alert_2(), id="open"),
        pytest.param(_alert_2(ceased_at=LATER, holding=[]), id="ceased, and open still"),
        pytest.param(_alert_2(state="acknowledged", acknowledged_at=LATER), id="acknowledged"),
        pytest.param(
            _alert_2(state="resolved", resolved_at=LATER, resolution="authorised"), id="resolved"
        ),
        pytest.param(
            _alert_2(lot_id=None, facility_id=LOT, evidence=[], timeline=None), id="of a facility"
        ),
        pytest.param(_alert_2(evidence=[EVIDENCE_2 | {"log_odds": None}]), id="not weighed"),
    ],
)
def test_alert_of_version_2_passes(alert: Json) -> None:
    """Every stage of an alert's life, and alerts without a lot."""
    assert _is_valid("alert-v2", alert)


@pytest.mark.parametrize(
    "alert",
    [
        pytest.param(_alert(), id="of version 1"),
        pytest.param(_alert_2(score=1), id="extra field"),
        pytest.param({k: v for k, v in _alert_2().items() if k != "locks"}, id="no locks"),
        pytest.param(_alert_2(lot_id=None), id="about nothing"),
        pytest.param(_alert_2(probability=1.5), id="more than certain"),
        pytest.param(_alert_2(probability=None), id="no probability"),
        pytest.param(_alert_2(ceased_at=LATER), id="ceased, yet something holds"),
        pytest.param(_alert_2(acknowledged_at=LATER), id="open, yet acknowledged"),
        pytest.param(_alert_2(state="resolved", resolved_at=LATER), id="resolved without a cause"),
        pytest.param(_alert_2(choices=[]), id="nothing to choose from"),
        pytest.param(
            _alert_2(choices=[_choice("authorised") | {"why": "it is so"}] * 4),
            id="allowed, yet refused",
        ),
        pytest.param(_alert_2(evidence=[EVIDENCE_2 | {"log_odds": "much"}]), id="odds in words"),
        pytest.param(
            _alert_2(events=[{"at": OPENED, "actor": "x", "what": "closed", "note": None}]),
            id="unknown step",
        ),
        pytest.param(_alert_2(timeline=TIMELINE | {"cut": None}), id="perhaps cut"),
    ],
)
def test_alert_of_version_2_is_refused(alert: Json) -> None:
    """Whatever contradicts itself or says what nobody reads."""
    assert not _is_valid("alert-v2", alert)


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
    assert _schema("alert-v2")["$defs"]["quantity"]["enum"] == [*Quantity, None]
