"""Values as people read them: money, masses, times, states. Pure; templates call it by filters."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, cast

from markupsafe import Markup, escape

from backend.errors import InvalidError
from backend.money import MINOR_MAX, minor_digits
from schemas.quantities import Quantity

MINUS: Final = "\N{MINUS SIGN}"
NOTHING: Final = "\N{EN DASH}"  # says that there is no value
DETAIL_CHARACTERS_MAX: Final = 400
_UNTOLD: Final[tuple[object, ...]] = (None, "", [], {})  # Says nothing in a history.
GRAMS_PER_KG: Final = 1_000
_DIFFERENCE: Final = {"before", "after"}
_UUID: Final = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ALERT: Final = re.compile(r" \(alert ([0-9a-f-]{36})\)")
_GRAMS: Final = re.compile(r"\b([0-9]{4,}) g\b")


class Tone(StrEnum):
    """How a state is to be taken; a chip has its shape, colour and words."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    IDLE = "idle"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A state as a label."""

    tone: Tone
    label: str


_TONES: Final[dict[str, dict[str, Tone]]] = {
    "custody": {
        "in_zone": Tone.GOOD,
        "moving": Tone.INFO,
        "relocated": Tone.BAD,
        "missing": Tone.BAD,
        "unseen": Tone.IDLE,
        "released": Tone.IDLE,
    },
    "quantity": {"whole": Tone.GOOD, "short": Tone.BAD, "unknown": Tone.WARN},
    "condition": {"sound": Tone.GOOD, "at_risk": Tone.WARN, "damaged": Tone.BAD},
    "surveillance": {"live": Tone.GOOD, "degraded": Tone.WARN, "dark": Tone.BAD},
    "health": {
        "up": Tone.GOOD,
        "late": Tone.WARN,
        "silent": Tone.BAD,
        "implausible": Tone.BAD,
    },
    "severity": {"info": Tone.INFO, "warning": Tone.WARN, "critical": Tone.BAD},
    "alert": {"open": Tone.BAD, "acknowledged": Tone.WARN, "resolved": Tone.GOOD},
    "line": {
        "above": Tone.GOOD,
        "warning": Tone.WARN,
        "call": Tone.BAD,
        "liquidation": Tone.BAD,
    },
    "drawdown": {
        "requested": Tone.INFO,
        "pending": Tone.WARN,
        "disbursed": Tone.GOOD,
        "refused": Tone.BAD,
        "voided": Tone.IDLE,
        "expired": Tone.IDLE,
    },
    "pledge": {
        "proposed": Tone.INFO,
        "active": Tone.GOOD,
        "rejected": Tone.IDLE,
        "released": Tone.IDLE,
    },
    "release": {
        "issued": Tone.INFO,
        "executing": Tone.WARN,
        "completed": Tone.GOOD,
        "expired": Tone.IDLE,
        "revoked": Tone.BAD,
    },
    "subscription": {"active": Tone.GOOD, "disabled": Tone.BAD, "ended": Tone.IDLE},
    "message": {"queued": Tone.WARN, "delivered": Tone.GOOD, "dead": Tone.BAD},
    "counted": {"found": Tone.GOOD, "not_found": Tone.BAD, "foreign": Tone.WARN},
    "stream": {"open": Tone.GOOD, "stopped": Tone.BAD},
}
_LABELS: Final = {
    ("line", "above"): "above all lines",
    ("line", "warning"): "below warning line",
    ("line", "call"): "margin call",
    ("line", "liquidation"): "liquidation",
    ("alert", "open"): "open",
    ("custody", "in_zone"): "in zone",
}
_UNITS: Final[dict[str, str]] = {
    Quantity.TEMPERATURE: "°C",
    Quantity.HUMIDITY: "% RH",
    Quantity.SHOCK: "g",
    Quantity.TILT: "°",
    Quantity.LATITUDE: "° lat",
    Quantity.LONGITUDE: "° lon",
}
_DECIMALS: Final[dict[str, int]] = {Quantity.LATITUDE: 5, Quantity.LONGITUDE: 5, Quantity.SHOCK: 2}
_LOCK_TITLES: Final = {
    "PRICE_STALE": "No usable price",
    "SENSOR_LOST": "Surveillance lost",
    "QUANTITY_SHORT": "Goods missing or short",
    "RELOCATED": "Goods moved",
    "DAMAGED": "Goods at risk or damaged",
    "TAMPERED": "Tampering",
    "UNEVALUATED": "Collateral not evaluated",
    "BELOW_CALL_LINE": "Coverage below the margin-call line",
    "MANUAL": "Locked by hand",
}
_GRADES: Final = ((150.0, "very strong"), (20.0, "strong"), (3.0, "some"))
_NATS_MAX: Final = 50.0  # Beyond it a ratio has no meaning that anybody checked.
_MANY: Final = 1e6
_SURE: Final = 0.999
_BOUNDS: Final = {"OVER_LIMIT": "the limit", "OVER_BASE": "the borrowing base"}
_CLOCKS: Final = {0: "free running", 1: "NTP", 2: "GNSS"}  # schemas.envelope.ClockState


