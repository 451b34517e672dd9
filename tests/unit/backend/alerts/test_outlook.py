"""What an alert's page says will happen next."""

from dataclasses import replace

from backend.alerts.rules.outlook import outlook_of
from backend.alerts.types import AlertState, Resolution, Severity
from tests.unit.backend.alerts.test_rules import ALERT, AT


def test_open_critical_alert_names_the_lock_and_the_patience() -> None:
    """Who reads it learns what is blocked, what is not, and what silence leads to."""
    said = " ".join(outlook_of(ALERT, locks=1, concerns_lot=True))
    assert "within 15 minutes" in said
    assert "No money can be drawn" in said
    assert "Repaying and adding collateral stay possible" in said


def test_each_turn_of_its_life_is_told() -> None:
    """Unattended, ceased, less than critical, locking nothing, resolved."""
    unattended = outlook_of(replace(ALERT, unattended_at=AT), locks=0, concerns_lot=True)
    assert unattended[0].startswith("Nobody acknowledged it")
    assert any("become pledged" in each for each in unattended)
    ceased = outlook_of(replace(ALERT, ceased_at=AT), locks=0, concerns_lot=False)
    assert any("no longer so" in each for each in ceased)
    warning = replace(ALERT, severity=Severity.WARNING)
    assert outlook_of(warning, locks=0, concerns_lot=True) == (
        "It becomes critical if further evidence bears it out, or if it lasts.",
    )
    resolved = replace(
        ALERT, state=AlertState.RESOLVED, resolved_at=AT, resolution=Resolution.FALSE_ALARM
    )
    assert len(outlook_of(resolved, locks=1, concerns_lot=True)) == 1
