"""Report by exception keeps what changed, and a heartbeat of what did not."""

from collections.abc import Sequence
from dataclasses import replace

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.report import KEYS_MAX, Channel, Reporter, ReportRule
from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.quantities import EventType, Quality, Quantity
from tests.unit.gateway.builders import make_event, make_scalar, make_sighting

HEARTBEAT_S = 5.0


def make_reporter(deadband: float = 0.0) -> Reporter:
    """Return a reporter of one scale, one reader and one receiver."""
    rule = ReportRule(deadband=deadband, heartbeat_s=HEARTBEAT_S)
    rules: dict[Channel, ReportRule] = {
        (sensor, None): rule for sensor in ("scale-1", "rfid-1", "gnss-1", "cam-1")
    }
    rules["rfid-1", Quantity.INVENTORY] = ReportRule(heartbeat_s=0.0)
    return Reporter(rules)


def offer(reporter: Reporter, readings: Sequence[Reading], now_s: float) -> Sequence[Reading]:
    """Return what is reported of one arrival."""
    return reporter.decide(readings, now_s=now_s).readings


def test_unchanged_value_is_told_once_a_heartbeat() -> None:
    """Ten seconds of the same weight at 10 Hz are three readings, each a fresh one."""
    reporter = make_reporter()
    told = [
        reading.time_unix_us
        for tenth in range(101)
        for reading in offer(reporter, [make_scalar(time_unix_us=tenth)], tenth / 10)
    ]

    assert told == [0, 50, 100]


def test_change_beyond_the_deadband_is_news() -> None:
    """A step up to the deadband is held, one beyond it is told at once."""
    reporter = make_reporter(deadband=100.0)
    offer(reporter, [make_scalar(value=1_000.0)], 0.0)

    assert offer(reporter, [make_scalar(value=1_100.0)], 0.1) == ()
    report = reporter.decide([make_scalar(value=1_100.5)], now_s=0.2)
    assert report.news
    assert [r.value for r in report.readings if isinstance(r, Scalar)] == [1_100.5]


def test_drift_is_measured_from_what_was_told() -> None:
    """Many steps below the deadband add up: nothing can creep away unreported."""
    reporter = make_reporter(deadband=10.0)
    told = [
        reading.value
        for step in range(100)
        for reading in offer(reporter, [make_scalar(value=float(step))], step / 1_000)
        if isinstance(reading, Scalar)
    ]

    assert told == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]


def test_change_of_quality_is_news() -> None:
    """A load that begins to move is told though its number is the same."""
    reporter = make_reporter(deadband=1e9)
    offer(reporter, [make_scalar()], 0.0)

    assert len(offer(reporter, [make_scalar(quality=Quality.UNSTABLE)], 0.1)) == 1


def make_position(lat: float, hdop: float = 1.0) -> list[Reading]:
    """Return the four scalars of one fix."""
    values = {
        Quantity.FIX: 3.0,
        Quantity.LATITUDE: lat,
        Quantity.LONGITUDE: 4.05,
        Quantity.HDOP: hdop,
    }
    return [make_scalar(sensor="gnss-1", quantity=q, value=v) for q, v in values.items()]


def test_position_is_told_whole_or_not_at_all() -> None:
    """A latitude that moved brings its longitude; a dilution that changed brings nothing."""
    reporter = make_reporter()
    offer(reporter, make_position(51.95), 0.0)

    assert offer(reporter, make_position(51.95, hdop=2.0), 1.0) == ()
    assert len(offer(reporter, make_position(51.96), 2.0)) == 4


def test_inventory_is_told_every_round() -> None:
    """An empty round after an empty round is told again: it proves that the reader lives."""
    reporter = make_reporter()
    rounds = [make_scalar(sensor="rfid-1", quantity=Quantity.INVENTORY, value=0.0)] * 3

    assert all(offer(reporter, [round_], now_s) for now_s, round_ in enumerate(rounds))


def test_reads_of_a_still_tag_become_one_sighting_with_their_count() -> None:
    """The first read is told at once; the next sighting counts all since, with the best RSSI."""
    reporter = make_reporter()
    told = [
        reading
        for tenth in range(51)
        for reading in offer(reporter, [make_sighting(rssi_cdbm=-6_000 + tenth % 10)], tenth / 10)
        if isinstance(reading, Sighting)
    ]

    assert [(s.count, s.rssi_cdbm) for s in told] == [(1, -6_000), (50, -5_991)]


def test_a_tag_that_moves_is_news() -> None:
    """An RSSI that jumps beyond its noise is told before the heartbeat."""
    reporter = make_reporter()
    offer(reporter, [make_sighting(rssi_cdbm=-6_000)], 0.0)

    assert offer(reporter, [make_sighting(rssi_cdbm=-6_900)], 0.1) == ()
    assert len(offer(reporter, [make_sighting(rssi_cdbm=-7_300)], 0.2)) == 1


def test_a_repeated_fault_is_told_once_a_heartbeat_with_its_count() -> None:
    """Noise on a line does not fill the journal; how much of it there was is told."""
    reporter = make_reporter()
    told = [
        cbor2.loads(reading.body).get("count", 1)
        for tenth in range(51)
        for reading in offer(
            reporter,
            [make_event(EventType.FAULT, {"why": "noise", "bytes": bytes([tenth])})],
            tenth / 10,
        )
        if isinstance(reading, EventReading)
    ]

    assert told == [1, 50]


def test_faults_of_another_kind_are_news() -> None:
    """An overload is not hidden behind noise."""
    reporter = make_reporter()
    offer(reporter, [make_event()], 0.0)

    assert len(offer(reporter, [make_event(body={"why": "overload", "bytes": b""})], 0.1)) == 1


def test_a_camera_object_is_told_when_its_zones_change() -> None:
    """A score that wavers is no news; another zone is."""
    reporter = make_reporter()
    body: dict[str, object] = {"id": "1", "phase": "new", "label": "person", "score": 0.5}

    def see(**changes: object) -> Sequence[Reading]:
        event = make_event(EventType.CAMERA_OBJECT, body | {"zones": ["a"]} | changes)
        return offer(reporter, [replace(event, sensor="cam-1")], 0.1)

    assert len(see()) == 1
    assert see(score=0.6) == ()
    assert len(see(zones=["b"])) == 1
    assert len(see(id="2")) == 1


def test_tags_remembered_are_bounded() -> None:
    """A flood of ghost tags does not grow the memory without end."""
    reporter = make_reporter()
    for ghost in range(KEYS_MAX + 10):
        offer(reporter, [make_sighting(epc=ghost.to_bytes(12, "big"))], 0.0)

    assert len(offer(reporter, [make_sighting(epc=(0).to_bytes(12, "big"))], 0.1)) == 1
    assert offer(reporter, [make_sighting(epc=(KEYS_MAX + 9).to_bytes(12, "big"))], 0.1) == ()


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-1e6, 1e6)), min_size=1), st.floats(0, 1e5))
def test_what_is_known_downstream_is_never_off_by_more_than_the_deadband(
    steps: list[tuple[float, float]], deadband: float
) -> None:
    """After each arrival the last value told differs from the true one by the deadband at most."""
    reporter = make_reporter(deadband)
    now_s, known, known_s = 0.0, float("nan"), 0.0
    for pause_s, value in steps:
        now_s += pause_s
        for reading in offer(reporter, [make_scalar(value=value)], now_s):
            assert isinstance(reading, Scalar)
            known, known_s = reading.value, now_s
        assert abs(known - value) <= deadband
        assert now_s - known_s < HEARTBEAT_S