def chip(kind: str, value: str | None) -> Chip:
    """Return a state as a label; an unknown one is never shown as good."""
    if value is None:
        return Chip(tone=Tone.IDLE, label="unknown")
    tone = _TONES.get(kind, {}).get(value, Tone.IDLE)
    return Chip(tone=tone, label=_LABELS.get((kind, value), words(value)))


def words(name: str) -> str:
    """Return a name of the code in words."""
    return name.replace("_", " ").lower()


def lock_title(reason: str) -> str:
    """Return a lock's reason as a heading."""
    return _LOCK_TITLES.get(reason, words(reason).capitalize())


def money(minor: int | None, currency: str) -> str:
    """Return minor units as an amount with its currency."""
    if minor is None:
        return NOTHING
    return f"{amount(minor, currency)} {currency}"


def amount(minor: int | None, currency: str) -> str:
    """Return minor units as an amount in groups of three, without the currency."""
    if minor is None:
        return NOTHING
    digits = minor_digits(currency)
    major = Decimal(abs(minor)).scaleb(-digits)
    return ("" if minor >= 0 else MINUS) + f"{major:,.{digits}f}"


def percent(bps: int | None) -> str:
    """Return basis points as a percentage; more than a thousand need no decimals."""
    if bps is None:
        return NOTHING
    if bps >= 1_000_00:
        return f"{bps // 100:,} %"
    return f"{Decimal(bps) / 100:.1f} %"


def mass(grams: int | None) -> str:
    """Return a mass in kilograms."""
    if grams is None:
        return NOTHING
    kilograms = Decimal(grams) / GRAMS_PER_KG
    decimals = 0 if grams % GRAMS_PER_KG == 0 else 1
    return f"{kilograms:,.{decimals}f} kg"


def parse_amount(text: str, currency: str) -> int:
    """Return an amount as a person types it in minor units.

    Raises:
        InvalidError: It is no amount above zero, or finer than the currency.
    """
    digits = minor_digits(currency)
    bound = f"an amount above 0 with at most {digits} decimals, such as 12,500"
    plain = "".join(text.split()).replace(",", "")
    if not plain.isascii() or not plain.replace(".", "", 1).isdigit():
        raise InvalidError("amount", text, bound)
    minor = Decimal(plain).scaleb(digits)
    if minor != minor.to_integral_value() or not 0 < minor <= MINOR_MAX:
        raise InvalidError("amount", text, bound)
    return int(minor)


def reason_text(reason: Mapping[str, object], currency: str) -> str:
    """Return why a drawdown was refused or voided, its numbers as money."""
    code, numbers = str(reason.get("code", "")), reason.get("numbers")
    if code in _BOUNDS and isinstance(numbers, Mapping):
        given = cast("Mapping[str, int]", numbers)
        if "after_minor" in given and "bound_minor" in given:
            after = money(given["after_minor"], currency)
            bound = money(given["bound_minor"], currency)
            return f"{after} would be out, over {_BOUNDS[code]} of {bound}"
    return plain(f"{lock_title(code)}: {reason.get('detail', '')}")


def price(value: Decimal | None) -> str:
    """Return a price as it was quoted, in groups of three."""
    if value is None:
        return NOTHING
    decimals = max(2, min(6, -int(value.normalize().as_tuple().exponent)))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def reading(value: float | None, quantity: str | None) -> str:
    """Return a reading with its unit, as people say it."""
    if value is None or quantity is None:
        return NOTHING
    match quantity:
        case Quantity.MASS:
            return mass(round(value))
        case Quantity.CONTACT:
            return "open" if value else "closed"
        case Quantity.WATER:
            return "wet" if value else "dry"
        case Quantity.INVENTORY:
            return f"{value:.0f} tags"
        case Quantity.FIX:
            return {0: "no fix", 2: "2D fix", 3: "3D fix"}.get(round(value), f"{value:g}")
        case _:
            number = f"{value:.{_DECIMALS.get(quantity, 1)}f}".replace("-", MINUS)
            return f"{number} {_UNITS.get(quantity, '')}".strip()


def evidence_weight(log_odds: float | None) -> Chip:
    """Return how much a piece of evidence says, in words.

    Source: Kass and Raftery, "Bayes factors", J. Am. Stat. Assoc. 90 (1995): 3, 20, 150 to one.
    """
    if log_odds is None:
        return Chip(tone=Tone.IDLE, label="not weighed")
    factor = math.exp(min(abs(log_odds), _NATS_MAX))
    grade = next((name for least, name in _GRADES if factor >= least), "hardly any")
    if grade == "hardly any":
        return Chip(tone=Tone.IDLE, label="hardly any")
    return Chip(
        tone=Tone.BAD if log_odds > 0 else Tone.GOOD,
        label=f"{grade} {'for' if log_odds > 0 else 'against'} it",
    )


