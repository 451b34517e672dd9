"""Where a floor plan's zones and items are drawn: east right, north up, metres. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from backend.web.types import ItemRow, ZoneRow

MARGIN_M: Final = 2.0
HEAD_M: Final = 4.5  # Of each zone, for its name.
STEP_M: Final = 3.6  # Between items, at most.
DOT_M: Final = 1.0
ITEMS_DRAWN_MAX: Final = 500  # Beyond, a plan is a blot: the lots' list tells more.
GRID_MAX: Final = 80  # Places along an edge that are looked at.

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShape:
    """A zone as drawn; y grows downwards."""

    id: UUID
    name: str
    kind: str
    points: str
    x: float
    y: float
    items: int
    alarming: int
    sensors: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """An item as drawn; its shape tells its custody without colour."""

    item: ItemRow
    zone_id: UUID
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A site as drawn.

    ``gaps`` are the places whose items are elsewhere, ``lost`` the items that no zone has.
    """

    view_box: str
    zones: Sequence[ZoneShape]
    dots: Sequence[Dot]
    gaps: Sequence[Dot]
    lost: Sequence[ItemRow]


def draw(zones: Sequence[ZoneRow], items: Sequence[ItemRow]) -> Plan:
    """Return a site's plan; the same items lie at the same places each time."""
    corners = [corner for zone in zones for corner in zone.polygon_m]
    if not corners:
        return Plan(view_box="0 0 1 1", zones=(), dots=(), gaps=(), lost=tuple(items))
    west, east = min(x for x, _ in corners), max(x for x, _ in corners)
    south, north = min(y for _, y in corners), max(y for _, y in corners)
    shown = items[:ITEMS_DRAWN_MAX]
    by_zone: dict[UUID, list[ItemRow]] = {zone.id: [] for zone in zones}
    slots: dict[UUID, list[ItemRow]] = {zone.id: [] for zone in zones}
    for item in sorted(shown, key=lambda item: (item.lot, item.name, item.id)):
        if item.zone_id is not None and item.zone_id in by_zone:
            by_zone[item.zone_id].append(item)
        # Whoever belongs here keeps its place while it is away; visitors come after.
        if item.home_zone_id in slots:
            slots[item.home_zone_id].append(item)
    for zone in zones:
        slots[zone.id] += [each for each in by_zone[zone.id] if each.home_zone_id != zone.id]
    placed = [dot for zone in zones for dot in _dots(zone, slots[zone.id])]
    width, height = east - west + 2 * MARGIN_M, north - south + 2 * MARGIN_M
    return Plan(
        view_box=f"{west - MARGIN_M:g} {-north - MARGIN_M:g} {width:g} {height:g}",
        zones=[_shape(zone, by_zone[zone.id]) for zone in zones],
        dots=[dot for dot in placed if dot.zone_id == dot.item.zone_id],
        gaps=[dot for dot in placed if dot.zone_id != dot.item.zone_id],
        lost=[item for item in shown if item.zone_id not in by_zone],
    )


def _shape(zone: ZoneRow, items: Sequence[ItemRow]) -> ZoneShape:
    west = min(x for x, _ in zone.polygon_m)
    north = max(y for _, y in zone.polygon_m)
    return ZoneShape(
        id=zone.id,
        name=zone.name,
        kind=zone.kind,
        points=" ".join(f"{x:g},{-y:g}" for x, y in zone.polygon_m),
        x=west + 1.0,
        y=-north + 2.6,
        items=len(items),
        alarming=sum(item.custody in ("missing", "relocated") for item in items),
        sensors=zone.sensors,
    )


def _dots(zone: ZoneRow, items: Sequence[ItemRow]) -> list[Dot]:
    """Return items on a grid inside a zone, in their order, as wide as it can be."""
    if not items:
        return []
    step_m = STEP_M
    places = _places(zone.polygon_m, step_m)
    while len(places) < len(items) and step_m > STEP_M / 32:
        step_m /= 1.4
        places = _places(zone.polygon_m, step_m)
    radius = DOT_M * step_m / STEP_M
    return [
        Dot(item=item, zone_id=zone.id, x=x, y=-y, radius=radius)
        for item, (x, y) in zip(items, places, strict=False)
    ]


def _places(polygon: Sequence[Point], step_m: float) -> list[Point]:
    """Return points of a grid inside a polygon, row by row from the top, under its name."""
    west, east = min(x for x, _ in polygon), max(x for x, _ in polygon)
    south, north = min(y for _, y in polygon), max(y for _, y in polygon)
    columns = min(int((east - west) / step_m), GRID_MAX)
    rows = min(int((north - south - HEAD_M) / step_m), GRID_MAX)
    return [
        (x, y)
        for row in range(rows)
        for column in range(columns)
        if _is_inside(
            x := west + (column + 0.5) * step_m + 0.8,
            y := north - HEAD_M - (row + 0.5) * step_m,
            polygon,
        )
    ]


def _is_inside(x: float, y: float, polygon: Sequence[Point]) -> bool:
    """Return whether a point lies in a polygon, by counting the edges to its right."""
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
