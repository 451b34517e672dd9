"""What a network reader's events amount to."""

from typing import Any

import cbor2

from gateway.config.llrp import AntennaSection, LlrpSection
from gateway.decode.events import (
    Event,
    Fault,
    FaultWhy,
    ReaderEvent,
    ReaderWhat,
    TagReport,
)
from gateway.drivers.llrp_rounds import TAGS_MAX, Rounds
from gateway.reading import Arrival, EventReading, Scalar, Sighting
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import EventType, Quantity

NOW_US = 1_700_000_000_000_000
EPC = bytes.fromhex("3074257bf7194e4000001a85")


def make_rounds(**overrides: Any) -> Rounds:  # noqa: ANN401 - any of the fields
    """Return rounds of a reader with two antennas at "portal" and one at "cold"."""
    values: dict[str, Any] = {
        "sensor": "portal",
        "url": "tcp://192.0.2.7",
        "antennas": [1, 2],
        "antenna": [AntennaSection(number=3, sensor="cold")],
    }
    return Rounds(LlrpSection(**(values | overrides)))


def tag(antenna: int | None = 1, **overrides: Any) -> TagReport:  # noqa: ANN401
    """Return a report of one tag."""
    values: dict[str, Any] = {"epc": EPC, "rssi_dbm": -56.0, "antenna": antenna}
    return TagReport(**(values | overrides))


def said(what: ReaderWhat, antenna: int | None = None, **overrides: Any) -> ReaderEvent:  # noqa: ANN401
    """Return an event of the reader, without a time."""
    values: dict[str, Any] = {"what": what, "antenna": antenna, "text": "", "time_us": None}
    return ReaderEvent(**(values | overrides))


ROUND: list[Event] = [said(ReaderWhat.AISPEC_ENDED), said(ReaderWhat.ROSPEC_ENDED)]


def counts(arrivals: list[Arrival]) -> dict[str, float]:
    """Return each sensor's count of tags."""
    scalars = [r for arrival in arrivals for r in arrival if isinstance(r, Scalar)]
    assert all(r.quantity is Quantity.INVENTORY for r in scalars)
    return {r.sensor: r.value for r in scalars}


def news(arrivals: list[Arrival]) -> list[tuple[str, str, int | None]]:
    """Return sensor, what and antenna of the reader's events."""
    events = [r for arrival in arrivals for r in arrival if isinstance(r, EventReading)]
    bodies = [(r.sensor, cbor2.loads(r.body)) for r in events if r.type is EventType.READER_EVENT]
    return [(sensor, body["what"], body["antenna"]) for sensor, body in bodies]


def test_a_sighting_carries_what_the_reader_summed_up() -> None:
    """Antenna, strength and count are the reader's, the time is the gateway's."""
    report = tag(2, count=17, last_seen_us=5)

    assert make_rounds().take([report], NOW_US) == [
        [
            Sighting(
                sensor="portal",
                time_unix_us=NOW_US,
                epc=EPC,
                antenna=2,
                rssi_cdbm=-5_600,
                count=17,
            )
        ]
    ]


def test_what_a_reader_leaves_out_is_unknown() -> None:
    """Without antenna and strength a tag is still seen, by the reader itself."""
    ((sighting,),) = make_rounds().take([tag(None, rssi_dbm=None)], NOW_US)

    assert isinstance(sighting, Sighting)
    assert (sighting.sensor, sighting.antenna, sighting.rssi_cdbm) == ("portal", 0, RSSI_UNKNOWN)


def test_each_sensor_counts_its_own_distinct_tags() -> None:
    """A tag that two antennas of one sensor see is one; the next round begins at none."""
    rounds = make_rounds()
    other = tag(3, epc=b"\x01" * 12)

    first = rounds.take([tag(1), tag(2), tag(1), other, *ROUND], NOW_US)
    assert counts(first) == {"portal": 1.0, "cold": 1.0}
    assert counts(rounds.take(ROUND, NOW_US)) == {"portal": 0.0, "cold": 0.0}
    assert rounds.ended == 2


def test_a_mad_reader_does_not_grow_the_count_without_end() -> None:
    """Distinct tags are counted up to a bound; each is still passed on."""
    rounds = make_rounds()
    flood: list[Event] = [tag(1, epc=n.to_bytes(12, "big")) for n in range(TAGS_MAX + 5)]

    assert len(rounds.take(flood, NOW_US)) == TAGS_MAX + 5
    assert counts(rounds.take(ROUND, NOW_US))["portal"] == TAGS_MAX


def test_no_round_no_count() -> None:
    """Tags alone are no proof that the reader has looked everywhere."""
    assert counts(make_rounds().take([tag(1)] * 50, NOW_US)) == {}