def factor(log_odds: float) -> str:
    """Return a likelihood ratio as people bet: so many to one, for or against."""
    ratio = math.exp(min(abs(log_odds), _NATS_MAX))
    many = f"{ratio:,.0f}" if ratio < _MANY else "more than a million"
    return f"{many} to 1 {'for' if log_odds > 0 else 'against'}"


def certainty(probability: float) -> str:
    """Return a probability in percent, never rounded up to a certainty that it is not."""
    if probability >= _SURE:
        return "> 99.9 %"
    return f"{math.floor(probability * 1_000) / 10:.1f} %"


def unit_of(quantity: str | None) -> str:
    """Return the unit in which a quantity is drawn."""
    if quantity == Quantity.MASS:
        return "kg"
    return "" if quantity is None else _UNITS.get(quantity, "")


def age(seconds: float) -> str:
    """Return how long ago, in the greatest unit that fits; the same as in live.js."""
    if seconds < -1:
        return f"in {_span(-seconds)}"
    return f"{_span(max(seconds, 0))} ago"


def _span(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{int(seconds // length_s)} {unit}"
    return f"{int(seconds)} s"


def stamp(at: datetime | None) -> str:
    """Return a time in UTC to the second."""
    if at is None:
        return NOTHING
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def when(at: datetime | None, now: datetime) -> Markup:
    """Return a time as its age, with the moment beside it for whoever points or listens."""
    if at is None:
        return escape(NOTHING)
    return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(
        at.astimezone(UTC).isoformat(), stamp(at), age((now - at).total_seconds())
    )


def moment(at: datetime | None) -> Markup:
    """Return a time in UTC, marked up as one."""
    if at is None:
        return escape(NOTHING)
    return Markup('<time datetime="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(), stamp(at)
    )


def span(begin: datetime, end: datetime) -> str:
    """Return a span of time in UTC, to the minute; the second day only if it is another."""
    first, last = begin.astimezone(UTC), end.astimezone(UTC)
    day = "" if first.date() == last.date() else f"{last:%Y-%m-%d} "
    return f"{first:%Y-%m-%d %H:%M}\u2013{day}{last:%H:%M} UTC"


def skew(micros: int | None) -> str:
    """Return a clock's skew in words."""
    if micros is None:
        return NOTHING
    seconds = micros / 1_000_000
    return f"{seconds:+.2f} s".replace("-", MINUS)


def clock_state(code: int | None) -> str:
    """Return what keeps a gateway's clock right."""
    return NOTHING if code is None else _CLOCKS.get(code, "unknown")


def plain(text: str) -> str:
    """Return a sentence of the rules with its grams in kilograms."""
    return _GRAMS.sub(lambda found: mass(int(found[1])), text)


def causes(text: str) -> list[Markup]:
    """Return the causes of a lock, each a sentence; an alert among them is a link."""
    return [
        Markup(_ALERT.sub(r' <a href="/alerts/\1">alert</a>', str(escape(plain(cause)))))  # noqa: S704 - escaped before; the id is hexadecimal
        for cause in text.split("; ")
    ]


def detail(value: object, currency: str | None = None) -> Markup:
    """Return a JSON value as text: names in words, amounts as money, bounded."""
    return escape(plain(_text(value, currency))[:DETAIL_CHARACTERS_MAX])


def _text(value: object, currency: str | None) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case str():
            return _UUID.sub(r"\1…", value)
        case list():
            each = [_text(part, currency) for part in cast("list[object]", value)]
            return ", ".join(each) or "none"
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            if {key for key, _ in pairs} == _DIFFERENCE:
                return _changes(cast("Mapping[str, Mapping[str, object]]", value))
            told = [(key, part) for key, part in pairs if key != "id" and part not in _UNTOLD]
            return "; ".join(_pair(key, part, currency) for key, part in told)
        case _:
            return json.dumps(value)


def _changes(value: Mapping[str, Mapping[str, object]]) -> str:
    """Return what differs between before and after."""
    before, after = value["before"], value["after"]
    changed = [key for key in after if before.get(key) != after[key]]
    return "; ".join(
        f"{words(key)}: {words(_text(before.get(key), None))} to {words(_text(after[key], None))}"
        for key in changed
    )


def _pair(key: str, value: object, currency: str | None) -> str:
    """Return a name and its value; the name's last word may be the unit."""
    if currency is not None and key.endswith("_minor") and isinstance(value, int):
        return f"{words(key.removesuffix('_minor'))}: {money(value, currency)}"
    if key.endswith("_g") and isinstance(value, int):
        return f"{words(key.removesuffix('_g'))}: {mass(value)}"
    return f"{words(key)}: {_text(value, currency)}"
