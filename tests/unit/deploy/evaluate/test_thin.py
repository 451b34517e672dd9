"""The columnar twin of report by exception reports exactly what the gateway's Reporter does."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deploy.evaluate.thin import Told, ToldTag, thin_arrivals, thin_reads
from gateway.drivers.report import Reporter, ReportRule
from gateway.reading import Scalar, Sighting
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import QUALITY_CODES, Quality, Quantity

HEARTBEAT_S = 5.0
QUALITIES = (Quality.GOOD, Quality.UNSTABLE)

steps_s = st.sampled_from([0.0, 0.1, 0.2, 1.0, 1.0, 1.0, 4.9, 5.0, 7.3, 60.0])
masses = st.lists(
    st.tuples(
        steps_s,
        st.sampled_from([0.0, 100.0, 499.0, 500.0, 501.0, -700.0, 5e6]),
        st.sampled_from(QUALITIES),
    ),
    max_size=60,
)
reads = st.lists(
    st.tuples(steps_s, st.sampled_from([-5_000, -5_600, -6_199, -6_200, -7_000, RSSI_UNKNOWN])),
    max_size=60,
)
cuts = st.lists(st.integers(0, 60), max_size=4)


def _pieces(count: int, places: list[int]) -> list[slice]:
    edges = sorted({0, count, *(min(place, count) for place in places)})
    return [slice(a, b) for a, b in pairwise(edges)]


@given(masses, cuts, st.sampled_from([0.0, 500.0]), st.sampled_from([0.0, HEARTBEAT_S]))
def test_thinned_scalars_are_those_that_the_reporter_reports(
    rows: list[tuple[float, float, Quality]],
    places: list[int],
    deadband: float,
    heartbeat_s: float,
) -> None:
    """Whatever a channel says, and however its months are cut, both report the same readings."""
    rule = ReportRule(deadband=deadband, heartbeat_s=heartbeat_s)
    reporter = Reporter({("scale", None): rule})
    time_s = np.cumsum([row[0] for row in rows])
    expected = [
        index
        for index, (_, value, quality) in enumerate(rows)
        if reporter.decide(
            [
                Scalar(
                    sensor="scale",
                    quantity=Quantity.MASS,
                    time_unix_us=0,
                    value=value,
                    quality=quality,
                )
            ],
            now_s=float(time_s[index]),
        ).readings
    ]
    value = np.array([row[1] for row in rows])
    quality = np.array([QUALITY_CODES[row[2]] for row in rows], dtype=np.uint8)
    told: Told | None = None
    found: list[int] = []
    for piece in _pieces(len(rows), places):
        chosen, told = thin_arrivals(
            time_s[piece], (value[piece],), (quality[piece],), (deadband,), heartbeat_s, told
        )
        found += (chosen + piece.start).tolist()
    assert found == expected


@given(
    st.lists(
        st.tuples(
            steps_s, st.sampled_from([3.0, 0.0]), st.sampled_from([1.0, 2.0]), st.floats(0, 9)
        ),
        max_size=40,
    ),
    cuts,
)
def test_the_readings_of_one_arrival_are_thinned_together(
    rows: list[tuple[float, float, float, float]], places: list[int]
) -> None:
    """A position is told whole when its fix or place changed, and never for its dilution alone."""
    rule = ReportRule(deadband=0.5, heartbeat_s=HEARTBEAT_S)
    reporter = Reporter({("gnss", None): rule})
    time_s = np.cumsum([row[0] for row in rows])
    quantities = (Quantity.FIX, Quantity.LATITUDE, Quantity.HDOP)
    expected = [
        index
        for index, (_, *values) in enumerate(rows)
        if reporter.decide(
            [
                Scalar(sensor="gnss", quantity=quantity, time_unix_us=0, value=value)
                for quantity, value in zip(quantities, values, strict=True)
            ],
            now_s=float(time_s[index]),
        ).readings
    ]
    columns = tuple(np.array([row[i] for row in rows]) for i in (1, 2, 3))
    good = np.zeros(len(rows), dtype=np.uint8)
    told: Told | None = None
    found: list[int] = []
    for piece in _pieces(len(rows), places):
        chosen, told = thin_arrivals(
            time_s[piece],
            tuple(column[piece] for column in columns),
            (good[piece],) * 3,
            (0.0, 0.5, None),
            HEARTBEAT_S,
            told,
        )
        found += (chosen + piece.start).tolist()
    assert found == expected


@given(reads, cuts)
def test_sightings_of_a_tag_count_the_reads_that_the_reporter_held_back(
    rows: list[tuple[float, int]], places: list[int]
) -> None:
    """Both tell the same sightings, with the same counts and the best RSSI since the last."""
    reporter = Reporter({("rfid", None): ReportRule(heartbeat_s=HEARTBEAT_S)})
    time_s = np.cumsum([row[0] for row in rows])
    expected: list[tuple[int, int, int]] = []
    for index, (_, rssi_cdbm) in enumerate(rows):
        sighting = Sighting(sensor="rfid", time_unix_us=0, epc=b"\x01", rssi_cdbm=rssi_cdbm)
        for told in reporter.decide([sighting], now_s=float(time_s[index])).readings:
            assert isinstance(told, Sighting)
            expected.append((index, told.count, told.rssi_cdbm))
    rssi = np.array([row[1] for row in rows], dtype=np.int16)
    known: ToldTag | None = None
    found: list[tuple[int, int, int]] = []
    for piece in _pieces(len(rows), places):
        chosen, counts, best, known = thin_reads(time_s[piece], rssi[piece], HEARTBEAT_S, known)
        at = (chosen + piece.start).tolist()
        found += list(zip(at, counts.tolist(), best.tolist(), strict=True))
    assert found == expected
