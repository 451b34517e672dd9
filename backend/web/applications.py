"""Applications as people read them: how far they are, in words; forms from declarations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from markupsafe import Markup

from backend.applications.rules.machine import words
from backend.applications.service import ApplicationView, Chance
from backend.applications.types.machine import Field, FieldKind, Kind, Seat
from backend.applications.types.record import DoneStep
from backend.errors import InvalidError
from backend.facility.types import Refuse
from backend.web.format import Tone, amount, moment, parse_amount, percent, plain, when

BPS_PER_PERCENT: Final = 100
GRAMS_PER_KG: Final = 1_000
GOODS_ROWS: Final = 4  # Of the form; who has more kinds of goods applies over the API.
_STATES: Final[dict[str, tuple[Tone, str]]] = {
    "offered": (Tone.INFO, "contract offered"),
    "signed": (Tone.INFO, "signed by the borrower"),
    "contracted": (Tone.INFO, "signed by both"),
    "accepted": (Tone.GOOD, "goods accepted"),
    "requested": (Tone.INFO, "money asked for"),
    "promised": (Tone.WARN, "money promised"),
    "drawn": (Tone.GOOD, "paid out"),
    "closed": (Tone.GOOD, "repaid and released"),
    "withdrawn": (Tone.IDLE, "withdrawn"),
    "refused": (Tone.BAD, "goods refused"),
    "declined": (Tone.BAD, "declined"),
    "expired": (Tone.IDLE, "offer expired"),
}
_UNTOLD: Final = frozenset({"currency", "goods"})  # They stand elsewhere on the page.
_SEATS: Final = {Seat.LOGISTICS: "warehouse"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """A stage of an application: ``mark`` is done, now, open or stopped."""

    number: int
    title: str
    mark: str
    done: Sequence[DoneStep]
    waits_for: Sequence[str]


def state_tone(state: str) -> str:
    """Return how a state is to be taken."""
    return _STATES.get(state, (Tone.INFO, ""))[0].value


def state_words(state: str) -> str:
    """Return a state as people say it."""
    return _STATES.get(state, (Tone.INFO, words(state)))[1]


def seat_words(seat: Seat) -> str:
    """Return a seat as people say it."""
    return _SEATS.get(seat, words(seat.value))


def step_title(kind: Kind, name: str) -> str:
    """Return the title of a step that was done."""
    step = kind.step(name)
    return words(name) if step is None else step.title


def list_stages(view: ApplicationView, *, repaid: bool = False) -> Sequence[StageRow]:
    """Return the stages of an application with what was done in each, and which one is next.

    Once all is ``repaid`` nobody waits for the borrower any more, but for the lender.
    """
    kind, state = view.kind, view.application.state
    names = [stage.name for stage in kind.stages]
    done: dict[str, list[DoneStep]] = {name: [] for name in names}
    reached = 0
    for each in view.steps:
        step = kind.step(each.step)
        if step is not None:
            done[step.stage].append(each)
            reached = max(reached, names.index(step.stage))
    ended, well = state in kind.ends, state == kind.steps[-1].becomes
    now = max((names.index(step.stage) for step in view.awaited), default=reached)
    return [
        StageRow(
            number=at + 1,
            title=stage.title,
            mark=_mark(at, now, stopped=ended and not well, over=ended and well),
            done=done[stage.name],
            waits_for=[
                seat_words(Seat.LENDER if repaid else step.actor)
                for step in view.awaited
                if step.stage == stage.name
            ],
        )
        for at, stage in enumerate(kind.stages)
    ]


def _mark(at: int, now: int, *, stopped: bool, over: bool) -> str:
    if over or at < now:
        return "done"
    if at > now:
        return "open"
    return "stopped" if stopped else "now"


def reasons(chance: Chance) -> Sequence[str]:
    """Return what there is against a step, in sentences; nothing when it is allowed."""
    if not isinstance(chance.decision, Refuse):
        return ()
    return [plain(reason.detail) for reason in chance.decision.reasons]


def offered(
    field: Field,
    view: ApplicationView,
    certificate: Mapping[str, Any] | None,
    sums: tuple[int, int],
) -> str:
    """Return what a form proposes; ``sums``: the facility's limit, and what is owed under it."""
    application = view.application
    if field.name == "amount_minor":
        limit, owed = sums
        proposed = owed or limit
        return amount(proposed, application.currency) if proposed else ""
    if field.name == "limit_minor":
        lendable = (
            application.amount_minor if certificate is None else certificate["lendable_minor"]
        )
        return amount(min(application.amount_minor, lendable), application.currency)
    if field.name == "term_days" and "term_days" in application.asked:
        return str(application.asked["term_days"])
    if field.offered is None:
        return ""
    if field.kind is FieldKind.BPS:
        return f"{Decimal(field.offered) / BPS_PER_PERCENT:.2f}"
    return str(field.offered)


