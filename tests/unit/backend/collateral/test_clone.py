"""A tag at two sites: a copy when goods can not have travelled, and none when they can."""

from dataclasses import replace
from uuid import UUID

import pytest

from backend.alerts.rules.steps import kind_of
from backend.alerts.types import AlertKind
from backend.collateral.rules.detector import Seen
from backend.collateral.rules.detectors import clone
from backend.collateral.types import Fact, LotSetup, Place, Sight, StreamView
from backend.ids import GatewayId, SiteId, ZoneId
from tests.unit.backend.collateral.rfid import BASE_US, GATEWAY, HALL_ZONE, HOME, SECOND_US, Site

FAR = (GatewayId("gw-far"), "rfid")
FAR_ZONE = ZoneId(UUID(int=9))
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
HERE = Place(name="hall", kind="storage", site_id=SiteId(UUID(int=1)), lat_deg=51.95, lon_deg=4.05)
# A hundred kilometres to the east: 24 minutes at the greatest speed.
THERE = Place(
    name="shed", kind="storage", site_id=SiteId(UUID(int=2)), lat_deg=51.95, lon_deg=5.51
)
SITE = Site(items=1)


def _setup(there: Place) -> LotSetup:
    setup = SITE.setup
    readers = {**setup.readers, FAR: frozenset({FAR_ZONE})}
    return replace(setup, readers=readers, places={HALL_ZONE: HERE, FAR_ZONE: there})


def _sight(reader: tuple[GatewayId, str], stay_us: int, made_us: int, reads: int = 5) -> Sight:
    return Sight(
        item_id=SITE.ids[0],
        reader=reader,
        seen_us=made_us,
        made_us=made_us,
        listened_us=0,
        streak_us=0,
        streak_reads=reads,
        rssi_cdbm=-5_000,
        envelope_number=1,
        arrived_us=made_us,
        stay_us=stay_us,
    )


def _judge(
    *sights: Sight, there: Place = THERE, later_us: int = 0, flagged: bool = False
) -> list[Fact]:
    now_us = max(sight.made_us for sight in sights) + later_us
    streams = {
        name: StreamView(stopped=False, fresh_us=now_us, clock_flagged=flagged)
        for name in (GATEWAY, FAR[0])
    }
    seen = Seen(sensors={}, streams=streams, sights=sights, now_us=now_us, since_us=now_us)
    return list(clone.judge({}, _setup(there), seen))


def test_two_sites_within_a_minute_is_a_copy() -> None:
    """Read here and a hundred kilometres away: tampering, with both reads as evidence."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    far = _sight(FAR, BASE_US + MINUTE_US, BASE_US + MINUTE_US)
    (fact,) = _judge(home, far)
    assert fact.grave
    assert kind_of(fact.kind) is AlertKind.TAMPER
    assert {each.gateway for each in fact.evidence} == {GATEWAY, FAR[0]}
    assert "100 km" in fact.text


def test_a_read_elsewhere_during_a_stay_is_a_copy_though_it_comes_late() -> None:
    """The other site's outage is over: its read lies hours back, in the middle of a stay here."""
    home = _sight(HOME, BASE_US - 10 * HOUR_US, BASE_US)
    far = replace(_sight(FAR, BASE_US - 5 * HOUR_US, BASE_US - 5 * HOUR_US), arrived_us=BASE_US)
    assert len(_judge(home, far)) == 1


@pytest.mark.parametrize(
    ("stay_us", "made_us"), [(HOUR_US, 2 * HOUR_US), (30 * MINUTE_US, 30 * MINUTE_US)]
)
def test_goods_may_travel(stay_us: int, made_us: int) -> None:
    """Last read here, and there half an hour later or more: that is a journey."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    assert _judge(home, _sight(FAR, BASE_US + stay_us, BASE_US + made_us)) == []


def test_neighbouring_sites_read_each_other() -> None:
    """A few hundred metres are no distance for a reader, nor for a forklift."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    near = replace(THERE, lon_deg=4.055)
    assert _judge(home, _sight(FAR, BASE_US, BASE_US), there=near) == []


def test_one_read_may_be_garbled() -> None:
    """A number that was read once at another site proves nothing."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    assert _judge(home, _sight(FAR, BASE_US, BASE_US, reads=1)) == []


def test_a_clock_in_doubt_leaves_a_warning() -> None:
    """When it was read is only as good as the clocks."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    (fact,) = _judge(home, _sight(FAR, BASE_US, BASE_US), flagged=True)
    assert not fact.grave


def test_a_copy_that_is_seen_no_more_ceases() -> None:
    """An hour after its last read the finding ends; the alert stays."""
    home = _sight(HOME, BASE_US - HOUR_US, BASE_US)
    far = _sight(FAR, BASE_US, BASE_US)
    assert len(_judge(home, far, later_us=HOUR_US - MINUTE_US)) == 1
    assert _judge(home, far, later_us=HOUR_US + MINUTE_US) == []
