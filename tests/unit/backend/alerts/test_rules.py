"""Which findings become alerts, and who may say that one is dealt with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.errors import AlertRefusedError
from backend.alerts.rules.life import (
    AROUND,
    SPAN_MAX,
    check_acknowledge,
    check_resolve,
    choices_of,
    holding_of,
    item_of,
    locks_of,
    span_of,
)
from backend.alerts.rules.steps import cause_of, is_worse, kind_of, steps_of
from backend.alerts.types import Alert, AlertKind, AlertState, Resolution, Severity
from backend.collateral.types import Fact, FactKind, LotChange, LotState
from backend.ids import AlertId, LotId
from backend.parties.types import Role

LOT = LotId(UUID(int=1))
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ALERT = Alert(
    id=AlertId(UUID(int=2)),
    kind=AlertKind.SHORTFALL,
    severity=Severity.CRITICAL,
    state=AlertState.OPEN,
    cause=cause_of(LOT, "load"),
    lot_id=LOT,
    gateway_id=None,
    facility_id=None,
    summary="weighs less than it should",
    probability=1.0,
    began_at=None,
    opened_at=AT,
    critical_at=AT,
    eased_at=None,
    unattended_at=None,
    ceased_at=None,
    acknowledged_at=None,
    acknowledged_by=None,
    resolved_at=None,
    resolved_by=None,
    resolution=None,
    note=None,
)
KEYS = st.sampled_from(["load", "item:a", "item:b", "damage:temperature"])
FACTS = st.dictionaries(KEYS, st.booleans())


def change(before: dict[str, bool], after: dict[str, bool], *, raised: bool = False) -> LotChange:
    """Return a change between two sets of facts, each by its key and whether it is grave."""
    facts = tuple(
        Fact(key=key, kind=FactKind.LOAD_SHORT, grave=grave, text=key)
        for key, grave in after.items()
    )
    state = LotState(lot_id=LOT)
    return LotChange(
        lot_id=LOT, before=state, after=state, before_facts=before, facts=facts, raised=raised
    )


@given(before=FACTS, after=FACTS)
def test_only_what_is_new_or_graver_is_found_and_only_what_ended_ceases(
    before: dict[str, bool], after: dict[str, bool]
) -> None:
    """One continuing cause is one finding; one that is no more ceases, and nothing else does."""
    steps = steps_of(change(before, after))

    found = {finding.cause for finding in steps.findings}
    new = {key for key, grave in after.items() if key not in before or (grave > before[key])}
    assert found == {cause_of(LOT, key) for key in new}
    assert set(steps.ceased) == {cause_of(LOT, key) for key in before.keys() - after.keys()}
    eased = {key for key, grave in after.items() if before.get(key, False) > grave}
    assert {finding.cause for finding in steps.eased} == {cause_of(LOT, key) for key in eased}


@given(before=FACTS)
def test_rules_that_failed_end_nothing(before: dict[str, bool]) -> None:
    """When nothing is known of the facts, no alert ceases."""
    steps = steps_of(change(before, {}, raised=True))

    assert steps.findings == ()
    assert steps.ceased == ()


@pytest.mark.parametrize("kind", FactKind)
def test_every_fact_is_a_reason_for_some_alert(kind: FactKind) -> None:
    """No kind of fact is found in vain."""
    assert kind_of(kind) in AlertKind


def test_severities_are_in_order() -> None:
    """Critical is above warning is above info, and nothing is above itself."""
    assert is_worse(Severity.CRITICAL, Severity.WARNING)
    assert is_worse(Severity.WARNING, Severity.INFO)
    assert not any(is_worse(each, each) for each in Severity)


@pytest.mark.parametrize("state", [AlertState.ACKNOWLEDGED, AlertState.RESOLVED])
def test_only_an_open_alert_is_acknowledged(state: AlertState) -> None:
    """Acknowledging twice, or after the end, is refused."""
    with pytest.raises(AlertRefusedError, match=state.value):
        check_acknowledge(replace(ALERT, state=state))


@pytest.mark.parametrize(
    ("alert", "resolution", "role", "pledged", "holds"),
    [
        pytest.param(
            replace(ALERT, state=AlertState.RESOLVED),
            Resolution.FALSE_ALARM,
            Role.LENDER,
            True,
            False,
            id="resolved already",
        ),
        pytest.param(
            ALERT, Resolution.TRUE_INCIDENT, Role.LOGISTICS, True, False, id="the lender's to say"
        ),
        pytest.param(
            ALERT, Resolution.TRUE_INCIDENT, Role.OPERATOR, False, False, id="no business of his"
        ),
        pytest.param(ALERT, Resolution.TRUE_INCIDENT, Role.LENDER, True, True, id="still true"),
        pytest.param(ALERT, Resolution.AUTHORISED, Role.LENDER, True, True, id="still so"),
    ],
)
def test_a_resolution_out_of_turn_is_refused(
    alert: Alert, resolution: Resolution, role: Role, pledged: bool, holds: bool
) -> None:
    """Resolved already, another role's to say, or still true: refused."""
    with pytest.raises(AlertRefusedError):
        check_resolve(alert, resolution, role, pledged=pledged, holds=holds, covered=True)