def parse_values(
    fields: Sequence[Field], form: Mapping[str, Sequence[str]], currency: str
) -> dict[str, object]:
    """Return the values of fields as a person typed them in a form.

    Raises:
        InvalidError: One is no amount, percentage or number.
    """
    return {field.name: _parse(field, form.get(field.name, ()), currency) for field in fields}


def _parse(field: Field, typed: Sequence[str], currency: str) -> object:
    if field.kind is FieldKind.LOTS:
        return list(typed)
    text = typed[0].strip() if typed else ""
    match field.kind:
        case FieldKind.MONEY:
            return parse_amount(text, currency)
        case FieldKind.BPS:
            return _parse_percent(field, text)
        case FieldKind.COUNT:
            if not text.isascii() or not text.isdigit():
                raise InvalidError(field.label, text, "a whole number")
            return int(text[:20])
        case _:
            return text


def _parse_percent(field: Field, text: str) -> int:
    try:
        bps = Decimal(text.removesuffix("%").strip().replace(",", ".")) * BPS_PER_PERCENT
    except InvalidOperation as error:
        raise InvalidError(field.label, text, "a percentage, such as 6.50") from error
    if not bps.is_finite() or bps != bps.to_integral_value():
        raise InvalidError(field.label, text, "a percentage with up to two digits after the point")
    return int(bps)


def parse_goods(
    names: Sequence[str], commodities: Sequence[str], kilograms: Sequence[str]
) -> list[dict[str, object]]:
    """Return the goods that a form lists; rows without a mass are left out.

    Raises:
        InvalidError: A mass is none.
    """
    rows = zip(names, commodities, kilograms, strict=False)
    return [
        {"name": name.strip() or commodity, "commodity_id": commodity, "mass_g": _grams(text)}
        for name, commodity, text in rows
        if text.strip()
    ]


def _grams(text: str) -> int:
    try:
        grams = Decimal(text.replace(",", "").removesuffix("kg").strip()) * GRAMS_PER_KG
    except InvalidOperation as error:
        raise InvalidError("mass", text, "kilograms, such as 3000 or 20.5") from error
    if not grams.is_finite() or grams != grams.to_integral_value() or abs(grams) > 10**18:
        raise InvalidError("mass", text, "kilograms, no finer than a gram")
    return int(grams)


def told(body: Mapping[str, object], currency: str) -> Sequence[str]:
    """Return what a step was done with, a phrase each; lists are counted."""
    values = body.get("values")
    if not isinstance(values, Mapping):
        return ()
    pairs = cast("Mapping[str, object]", values)
    return [
        phrase
        for name, value in pairs.items()
        if name not in _UNTOLD and (phrase := _phrase(name, value, currency))
    ]


def _phrase(name: str, value: object, currency: str) -> str:
    match value:
        case int() if name.endswith("_minor"):
            return f"{words(name.removesuffix('_minor'))} {amount(value, currency)} {currency}"
        case int() if name.endswith("_bps"):
            return f"{words(name.removesuffix('_bps'))} {percent(value)}"
        case int():
            return f"{words(name)} {value}"
        case str():
            return value
        case list():
            count = len(cast("list[object]", value))
            return f"{count} {name.removesuffix('s') if name == 'lots' and count == 1 else name}"
        case _:
            return ""


def since(text: str, now: datetime) -> Markup:
    """Return a time of a document as its age."""
    return when(datetime.fromisoformat(text), now)


def at_moment(text: str) -> Markup:
    """Return a time of a document in UTC."""
    return moment(datetime.fromisoformat(text))
