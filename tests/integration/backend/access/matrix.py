"""Which role may call which route: written by hand, and compared with the application's routes."""

from typing import Final

from backend.parties.types import Role

Route = tuple[str, str]
Roles = frozenset[Role]

ALL: Final[Roles] = frozenset(Role)
NONE: Final[Roles] = frozenset()
LENDER: Final[Roles] = frozenset({Role.LENDER})
BORROWER: Final[Roles] = frozenset({Role.BORROWER})
LOGISTICS: Final[Roles] = frozenset({Role.LOGISTICS})
OPERATOR: Final[Roles] = frozenset({Role.OPERATOR})
WRITERS: Final[Roles] = ALL - {Role.REGULATOR}
AUDITORS: Final[Roles] = frozenset({Role.OPERATOR, Role.REGULATOR})
KEEPERS: Final[Roles] = frozenset({Role.OPERATOR, Role.LOGISTICS})
MARKET: Final[Roles] = frozenset({Role.LENDER, Role.OPERATOR})

# Without a login: what a stranger needs to become somebody, and what watches the service.
PUBLIC: Final[frozenset[Route]] = frozenset(
    {
        ("POST", "/api/login"),
        ("POST", "/api/enrol"),
        ("GET", "/api/openapi.json"),
        ("GET", "/health"),
        ("GET", "/metrics"),
    }
)

PARTIES: Final[dict[Route, Roles]] = {
    ("POST", "/api/logout"): ALL,
    ("GET", "/api/me"): ALL,
    ("POST", "/api/parties"): OPERATOR,
    ("GET", "/api/parties"): ALL,
    ("POST", "/api/accounts"): OPERATOR,
    ("GET", "/api/accounts"): ALL,
    ("POST", "/api/tokens"): WRITERS,
    ("GET", "/api/tokens"): ALL,
    ("DELETE", "/api/tokens/{token_id}"): WRITERS,
}
PLANT: Final[dict[Route, Roles]] = {
    ("POST", "/api/sites"): KEEPERS,
    ("GET", "/api/sites"): ALL,
    ("POST", "/api/sites/{site_id}/zones"): KEEPERS,
    ("GET", "/api/sites/{site_id}/zones"): ALL,
    ("POST", "/api/gateways"): KEEPERS,
    ("GET", "/api/gateways"): ALL,
    ("POST", "/api/gateways/{gateway_id}/enrolment-codes"): OPERATOR,
    ("GET", "/api/sensors"): ALL,
    ("GET", "/api/refused-envelopes"): AUDITORS,
}
MARKET_ROUTES: Final[dict[Route, Roles]] = {
    ("POST", "/api/instruments"): MARKET,
    ("GET", "/api/instruments"): ALL,
    ("GET", "/api/instruments/{instrument_id}"): ALL,
    ("POST", "/api/instruments/{instrument_id}/prices"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/prices.csv"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/prices/accept"): LENDER,
    ("GET", "/api/instruments/{instrument_id}/prices"): ALL,
}
MATRIX: Final[dict[Route, Roles]] = PARTIES | PLANT | MARKET_ROUTES
