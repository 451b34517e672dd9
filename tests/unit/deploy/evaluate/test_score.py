"""What alerts are about, on labels and alerts made by hand, exactly."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.alerts.types import AlertKind, Severity
from backend.ids import GatewayId
from deploy.evaluate.alerts import Alert
from deploy.evaluate.figures import figures_of
from deploy.evaluate.outcome import Result, Scored, Verdict
from deploy.evaluate.registry import register
from deploy.evaluate.score import GRACE_US, Truth, score
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import Harm, Label, LinkOutage, Order

SCENARIO = Path(__file__).parent / "depot.toml"
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
RUN = site_runs(str(SCENARIO), seed=1, sites=1, days=1)[0]
OWN = register(RUN.scenario)
LOT = OWN.lot_named("tin")
BEGIN_US = RUN.begins_us
THEFT = Label(
    id="theft",
    kind="take_pallet",
    site=OWN.site,
    lot="tin",
    items=(),
    harms=(Harm.SHORTFALL, Harm.RELOCATION),
    begins_us=BEGIN_US + 2 * HOUR_US,
    ends_us=BEGIN_US + 3 * HOUR_US,
    truth="1 of 6 items taken",
    lots=("tin",),
)
DOOR = replace(
    THEFT,
    id="door",
    kind="door_left_open",
    harms=(Harm.NONE,),
    begins_us=BEGIN_US + 6 * HOUR_US,
    ends_us=BEGIN_US + 7 * HOUR_US,
)


def _alert(
    after_us: int,
    kind: AlertKind = AlertKind.SHORTFALL,
    severity: Severity = Severity.CRITICAL,
    *,
    cause: str = "load",
) -> Alert:
    return Alert(
        cause=f"lot:{LOT}:{cause}",
        kind=kind,
        severity=severity,
        summary="",
        lot=LOT,
        gateway=None,
        told=[(BEGIN_US + after_us, severity)],
    )


def _score(
    alerts: list[Alert],
    labels: tuple[Label, ...] = (THEFT, DOOR),
    orders: tuple[Order, ...] = (),
    outages: tuple[LinkOutage, ...] = (),
) -> Scored:
    run = replace(RUN, labels=labels, orders=orders, outages=outages)
    return score([Truth.of(run, OWN, {})], alerts, seed=1)


def test_an_alert_of_a_fitting_kind_during_an_incident_finds_it() -> None:
    """Recall, time to detect and time to critical come from the first that fits."""
    warning = _alert(2 * HOUR_US + 30 * SECOND_US, severity=Severity.WARNING)
    warning.told.append((BEGIN_US + 2 * HOUR_US + 90 * SECOND_US, Severity.CRITICAL))
    scored = _score([warning])
    theft = scored.labels[0]
    assert (theft.delay_s, theft.critical_s) == (30.0, 90.0)
    assert [alert.verdict for alert in scored.alerts] == [Verdict.TRUE]


@pytest.mark.parametrize(
    ("after_us", "verdict"),
    [
        (2 * HOUR_US - SECOND_US, Verdict.FALSE),
        (2 * HOUR_US, Verdict.TRUE),
        (3 * HOUR_US + GRACE_US, Verdict.TRUE),
        (3 * HOUR_US + GRACE_US + SECOND_US, Verdict.FALSE),
        (6 * HOUR_US, Verdict.HARMLESS),
    ],
)
def test_the_time_decides_what_an_alert_is_about(after_us: int, verdict: Verdict) -> None:
    """From an incident's begin to some time after its end, and not a second longer."""
    assert _score([_alert(after_us)]).alerts[0].verdict is verdict


def test_another_kind_of_alert_during_an_incident_neither_finds_it_nor_is_false() -> None:
    """A door that was forced for the theft is beside the point, and no false alarm."""
    scored = _score([_alert(2 * HOUR_US + SECOND_US, AlertKind.TAMPER)])
    assert scored.alerts[0].verdict is Verdict.BESIDE
    assert scored.labels[0].found_us is None


