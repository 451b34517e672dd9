"""What a step asks for, read from what was sent; each field within its bounds. Pure."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Final, cast
from uuid import UUID

from backend.applications.types.machine import NUMBERS, Field, FieldKind, Step, Values
from backend.errors import InvalidError
from backend.ids import LotId
from backend.money import minor_digits

GOODS_LINE: Final = frozenset({"name", "commodity_id", "mass_g"})
MASS_G_MAX: Final = 10**15
GOODS_NAME_MAX: Final = 120
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_COMMODITY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def read_values(step: Step, sent: Mapping[str, object]) -> Values:
    """Return what a step was asked with, as it is kept: JSON, each field within its bounds.

    Raises:
        InvalidError: A field is missing, unknown, or out of its bounds.
    """
    known = {field.name for field in step.fields}
    if set(sent) != known:
        names = ", ".join(sorted(known)) or "none"
        raise InvalidError("values", sorted(sent), f"the fields of {step.name}: {names}")
    return {field.name: _read(field, sent[field.name]) for field in step.fields}


def body_sha256(parts: Mapping[str, object]) -> bytes:
    """Return what tells the same step sent again from another one under its id."""
    return sha256(canonical_json(parts)).digest()


def canonical_json(value: object) -> bytes:
    """Return JSON in one form: keys in order, no blanks."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def number(values: Values, name: str) -> int:
    """Return a value that was read as a whole number."""
    value = values[name]
    assert isinstance(value, int), name
    return value


def text(values: Values, name: str) -> str:
    """Return a value that was read as text."""
    value = values[name]
    assert isinstance(value, str), name
    return value


def lots(values: Values, name: str) -> tuple[LotId, ...]:
    """Return a value that was read as lots."""
    value = values[name]
    assert isinstance(value, list), name
    return tuple(LotId(UUID(each)) for each in cast("list[str]", value))


def goods_commodities(values: Values) -> frozenset[str]:
    """Return the commodities of the goods that were asked with."""
    value = values["goods"]
    assert isinstance(value, list)
    return frozenset(str(each["commodity_id"]) for each in cast("list[dict[str, object]]", value))


def _read(field: Field, value: object) -> object:
    match field.kind:
        case FieldKind.TEXT:
            return _text(field, value)
        case FieldKind.CURRENCY:
            return check_currency(field.name, value)
        case FieldKind.LOTS:
            return sorted({str(_uuid(field.name, each)) for each in _list(field, value)})
        case FieldKind.GOODS:
            return [_goods(each) for each in _list(field, value)]
        case _:
            assert field.kind in NUMBERS
            return _number(field.name, value, field.at_least, field.at_most)


def check_currency(name: str, value: object) -> str:
    """Return a currency's code.

    Raises:
        InvalidError: It is none that is in use.
    """
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        with suppress(LookupError):
            minor_digits(value)
            return value
    raise InvalidError(name, value, "a currency of ISO 4217 that is in use")


def _text(field: Field, value: object) -> str:
    if isinstance(value, str):
        trimmed = value.strip()
        if field.at_least <= len(trimmed) <= field.at_most and "\x00" not in trimmed:
            return trimmed
    raise InvalidError(field.name, value, f"{field.at_least} to {field.at_most} characters")


def _number(name: str, value: object, at_least: int, at_most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        raise InvalidError(name, value, f"a whole number from {at_least} to {at_most}")
    return value


def _list(field: Field, value: object) -> list[object]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    if isinstance(value, list) and field.at_least <= len(items) <= field.at_most:
        return items
    raise InvalidError(
        field.name, cast("object", value), f"a list of {field.at_least} to {field.at_most}"
    )


def _uuid(name: str, value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise InvalidError(name, value, "UUIDs") from error


def _goods(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidError("goods", value, f"objects with {sorted(GOODS_LINE)}")
    line = cast("dict[str, object]", value)
    if line.keys() != GOODS_LINE:
        raise InvalidError("goods", sorted(line), f"objects with {sorted(GOODS_LINE)}")
    name, commodity = line["name"], line["commodity_id"]
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= GOODS_NAME_MAX:
        raise InvalidError("goods: name", name, f"1 to {GOODS_NAME_MAX} characters")
    if not isinstance(commodity, str) or not _COMMODITY.fullmatch(commodity):
        raise InvalidError("goods: commodity_id", commodity, "a commodity's id")
    return {
        "name": name.strip(),
        "commodity_id": commodity,
        "mass_g": _number("goods: mass_g", line["mass_g"], 1, MASS_G_MAX),
    }
