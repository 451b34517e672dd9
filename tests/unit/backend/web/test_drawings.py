"""Gauges, sparklines and floor plans as numbers."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.facility.types import Lines
from backend.web.charts import GAUGE_WIDTH, SPARK_HEIGHT, coverage_gauge, sparkline
from backend.web.floor_plan import draw
from backend.web.types import ItemRow, ZoneRow

LINES = Lines(
    warning_bps=15_000,
    call_bps=13_000,
    liquidation_bps=11_000,
    recovery_margin_bps=500,
    recovery_valuations=3,
)


def make_item(number: int, zone: UUID | None, custody: str = "in_zone") -> ItemRow:
    """Return an item last seen in a zone."""
    return ItemRow(
        id=UUID(int=number),
        lot_id=UUID(int=0),
        lot="copper",
        name=f"copper-{number:04d}",
        epc="30",
        net_mass_g=1,
        tare_mass_g=0,
        home_zone_id=UUID(int=1),
        custody=custody,
        zone_id=zone,
        zone="hall",
        seen_at=None,
        rssi_cdbm=None,
        gateway_id=None,
        sensor=None,
        envelope_number=None,
    )


def make_zone(number: int, *corners: tuple[float, float]) -> ZoneRow:
    """Return a storage zone."""
    return ZoneRow(id=UUID(int=number), name="hall", kind="storage", polygon_m=corners, sensors=())


SQUARE = ((0.0, 0.0), (30.0, 0.0), (30.0, 20.0), (0.0, 20.0))
TRIANGLE = ((0.0, 0.0), (30.0, 0.0), (0.0, 30.0))


@given(st.integers(min_value=0, max_value=10**9))
def test_the_marker_stays_on_the_gauge(coverage_bps: int) -> None:
    """However small or great the coverage, its marker is between the ends, the lines in order."""
    gauge = coverage_gauge(coverage_bps, LINES)
    assert gauge.marker is not None
    assert 0 <= gauge.marker <= GAUGE_WIDTH
    assert 0 < gauge.liquidation < gauge.call < gauge.warning < GAUGE_WIDTH


def test_without_a_debt_there_is_no_marker() -> None:
    """Coverage of nothing is no number."""
    assert coverage_gauge(None, LINES).marker is None


def test_a_sparkline_is_empty_without_readings_and_a_line_with_one() -> None:
    """No reading draws nothing; one reading draws a level line to the right end."""
    assert sparkline([], 0, 60).path is None
    assert sparkline([(0, 5.0)], 0, 60).path == "M0.0 18.0L160.0 18.0"


@given(
    st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=2, max_size=50),
)
def test_a_sparkline_stays_in_its_box(values: list[float]) -> None:
    """Every point lies between top and bottom, whatever the values."""
    path = sparkline(list(enumerate(values)), 0, len(values)).path
    assert path is not None
    heights = [float(step.split()[1]) for step in path[1:].split("L")]
    assert all(0 <= height <= SPARK_HEIGHT for height in heights)


def test_items_lie_in_their_zone_and_at_the_same_place_each_time() -> None:
    """A dot is inside its polygon, no two are at one place, and order does not matter."""
    zone = make_zone(1, *TRIANGLE)
    items = [make_item(n, zone.id) for n in range(60)]

    plan = draw([zone], items)

    places = {(dot.x, dot.y) for dot in plan.dots}
    assert len(places) == len(items)
    assert all(x >= 0 and -y >= 0 and x + -y <= 30 for x, y in places)
    assert draw([zone], items[::-1]).dots == plan.dots


def test_an_item_that_no_zone_has_is_named_not_drawn() -> None:
    """What was never seen, or seen in a zone of another site, is listed instead."""
    zone = make_zone(1, *SQUARE)
    plan = draw([zone], [make_item(1, None), make_item(2, UUID(int=9))])
    assert plan.dots == []
    assert len(plan.lost) == 2


def test_an_item_that_is_away_leaves_its_place_empty() -> None:
    """When an item is moved the others stay where they are drawn, and a gap shows its place."""
    home, dock = make_zone(1, *SQUARE), make_zone(2, (40.0, 0.0), (60.0, 0.0), (60.0, 20.0))
    items = [make_item(n, home.id) for n in range(4)]
    before = {dot.item.id: (dot.x, dot.y) for dot in draw([home, dock], items).dots}

    items[1] = make_item(1, dock.id, "relocated")
    plan = draw([home, dock], items)

    assert [(gap.x, gap.y) for gap in plan.gaps] == [before[items[1].id]]
    after = {dot.item.id: (dot.x, dot.y) for dot in plan.dots}
    assert all(after[item.id] == before[item.id] for item in (items[0], items[2], items[3]))


def test_a_zone_counts_what_alarms() -> None:
    """Missing and relocated items mark the zone in which they were last seen."""
    zone = make_zone(1, *SQUARE)
    plan = draw([zone], [make_item(1, zone.id), make_item(2, zone.id, "missing")])
    assert (plan.zones[0].items, plan.zones[0].alarming) == (2, 1)


def test_a_site_without_zones_can_be_drawn() -> None:
    """Nothing to draw is no error."""
    assert draw([], []).zones == ()