def test_an_alert_that_was_open_before_finds_nothing_until_it_is_raised_again() -> None:
    """Who alarms all the time finds nothing by it; a recurrence counts."""
    old = _alert(HOUR_US)
    assert _score([old]).labels[0].found_us is None
    old.told.append((BEGIN_US + 2 * HOUR_US + 5 * SECOND_US, Severity.CRITICAL))
    assert _score([old]).labels[0].delay_s == 5.0


def test_what_waits_for_its_link_still_counts() -> None:
    """Readings of an incident that arrive after an outage are about that incident."""
    outage = LinkOutage(
        gateway="gw-depot",
        begins_us=THEFT.begins_us - HOUR_US,
        ends_us=THEFT.ends_us + 4 * HOUR_US,
    )
    scored = _score([_alert(7 * HOUR_US + SECOND_US)], labels=(THEFT,), outages=(outage,))
    assert scored.labels[0].delay_s == 5 * 3_600 + 1
    assert scored.labels[0].outage


def test_an_alarm_about_a_released_movement_is_counted_as_such() -> None:
    """An order's goods may leave: to alarm then is false, and a movement that alarmed."""
    order = Order(
        id="order-1",
        lot="tin",
        items=(),
        destination=None,
        issued_us=BEGIN_US,
        from_us=BEGIN_US + 10 * HOUR_US,
        until_us=BEGIN_US + 11 * HOUR_US,
    )
    scored = _score([_alert(10 * HOUR_US + SECOND_US)], orders=(order,))
    assert scored.alerts[0].verdict is Verdict.AUTHORISED
    assert (scored.movements, scored.movements_alarmed) == (1, 1)


def test_a_lost_sensor_is_rightly_told_while_it_truly_says_nothing() -> None:
    """Silence is a truth of its own; the same alert without silence is false."""
    cause = "surveillance:gw-depot/rfid-north"
    alert = _alert(9 * HOUR_US, AlertKind.SURVEILLANCE_LOST, Severity.WARNING, cause=cause)
    silences = {
        (GatewayId("gw-depot"), "rfid-north"): [(BEGIN_US + 9 * HOUR_US - 15 * SECOND_US, 2**62)]
    }
    run = replace(RUN, labels=(THEFT,))
    silent = score([Truth.of(run, OWN, silences)], [alert], seed=1)
    assert silent.alerts[0].verdict is Verdict.OUTAGE
    assert _score([alert]).alerts[0].verdict is Verdict.FALSE


def test_figures_count_each_alert_and_incident_once() -> None:
    """Recall, precision, rates and look-alikes of one month with one theft and three alarms."""
    alerts = [
        _alert(2 * HOUR_US + 40 * SECOND_US),
        _alert(6 * HOUR_US + SECOND_US, AlertKind.TAMPER, cause="tamper"),
        _alert(9 * HOUR_US, cause="other"),
        _alert(9 * HOUR_US, severity=Severity.WARNING, cause="third"),
    ]
    scored = _score(alerts)
    result = Result(
        seed=1,
        sites=1,
        site_months=1.0,
        ours=scored,
        naive=scored,
        readings=0,
        turns=0,
        cpu_s=0.0,
        raised=(),
        compared=0,
        differences=(),
    )
    figures = figures_of([result], lambda each: each.ours)
    (kind,) = figures.kinds
    assert (kind.name, kind.count, kind.found, kind.critical) == ("take_pallet", 1, 1, 1)
    assert kind.delays_s == (40.0,)
    assert figures.false_criticals_rate is not None
    assert figures.false_criticals_rate.value == 2.0
    counts = {(f.severity, f.kind): f.count for f in figures.falses}
    assert counts == {
        ("critical", "all"): 2,
        ("critical", "shortfall"): 1,
        ("critical", "tamper"): 1,
        ("warning", "all"): 1,
        ("warning", "shortfall"): 1,
    }
    assert figures.precision is not None
    assert figures.precision.value == pytest.approx(1 / 3)
    assert figures.harmless == (("door_left_open", 1, 1),)
    assert figures.by_hour[9] == 1