@pytest.mark.parametrize("resolution", Resolution)
def test_the_lender_resolves_what_has_ceased(resolution: Resolution) -> None:
    """Once it is no longer so, the lender says what it was."""
    check_resolve(ALERT, resolution, Role.LENDER, pledged=True, holds=False, covered=True)


def test_a_false_alarm_may_be_called_so_while_the_sensor_still_says_it() -> None:
    """A broken sensor goes on saying it; the locks of the state itself stay all the same."""
    check_resolve(
        ALERT, Resolution.SENSOR_FAULT, Role.LENDER, pledged=True, holds=True, covered=False
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("pledged", [False, True])
@pytest.mark.parametrize("covered", [False, True])
def test_choices_are_what_would_be_accepted(
    role: Role, holds: bool, pledged: bool, covered: bool
) -> None:
    """A choice that is shown as open is accepted, and each other one says why not."""
    known = {"pledged": pledged, "holds": holds, "covered": covered}
    for choice in choices_of(ALERT, role, **known):
        assert (choice.code is None) == (choice.why is None)
        if choice.code is None:
            check_resolve(ALERT, choice.resolution, role, **known)
        else:
            with pytest.raises(AlertRefusedError, match=choice.code):
                check_resolve(ALERT, choice.resolution, role, **known)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("load", "at least 3110 kg"),
        ("item:00000000-0000-0000-0000-000000000005:shortfall", "reads its tag, or"),
        ("item:00000000-0000-0000-0000-000000000005:relocation", "no other zone"),
        ("tamper:gw-1/door:open", "gw-1/door"),
        ("tamper:load", "whole weight"),
        ("damage:temperature", "temperature is back"),
        ("position:gw-1/tracker", "gw-1/tracker"),
        ("surveillance:gw-1/scale", "gw-1/scale"),
        ("something-new", "no longer show"),
    ],
)
def test_what_holds_says_what_would_end_it(key: str, text: str) -> None:
    """Each cause names the reading that ends it; one that ceased holds nothing."""
    alert = replace(ALERT, cause=cause_of(LOT, key))
    (holding,) = holding_of(alert, 3_110_000)
    assert text in holding.ends_when
    assert holding_of(replace(alert, ceased_at=AT), 3_110_000) == ()


@pytest.mark.parametrize("cause", ["gateway:gw-1:clock", "gateway:gw-1:odd", "facility:x:line"])
def test_what_is_no_lots_says_it_too(cause: str) -> None:
    """Gateways and facilities have causes of their own."""
    (holding,) = holding_of(replace(ALERT, lot_id=None, cause=cause), None)
    assert holding.ends_when


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_of_alert_is_a_reason_for_some_lock(kind: AlertKind) -> None:
    """So that an alert's page can show what it locks."""
    assert locks_of(kind)


@given(minutes=st.integers(min_value=-1, max_value=60 * 24 * 30))
def test_time_around_an_alert_is_bounded(minutes: int) -> None:
    """It begins before the cause, ends after the alert was opened, and is never too long."""
    began = AT - timedelta(minutes=minutes)
    begin, end = span_of(replace(ALERT, began_at=began))
    assert timedelta(0) < end - begin <= SPAN_MAX
    assert end >= AT + AROUND
    assert begin <= AT


@pytest.mark.parametrize("kind", [AlertKind.SHORTFALL, AlertKind.RELOCATION])
def test_only_an_order_makes_a_movement_of_pledged_goods_authorised(kind: AlertKind) -> None:
    """Nobody's word stands for the lender's signature; a door's opening may be somebody's word."""
    moved, said = replace(ALERT, kind=kind), Resolution.AUTHORISED
    with pytest.raises(AlertRefusedError, match="no_order"):
        check_resolve(moved, said, Role.LENDER, pledged=True, holds=False, covered=False)
    check_resolve(moved, said, Role.LENDER, pledged=True, holds=False, covered=True)
    check_resolve(moved, said, Role.LOGISTICS, pledged=False, holds=False, covered=False)
    opened = replace(ALERT, kind=AlertKind.TAMPER)
    check_resolve(opened, said, Role.LENDER, pledged=True, holds=False, covered=False)


def test_an_alert_names_its_item() -> None:
    """By its cause; one of the whole lot names none."""
    item = UUID(int=5)
    assert item_of(replace(ALERT, cause=cause_of(LOT, f"item:{item}:shortfall"))) == item
    assert item_of(replace(ALERT, cause=cause_of(LOT, "item:x:shortfall"))) is None
    assert item_of(ALERT) is None
