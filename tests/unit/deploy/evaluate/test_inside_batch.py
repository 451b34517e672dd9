"""What begins and ends inside one batch of an outage is told as gravely as second by second."""

import pytest

from backend.alerts.types import AlertKind, Severity
from tests.unit.deploy.evaluate.stories import BEGINS_MIN, MINUTE_US, SECOND_US, play, story


def _worst(kind: str, lasts_s: float, *, at_once: bool) -> Severity:
    """Return how grave the copper's load was found, at worst."""
    told = story(kind, 3, lasts_s=lasts_s)
    begins_us = told.begins_us + BEGINS_MIN * MINUTE_US
    ends_us = begins_us + round(lasts_s + 60) * SECOND_US
    seconds = () if at_once else range(begins_us, ends_us, SECOND_US)
    _, alerts = play(told, [begins_us - MINUTE_US // 2, *seconds, ends_us])
    return next(alert.severity for alert in alerts.every if alert.cause.endswith(":load"))


@pytest.mark.parametrize(
    ("kind", "lasts_s", "severity"),
    [
        ("take_pallet", 90.0, Severity.CRITICAL),
        ("take_pallet", 170.0, Severity.CRITICAL),
        ("take_goods_leave_tags", 90.0, Severity.WARNING),
    ],
)
def test_theft_that_ends_inside_one_batch_is_as_grave(
    kind: str, lasts_s: float, severity: Severity
) -> None:
    """A pallet that its tag missed beyond doubt meanwhile was no pallet on a fork."""
    assert _worst(kind, lasts_s, at_once=False) is severity
    assert _worst(kind, lasts_s, at_once=True) is severity


@pytest.mark.parametrize("seed", [3, 4])
def test_absence_inside_one_batch_is_told_though_the_dock_reads_the_tag_across(seed: int) -> None:
    """A reader that seldom reads a tag does not vouch for it; no scale does, either."""
    told = story("take_pallet", seed, lasts_s=90.0, without=("scale",))
    begins_us = told.begins_us + BEGINS_MIN * MINUTE_US
    _, alerts = play(told, [begins_us - MINUTE_US // 2, begins_us + 6 * MINUTE_US])
    assert [(alert.kind, alert.severity) for alert in alerts.every] == [
        (AlertKind.SHORTFALL, Severity.CRITICAL)
    ]
