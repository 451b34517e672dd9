"""Which pages each role is offered, in the order of its work."""

from dataclasses import dataclass
from typing import Final

from backend.parties.types import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of the navigation."""

    path: str
    label: str


_FACILITIES: Final = Link(path="/facilities", label="Facilities")
_PLEDGES: Final = Link(path="/pledges", label="Pledges")
_APPLICATIONS: Final = Link(path="/applications", label="Applications")
_KEYS: Final = Link(path="/keys", label="Keys")
_LOTS: Final = Link(path="/lots", label="Lots")
_ALERTS: Final = Link(path="/alerts", label="Alerts")
_ORDERS: Final = Link(path="/release-orders", label="Release orders")
_FLOOR: Final = Link(path="/floor", label="Floor plan")
_MARKET: Final = Link(path="/market", label="Prices")
_SENSORS: Final = Link(path="/sensors", label="Sensors")
_GATEWAYS: Final = Link(path="/gateways", label="Gateways")
_REFUSED: Final = Link(path="/refused", label="Refused envelopes")
_NOTIFICATIONS: Final = Link(path="/notifications", label="Notifications")
_SIMULATOR: Final = Link(path="/simulator", label="Simulator")

_LINKS: Final[dict[Role, tuple[Link, ...]]] = {
    Role.LENDER: (
        _FACILITIES,
        _APPLICATIONS,
        _ALERTS,
        _LOTS,
        _PLEDGES,
        _ORDERS,
        _FLOOR,
        _SENSORS,
        _MARKET,
        _NOTIFICATIONS,
        _KEYS,
    ),
    Role.BORROWER: (
        _FACILITIES,
        _APPLICATIONS,
        _LOTS,
        _PLEDGES,
        _ORDERS,
        _ALERTS,
        _FLOOR,
        _MARKET,
        _NOTIFICATIONS,
        _KEYS,
    ),
    Role.LOGISTICS: (
        _ALERTS,
        _FLOOR,
        _LOTS,
        _APPLICATIONS,
        _ORDERS,
        _SENSORS,
        _GATEWAYS,
        _NOTIFICATIONS,
        _KEYS,
    ),
    Role.OPERATOR: (
        _GATEWAYS,
        _SENSORS,
        _REFUSED,
        _FLOOR,
        _ALERTS,
        _MARKET,
        _NOTIFICATIONS,
        _KEYS,
    ),
    Role.REGULATOR: (
        _FACILITIES,
        _APPLICATIONS,
        _ALERTS,
        _LOTS,
        _PLEDGES,
        _ORDERS,
        _FLOOR,
        _MARKET,
        _GATEWAYS,
        _SENSORS,
        _REFUSED,
        _NOTIFICATIONS,
        _KEYS,
    ),
}
SIMULATES: Final = frozenset({Role.LENDER, Role.LOGISTICS, Role.OPERATOR})


def links_of(role: Role | None, *, simulator: bool) -> tuple[Link, ...]:
    """Return a role's pages; the first is its home. A stranger has none."""
    if role is None:
        return ()
    links = _LINKS[role]
    return (*links, _SIMULATOR) if simulator and role in SIMULATES else links
