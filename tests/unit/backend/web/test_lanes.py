"""The drawing of the time around an alert, and its words for evidence."""

from datetime import UTC, datetime, timedelta
from math import log

import pytest

from backend.alerts.types import MinuteOfSightings, MinuteOfValues, SensorEvent, Timeline
from backend.web import format as fmt
from backend.web.lanes import HEIGHT, LANES_MAX, WIDTH, lanes_of

BEGIN = datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
OPENED = BEGIN + timedelta(minutes=10)


def minute(number: int, least: float, most: float, sensor: str = "scale") -> MinuteOfValues:
    """Return one minute of a scale."""
    return MinuteOfValues(
        minute=BEGIN + timedelta(minutes=number),
        gateway_id="gw",
        sensor=sensor,
        quantity="mass",
        count=60,
        value_min=least,
        value_max=most,
    )


def around(*values: MinuteOfValues, **more: object) -> Timeline:
    """Return twenty minutes."""
    named: dict[str, object] = {"begin": BEGIN, "end": BEGIN + timedelta(minutes=20), **more}
    return Timeline(values=values, **named)  # pyright: ignore[reportArgumentType]


def test_marks_stand_where_their_moments_are() -> None:
    """The alert's opening in the middle of the drawing, its beginning before, events beside."""
    event = SensorEvent(
        at=BEGIN + timedelta(minutes=5),
        gateway_id="gw",
        sensor="cam",
        type="camera_tamper",
        image_sha256=None,
    )
    began = OPENED - timedelta(minutes=2)
    drawn = lanes_of(around(minute(1, 5, 6), events=(event,)), began, OPENED)
    assert [(mark.text, mark.x) for mark in drawn.marks] == [
        ("began", WIDTH * 0.4),
        ("alert opened", WIDTH / 2),
    ]
    assert [(mark.text, mark.x) for mark in drawn.events] == [("cam: camera tamper", WIDTH / 4)]
    assert [tick.text for tick in drawn.ticks] == ["11:55", "12:00", "12:05"]


def test_lane_spans_its_extremes_and_stays_inside_its_height() -> None:
    """The heaviest minute is at the top, the lightest at the bottom."""
    (lane,) = lanes_of(around(minute(0, 10_000, 10_000), minute(12, 0, 1)), None, OPENED).lanes
    assert (lane.low, lane.high, lane.quantity) == (0, 10_000, "mass")
    ups = [float(part.split(" ")[1].split("H")[0]) for part in lane.area.split("M")[1:]]
    assert 0 <= ups[0] < HEIGHT / 4
    assert HEIGHT * 3 / 4 < ups[1] <= HEIGHT


def test_lanes_that_moved_with_the_alert_are_the_ones_that_are_drawn() -> None:
    """Of too many channels those that say nothing are left out, and counted."""
    still = [
        minute(number, 5, 5, f"still-{sensor:02}")
        for sensor in range(LANES_MAX)
        for number in (1, 15)
    ]
    moved = [minute(1, 9, 9, "moved"), minute(15, 1, 1, "moved")]
    drawn = lanes_of(around(*still, *moved), None, OPENED)
    assert drawn.left_out == 1
    assert "moved" in {lane.sensor for lane in drawn.lanes}
    assert drawn.height == HEIGHT * LANES_MAX


def test_reader_has_a_lane_of_its_items() -> None:
    """From nought to as many of the lot's items as it read."""
    reads = MinuteOfSightings(minute=BEGIN, gateway_id="gw", sensor="rfid", items=8, reads=90)
    (lane,) = lanes_of(around(sightings=(reads,)), None, OPENED).lanes
    assert (lane.sensor, lane.quantity, lane.low, lane.high) == ("rfid", None, 0, 8)


@pytest.mark.parametrize(
    ("log_odds", "label", "odds"),
    [
        (log(2), "hardly any", "2 to 1 for"),
        (log(25), "strong for it", "25 to 1 for"),
        (-log(200), "very strong against it", "200 to 1 against"),
        (18.4, "very strong for it", "more than a million to 1 for"),
    ],
)
def test_evidence_is_told_in_words_and_as_a_bet(log_odds: float, label: str, odds: str) -> None:
    """Grades by Kass and Raftery; the ratio beside them."""
    assert (fmt.evidence_weight(log_odds).label, fmt.factor(log_odds)) == (label, odds)


def test_probability_is_never_rounded_to_a_certainty() -> None:
    """What is only nearly sure is told so."""
    assert fmt.evidence_weight(None).label == "not weighed"
    assert [fmt.certainty(p) for p in (0.5, 0.9899, 0.99951)] == ["50.0 %", "98.9 %", "> 99.9 %"]
