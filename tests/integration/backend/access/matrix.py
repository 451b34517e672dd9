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
LOOKERS: Final[Roles] = KEEPERS | AUDITORS
LOAN: Final[Roles] = frozenset({Role.LENDER, Role.BORROWER})
TRADE: Final[Roles] = LOAN | LOGISTICS
WATCHERS: Final[Roles] = frozenset({Role.LENDER, Role.LOGISTICS, Role.OPERATOR})
PLAYERS: Final[Roles] = frozenset({Role.LENDER, Role.LOGISTICS, Role.OPERATOR})
MARKET: Final[Roles] = frozenset({Role.LENDER, Role.OPERATOR})

# Without a login: what a stranger needs to become somebody, and what watches the service.
PUBLIC: Final[frozenset[Route]] = frozenset(
    {
        ("POST", "/api/login"),
        ("POST", "/api/enrol"),
        # A gateway's own key speaks for it.
        ("POST", "/api/gateways/{gateway_id}/certificate-nonces"),
        ("POST", "/api/gateways/{gateway_id}/certificate"),
        ("GET", "/api/openapi.json"),
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/static/{name:path}"),
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
    ("GET", "/api/gateways/{gateway_id}/thinnings"): ALL,
    ("GET", "/api/gateways/{gateway_id}/commands"): LOOKERS,
    ("GET", "/api/gateways/{gateway_id}/trust"): LOOKERS,
    ("POST", "/api/gateways/{gateway_id}/challenge"): OPERATOR,
    ("POST", "/api/gateways/{gateway_id}/configure"): OPERATOR,
    ("POST", "/api/gateways/{gateway_id}/rotate"): OPERATOR,
    ("POST", "/api/gateways/{gateway_id}/revoke"): OPERATOR,
    ("GET", "/api/sensors"): ALL,
    ("GET", "/api/images"): ALL,
    ("POST", "/api/images"): WATCHERS,
    ("GET", "/api/images/{gateway_id}/{sha256}"): ALL,
    ("GET", "/api/images/{gateway_id}/{sha256}/content"): ALL,
    ("GET", "/api/sensors/{channel_id}/readings"): ALL,
    ("GET", "/api/refused-envelopes"): AUDITORS,
}
MARKET_ROUTES: Final[dict[Route, Roles]] = {
    ("POST", "/api/instruments"): MARKET,
    ("GET", "/api/instruments"): ALL,
    ("GET", "/api/instruments/{instrument_id}"): ALL,
    ("POST", "/api/instruments/{instrument_id}/prices"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/prices.csv"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/prices/accept"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/prices/reject"): MARKET,
    ("GET", "/api/instruments/{instrument_id}/price-events"): ALL,
    ("GET", "/api/held-prices"): ALL,
    ("GET", "/api/instruments/{instrument_id}/prices"): ALL,
    ("POST", "/api/instruments/{instrument_id}/differentials"): MARKET,
    ("GET", "/api/instruments/{instrument_id}/differentials"): ALL,
    ("POST", "/api/instruments/{instrument_id}/differentials/{differential_id}/end"): MARKET,
    ("POST", "/api/instruments/{instrument_id}/feeds"): MARKET,
    ("GET", "/api/feeds"): ALL,
    ("POST", "/api/feeds/{feed_id}/retire"): MARKET,
    ("POST", "/api/calendars"): MARKET,
    ("GET", "/api/calendars"): ALL,
    ("GET", "/api/calendars/{calendar_id}"): ALL,
    ("POST", "/api/calendars/{calendar_id}/days"): MARKET,
    ("POST", "/api/calendars/{calendar_id}/days.csv"): MARKET,
    ("POST", "/api/calendars/{calendar_id}/days.ics"): MARKET,
}
FACILITY: Final[dict[Route, Roles]] = {
    ("POST", "/api/facilities"): LENDER,
    ("GET", "/api/facilities"): ALL,
    ("GET", "/api/facilities/{facility_id}"): ALL,
    ("GET", "/api/facilities/{facility_id}/valuation"): ALL,
    ("GET", "/api/facilities/{facility_id}/preview"): LOAN,
    ("GET", "/api/facilities/{facility_id}/policies"): ALL,
    ("POST", "/api/facilities/{facility_id}/policies"): LENDER,
    ("POST", "/api/facilities/{facility_id}/preview"): LOAN,
    ("GET", "/api/facilities/{facility_id}/refusals"): ALL,
    ("GET", "/api/facilities/{facility_id}/margin-calls"): ALL,
    ("POST", "/api/facilities/{facility_id}/margin-calls/extend"): LENDER,
    ("POST", "/api/facilities/{facility_id}/margin-calls/default"): LENDER,
    ("POST", "/api/facilities/{facility_id}/margin-calls/close"): LENDER,
    ("GET", "/api/facilities/{facility_id}/rates"): ALL,
    ("POST", "/api/facilities/{facility_id}/rates"): LENDER,
    ("GET", "/api/facilities/{facility_id}/accruals"): ALL,
    ("GET", "/api/facilities/{facility_id}/charges"): ALL,
    ("POST", "/api/facilities/{facility_id}/charges"): LENDER,
    ("GET", "/api/facilities/{facility_id}/dues"): ALL,
    ("POST", "/api/facilities/{facility_id}/dues"): LENDER,
    ("GET", "/api/facilities/{facility_id}/write-offs"): ALL,
    ("POST", "/api/facilities/{facility_id}/write-offs"): LENDER,
    ("POST", "/api/facilities/{facility_id}/close"): LENDER,
    ("GET", "/api/facilities/{facility_id}/events"): ALL,
    ("POST", "/api/facilities/{facility_id}/locks"): LENDER,
    ("DELETE", "/api/facilities/{facility_id}/locks/MANUAL"): LENDER,
    ("POST", "/api/facilities/{facility_id}/drawdowns"): BORROWER,
    ("GET", "/api/facilities/{facility_id}/drawdowns"): ALL,
    ("POST", "/api/drawdowns/{drawdown_id}/authorise"): LENDER,
    ("POST", "/api/drawdowns/{drawdown_id}/disburse"): LENDER,
    ("POST", "/api/drawdowns/{drawdown_id}/void"): LOAN,
    ("POST", "/api/facilities/{facility_id}/repayments"): LOAN,
    ("GET", "/api/facilities/{facility_id}/repayments"): ALL,
}
COLLATERAL: Final[dict[Route, Roles]] = {
    ("POST", "/api/commodities"): MARKET,
    ("GET", "/api/commodities"): ALL,
    ("POST", "/api/lots"): LOGISTICS,
    ("GET", "/api/lots"): ALL,
    ("GET", "/api/lots/{lot_id}"): ALL,
    ("POST", "/api/lots/{lot_id}/items"): LOGISTICS,
    ("POST", "/api/bindings"): KEEPERS,
    ("GET", "/api/bindings"): ALL,
    ("POST", "/api/pledges"): BORROWER,
    ("GET", "/api/pledges"): ALL,
    ("POST", "/api/pledges/{pledge_id}/accept"): LENDER,
    ("POST", "/api/pledges/{pledge_id}/reject"): LENDER,
    ("POST", "/api/pledges/{pledge_id}/release"): LENDER,
    ("POST", "/api/pledges/{pledge_id}/substitute"): LENDER,
    ("POST", "/api/pledges/{pledge_id}/registration"): LENDER,
}
RELEASES: Final[dict[Route, Roles]] = {
    ("POST", "/api/party-keys"): OPERATOR,
    ("GET", "/api/party-keys"): ALL,
    ("POST", "/api/party-keys/{key_id}/revoke"): WRITERS,
    ("POST", "/api/release-orders"): LENDER,
    ("GET", "/api/release-orders"): ALL,
    ("GET", "/api/release-orders/{order_id}"): ALL,
    ("POST", "/api/release-orders/{order_id}/acknowledge"): LOGISTICS,
    ("POST", "/api/release-orders/{order_id}/revoke"): LENDER,
    ("POST", "/api/lots/{lot_id}/stock-takes"): LOGISTICS,
    ("POST", "/api/lots/{lot_id}/stock-takes.csv"): LOGISTICS,
    ("POST", "/api/lots/{lot_id}/stock-takes.epcis"): LOGISTICS,
    ("GET", "/api/lots/{lot_id}/stock-takes"): ALL,
    ("GET", "/api/stock-takes/{stock_take_id}"): ALL,
}
APPLICATIONS: Final[dict[Route, Roles]] = {
    ("GET", "/api/application-kinds"): ALL,
    ("POST", "/api/applications"): BORROWER,
    ("GET", "/api/applications"): ALL,
    ("GET", "/api/applications/{application_id}"): ALL,
    ("POST", "/api/applications/{application_id}/steps"): TRADE,
    ("GET", "/api/applications/{application_id}/documents/{document}"): ALL,
    ("GET", "/api/applications/{application_id}/free-lots"): LOGISTICS,
}
ALERTS: Final[dict[Route, Roles]] = {
    ("GET", "/api/alerts"): ALL,
    ("GET", "/api/alerts/{alert_id}"): ALL,
    ("POST", "/api/alerts/{alert_id}/acknowledge"): WATCHERS,
    ("POST", "/api/alerts/{alert_id}/resolve"): WATCHERS,
}
EXPORTS: Final[dict[Route, Roles]] = {
    ("GET", "/api/facilities/{facility_id}/base"): ALL,
    ("GET", "/api/facilities/{facility_id}/certificate.{form}"): ALL,
    ("GET", "/api/certificate-key"): ALL,
}
NOTIFICATIONS: Final[dict[Route, Roles]] = {
    ("POST", "/api/notifications/subscriptions"): WRITERS,
    ("GET", "/api/notifications/subscriptions"): ALL,
    ("POST", "/api/notifications/subscriptions/{subscription_id}/rotate"): WRITERS,
    ("POST", "/api/notifications/subscriptions/{subscription_id}/state"): WRITERS,
    ("POST", "/api/notifications/subscriptions/{subscription_id}/test"): WRITERS,
    ("GET", "/api/notifications/messages"): ALL,
    ("POST", "/api/notifications/messages/{message_id}/replay"): WRITERS,
}
CONSOLE: Final[dict[Route, Roles]] = {
    ("GET", "/"): ALL,
    ("POST", "/logout"): ALL,
    ("GET", "/facilities"): ALL,
    ("GET", "/facilities/{facility_id}"): ALL,
    ("GET", "/facilities/{facility_id}/history.json"): ALL,
    ("GET", "/facilities/{facility_id}/base"): ALL,
    ("GET", "/notifications"): ALL,
    ("POST", "/notifications"): WRITERS,
    ("POST", "/notifications/{subscription_id}/rotate"): WRITERS,
    ("POST", "/notifications/{subscription_id}/state"): WRITERS,
    ("POST", "/notifications/{subscription_id}/test"): WRITERS,
    ("POST", "/notifications/messages/{message_id}/replay"): WRITERS,
    ("POST", "/facilities/{facility_id}/drawdowns"): BORROWER,
    ("POST", "/facilities/{facility_id}/repayments"): LOAN,
    ("POST", "/facilities/{facility_id}/lock"): LENDER,
    ("POST", "/facilities/{facility_id}/margin-call/extend"): LENDER,
    ("POST", "/facilities/{facility_id}/margin-call/default"): LENDER,
    ("POST", "/facilities/{facility_id}/margin-call/close"): LENDER,
    ("POST", "/facilities/{facility_id}/rates"): LENDER,
    ("POST", "/facilities/{facility_id}/charges"): LENDER,
    ("POST", "/facilities/{facility_id}/close"): LENDER,
    ("POST", "/facilities/{facility_id}/unlock"): LENDER,
    ("POST", "/facilities/{facility_id}/drawdowns/{drawdown_id}/authorise"): LENDER,
    ("POST", "/facilities/{facility_id}/drawdowns/{drawdown_id}/disburse"): LENDER,
    ("POST", "/facilities/{facility_id}/drawdowns/{drawdown_id}/void"): LOAN,
    ("GET", "/lots"): ALL,
    ("GET", "/lots/{lot_id}"): ALL,
    ("GET", "/release-orders"): ALL,
    ("POST", "/release-orders"): LENDER,
    ("GET", "/release-orders/{order_id}"): ALL,
    ("POST", "/release-orders/{order_id}/acknowledge"): LOGISTICS,
    ("POST", "/release-orders/{order_id}/revoke"): LENDER,
    ("GET", "/lots/{lot_id}/release-order"): LENDER,
    ("POST", "/lots/{lot_id}/release-order"): LENDER,
    ("GET", "/lots/{lot_id}/stock-takes"): ALL,
    ("POST", "/lots/{lot_id}/stock-takes"): LOGISTICS,
    ("POST", "/lots/{lot_id}/stock-takes/file"): LOGISTICS,
    ("GET", "/stock-takes/{stock_take_id}"): ALL,
    ("GET", "/applications"): ALL,
    ("GET", "/applications/new"): BORROWER,
    ("POST", "/applications"): BORROWER,
    ("GET", "/applications/{application_id}"): ALL,
    ("POST", "/applications/{application_id}/steps"): TRADE,
    ("GET", "/applications/{application_id}/contract"): ALL,
    ("GET", "/applications/{application_id}/contract.hex"): ALL,
    ("POST", "/applications/{application_id}/contract"): LOAN,
    ("GET", "/keys"): ALL,
    ("POST", "/keys"): OPERATOR,
    ("POST", "/keys/{key_id}/revoke"): WRITERS,
    ("GET", "/pledges"): ALL,
    ("POST", "/pledges"): BORROWER,
    ("POST", "/pledges/{pledge_id}/accept"): LENDER,
    ("POST", "/pledges/{pledge_id}/reject"): LENDER,
    ("POST", "/pledges/{pledge_id}/release"): LENDER,
    ("POST", "/pledges/{pledge_id}/substitute"): LENDER,
    ("POST", "/pledges/{pledge_id}/registration"): LENDER,
    ("GET", "/facilities/{facility_id}/suppose"): LOAN,
    ("GET", "/register"): LOGISTICS,
    ("POST", "/register"): LOGISTICS,
    ("POST", "/alerts/{alert_id}/acknowledge"): WATCHERS,
    ("POST", "/alerts/{alert_id}/resolve"): WATCHERS,
    ("GET", "/alerts"): ALL,
    ("GET", "/alerts/count"): ALL,
    ("GET", "/alerts/{alert_id}"): ALL,
    ("GET", "/images/{gateway_id}/{sha256}"): ALL,
    ("POST", "/images/{gateway_id}/{sha256}/fetch"): WATCHERS,
    ("GET", "/floor"): ALL,
    ("GET", "/gateways"): ALL,
    ("POST", "/gateways"): KEEPERS,
    ("POST", "/gateways/{gateway_id}/enrolment-codes"): OPERATOR,
    ("GET", "/sensors"): ALL,
    ("GET", "/sensors/{channel_id}"): ALL,
    ("GET", "/sensors/{channel_id}/points.json"): ALL,
    ("GET", "/refused"): AUDITORS,
    ("GET", "/market"): ALL,
    ("GET", "/market/{instrument_id}"): ALL,
    ("POST", "/market/{instrument_id}/accept"): MARKET,
    ("POST", "/market/{instrument_id}/reject"): MARKET,
    ("GET", "/simulator"): PLAYERS,
    ("POST", "/simulator/incidents"): PLAYERS,
    ("POST", "/simulator/incidents/{incident_id}/undo"): PLAYERS,
    ("GET", "/events"): ALL,
}
# For gateways, by a login of their own; to whoever else comes they answer as to a stranger.
GATEWAYS: Final[frozenset[Route]] = frozenset(
    {
        ("POST", "/api/uplink/{gateway_id}/envelopes"),
        ("GET", "/api/uplink/{gateway_id}/receipt"),
    }
)
MONEY: Final[dict[Route, Roles]] = {
    ("GET", "/api/journal/accounts"): ALL,
    ("GET", "/api/journal/entries"): ALL,
    ("POST", "/api/settlement/accounts"): LENDER,
    ("GET", "/api/settlement/accounts"): ALL,
    ("POST", "/api/settlement/statements.xml"): OPERATOR,
    ("GET", "/api/settlement/statements"): ALL,
    ("GET", "/api/settlement/statements/{file_id}"): ALL,
    ("GET", "/api/settlement/lines"): ALL,
    ("POST", "/api/settlement/lines/{line_id}/assign"): LENDER,
    ("POST", "/api/settlement/lines/{line_id}/return"): LENDER,
    ("GET", "/api/settlement/prompts"): ALL,
}
MATRIX: Final[dict[Route, Roles]] = (
    PARTIES
    | MONEY
    | PLANT
    | MARKET_ROUTES
    | COLLATERAL
    | FACILITY
    | RELEASES
    | APPLICATIONS
    | ALERTS
    | NOTIFICATIONS
    | EXPORTS
    | CONSOLE
)
