"""What a person may say of an alert, and why not yet. Pure."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from backend.alerts.errors import AlertRefusedError
from backend.alerts.types import (
    Alert,
    AlertKind,
    AlertState,
    Choice,
    Holding,
    Resolution,
    Severity,
)
from backend.parties.types import Role

# Nobody who is at work needs longer to look at what locks a loan.
UNATTENDED_AFTER: Final = timedelta(minutes=15)
AROUND: Final = timedelta(minutes=10)  # What is shown before an alert began, and after it.
SPAN_MAX: Final = timedelta(hours=6)  # Of a timeline, of an alert that was found long after.

# What is still true may be called a sensor's fault or a false alarm: locks that the state itself
# asks for stay all the same.
_OF_UNTRUTH: Final = (Resolution.SENSOR_FAULT, Resolution.FALSE_ALARM)
# What a release order can explain.
_MOVED: Final = (AlertKind.RELOCATION, AlertKind.SHORTFALL)

_LOCKS_OF: Final[dict[AlertKind, tuple[str, ...]]] = {
    AlertKind.RELOCATION: ("RELOCATED", "QUANTITY_SHORT"),
    AlertKind.SHORTFALL: ("QUANTITY_SHORT",),
    AlertKind.DAMAGE: ("DAMAGED",),
    AlertKind.TAMPER: ("TAMPERED",),
    AlertKind.SURVEILLANCE_LOST: ("SENSOR_LOST", "UNEVALUATED"),
    AlertKind.PRICE_DROP: ("PRICE_STALE",),
    AlertKind.PRICE_STALE: ("PRICE_STALE",),
    AlertKind.DOUBLE_PLEDGE: ("DOUBLE_PLEDGE",),
    AlertKind.BELOW_LINE: ("BELOW_CALL_LINE",),
    AlertKind.OVERDUE: ("OVERDUE",),
    AlertKind.INVOICE_VOID: ("INVOICE_VOID",),
    AlertKind.LICENCE_BREACH: ("LICENCE_BREACH",),
}

# What ends a cause, by what its name begins with, then by what it ends with.
_ENDS_OF_LOT: Final = (
    ("item:", ":shortfall", "a reader of its own zone reads its tag, or a stock-take finds it"),
    ("item:", ":relocation", "a reader of its own zone reads its tag, and no other zone's does"),
    ("load", "", "its scale shows at least {least}, and what it showed when it was whole, twice"),
    ("tamper:load", "", "the scale shows the whole weight again"),
    ("excess", "", "its scale shows no more than it should, twice in a row"),
    ("tamper:excess", "", "its scale shows no more than it should, twice in a row"),
    ("tamper:scale", "", "its scale shows weights that vary again"),
    ("tamper:", "", "{sensor} reports that it is over, and has been for a moment"),
    ("damage:", "", "{sensor} is back within what the goods stand; the harm done stays recorded"),
    ("position:", "", "several fixes of {sensor} in a row lie inside its zone"),
    ("surveillance:", "", "{sensor} sends good readings again"),
)
_ENDS_OF_GATEWAY: Final = {
    "fork": "an operator enrols the gateway anew",
    "clock": "its clock is disciplined and agrees with ours",
    "not_stored": "its waiting envelope can be stored",
    "changed": "it attests what it was commanded to run",
    "challenge": "it answers a challenge",
    "revoked": "it is enrolled anew, with another key",
}


def check_acknowledge(alert: Alert) -> None:
    """Check that an alert can be acknowledged.

    Raises:
        AlertRefusedError: It is not open any more.
    """
    if alert.state is not AlertState.OPEN:
        raise AlertRefusedError("not_open", f"alert {alert.id} is {alert.state.value} already")


def check_resolve(
    alert: Alert, resolution: Resolution, role: Role, *, pledged: bool, holds: bool, covered: bool
) -> None:
    """Check that somebody may say what an alert turned out to be.

    Args:
        alert: as it stands.
        resolution: what is said.
        role: of who says it.
        pledged: whether its lot is pledged.
        holds: whether what it found is still so.
        covered: whether a release order lets go what moved.

    Raises:
        AlertRefusedError: Resolved already, not this role's to say, or still true.
    """
    if alert.state is AlertState.RESOLVED:
        raise AlertRefusedError("not_open", f"alert {alert.id} is resolved already")
    if role is Role.OPERATOR and alert.lot_id is not None:
        raise AlertRefusedError("not_yours", "an operator resolves gateways' alerts only")
    if pledged and alert.severity is Severity.CRITICAL and role is not Role.LENDER:
        raise AlertRefusedError("not_yours", "a critical alert on pledged goods is the lender's")
    if role not in (Role.LENDER, Role.LOGISTICS, Role.OPERATOR):
        raise AlertRefusedError("not_yours", f"a {role.value} resolves no alerts")
    if holds and resolution not in _OF_UNTRUTH:
        raise AlertRefusedError(
            "still_true",
            f"it is still so: {alert.summary}",
            allowed=[each.value for each in _OF_UNTRUTH],
        )
    moved = pledged and alert.kind in _MOVED
    if resolution is Resolution.AUTHORISED and moved and not covered:
        raise AlertRefusedError(
            "no_order", "no release order lets go what moved: pledged goods need the lender's"
        )


def choices_of(
    alert: Alert, role: Role, *, pledged: bool, holds: bool, covered: bool
) -> tuple[Choice, ...]:
    """Return each cause that an alert could be resolved with, and why a role may not say it."""
    choices: list[Choice] = []
    for resolution in Resolution:
        try:
            check_resolve(alert, resolution, role, pledged=pledged, holds=holds, covered=covered)
        except AlertRefusedError as error:
            choices.append(Choice(resolution=resolution, code=error.code, why=error.message))
        else:
            choices.append(Choice(resolution=resolution))
    return tuple(choices)


def holding_of(alert: Alert, least_gross_g: int | None) -> tuple[Holding, ...]:
    """Return what still holds of an alert, and which reading or act would end it.

    Args:
        alert: as it stands.
        least_gross_g: what its lot's scale must show; None: there is none.
    """
    if alert.ceased_at is not None:
        return ()
    return (Holding(what=alert.summary, ends_when=_ends_when(alert, least_gross_g)),)


def item_of(alert: Alert) -> UUID | None:
    """Return the item that an alert is about; None: it is about no single one."""
    parts = alert.cause.split(":")
    if "item" not in parts[:-1]:
        return None
    try:
        return UUID(parts[parts.index("item") + 1])
    except ValueError:
        return None


def _ends_when(alert: Alert, least_gross_g: int | None) -> str:
    subject, _, rest = alert.cause.partition(":")
    key = rest.partition(":")[2]
    if subject == "gateway" and key in _ENDS_OF_GATEWAY:
        return _ENDS_OF_GATEWAY[key]
    if subject == "facility":
        if key == "line":
            return "coverage stays above the line and its margin for several valuations"
        return "a price comes that may be used, from a second source if it fell far"
    for begins, ends, text in _ENDS_OF_LOT:
        if key.startswith(begins) and key.endswith(ends):
            least = "what it should" if least_gross_g is None else f"{least_gross_g / 1e3:.0f} kg"
            return text.format(sensor=_sensor_in(key), least=least)
    return "readings no longer show it"


def _sensor_in(key: str) -> str:
    """Return the sensor or quantity that a cause names."""
    return key.partition(":")[2].partition(":")[0]


def locks_of(kind: AlertKind) -> tuple[str, ...]:
    """Return the reasons of locks that alerts of a kind, or the state behind them, ask for."""
    return _LOCKS_OF[kind]


def span_of(alert: Alert) -> tuple[datetime, datetime]:
    """Return from when to when the time around an alert is shown, by our clock."""
    began = alert.opened_at if alert.began_at is None else alert.began_at
    begin = max(began, alert.opened_at - SPAN_MAX + 2 * AROUND) - AROUND
    return begin, max(began, alert.opened_at) + AROUND