def test_a_reader_that_tells_only_of_rospecs_still_counts() -> None:
    """The end of the ROSpec ends the round where no end of the AISpec came before it."""
    rounds = make_rounds()
    only = [said(ReaderWhat.ROSPEC_STARTED), tag(1), said(ReaderWhat.ROSPEC_ENDED)]

    assert [counts(rounds.take(only, NOW_US))["portal"] for _ in range(2)] == [1.0, 1.0]


def test_the_end_of_a_rospec_asks_for_the_next() -> None:
    """And a reader that goes on by itself is not asked."""
    rounds = make_rounds()
    rounds.take([said(ReaderWhat.AISPEC_ENDED)], NOW_US)
    assert not rounds.over
    rounds.take([said(ReaderWhat.ROSPEC_ENDED)], NOW_US)
    assert rounds.over
    rounds.take([said(ReaderWhat.ROSPEC_STARTED)], NOW_US)
    assert not rounds.over


def test_a_sensor_with_a_lost_antenna_does_not_count() -> None:
    """What it does not see is unwatched, not gone; the other sensor goes on."""
    rounds = make_rounds()

    lost = rounds.take([said(ReaderWhat.ANTENNA_DISCONNECTED, 2), *ROUND], NOW_US)
    assert news(lost) == [("portal", "antenna_disconnected", 2)]
    assert counts(lost) == {"cold": 0.0}

    back = rounds.take([said(ReaderWhat.ANTENNA_CONNECTED, 2), *ROUND], NOW_US)
    assert news(back) == [("portal", "antenna_connected", 2)]
    assert counts(back) == {"portal": 0.0, "cold": 0.0}


def test_an_antenna_that_is_missing_at_the_start() -> None:
    """A named antenna that is not there is lost from the start; others never were there."""
    rounds = make_rounds()

    assert news(rounds.begin({1: True, 2: True, 3: False, 4: False}, NOW_US)) == [
        ("cold", "antenna_disconnected", 3)
    ]
    assert counts(rounds.take(ROUND, NOW_US)) == {"portal": 0.0}


def test_an_empty_port_of_a_reader_that_uses_all_is_no_loss() -> None:
    """Without named antennas, only what was there can be lost."""
    rounds = make_rounds(antennas=[], antenna=[])
    assert rounds.begin({1: True, 2: False}, NOW_US) == []

    empty = rounds.take([said(ReaderWhat.ANTENNA_DISCONNECTED, 2), *ROUND], NOW_US)
    assert counts(empty) == {"portal": 0.0}
    gone = rounds.take([said(ReaderWhat.ANTENNA_DISCONNECTED, 1), *ROUND], NOW_US)
    assert counts(gone) == {}


def test_troubles_are_told_and_the_ordinary_is_not() -> None:
    """Exceptions, overflows and other clients are events; starts and ends are not."""
    happened = [
        said(ReaderWhat.ROSPEC_STARTED),
        said(ReaderWhat.READER_EXCEPTION, 3, text="hot"),
        said(ReaderWhat.BUFFER_OVERFLOW),
        said(ReaderWhat.OTHER_CLIENT, text="another client tried to connect"),
    ]

    assert news(make_rounds().take(happened, NOW_US)) == [
        ("cold", "reader_exception", 3),
        ("portal", "buffer_overflow", None),
        ("portal", "other_client", None),
    ]


def test_a_broken_tag_is_a_fault_of_the_reader() -> None:
    """It keeps its first bytes."""
    ((fault,),) = make_rounds().take([Fault(why=FaultWhy.BAD_LENGTH, bytes=b"\x01")], NOW_US)

    assert isinstance(fault, EventReading)
    assert (fault.sensor, fault.type) == ("portal", EventType.FAULT)
    assert cbor2.loads(fault.body) == {"why": "bad_length", "bytes": b"\x01"}


def test_the_offset_of_the_readers_clock_is_told_with_its_size() -> None:
    """Events and reports both carry the reader's time."""
    rounds = make_rounds()
    late: list[Event] = [said(ReaderWhat.AISPEC_ENDED, time_us=NOW_US - 90_000_000)]
    seen: list[Event] = [tag(1, last_seen_us=NOW_US - 90_500_000)]
    arrivals = [a for _ in range(3) for a in rounds.take(seen, NOW_US) + rounds.take(late, NOW_US)]

    (event,) = [
        r
        for arrival in arrivals
        for r in arrival
        if isinstance(r, EventReading) and r.type is EventType.READER_EVENT
    ]
    body = cbor2.loads(event.body)
    assert body["what"] == "clock_offset"
    assert body["offset_us"] == -90_000_000
    assert body["text"] == "the reader's clock is -90.000 s from the gateway's"
