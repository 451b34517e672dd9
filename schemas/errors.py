"""Why bytes from outside were not understood."""

from enum import StrEnum
from typing import Final

VALUE_CHARACTERS_MAX: Final = 80  # One line of a log names the value; the evidence holds it all.


class Malformation(StrEnum):
    """What is wrong with the bytes; the name is kept with the evidence."""

    OVERSIZED = "oversized"
    NOT_CBOR = "not_cbor"
    NOT_COSE_SIGN1 = "not_cose_sign1"
    WRONG_ALGORITHM = "wrong_algorithm"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    UNSUPPORTED_VERSION = "unsupported_version"
    BAD_FIELD = "bad_field"
    BAD_COLUMN = "bad_column"


class MalformedError(ValueError):
    """Bytes that are not what they claim to be; names the field, the value and the bound."""

    def __init__(self, why: Malformation, field: str, value: object, bound: str) -> None:
        self.why = why
        self.field = field
        self.value = value
        self.bound = bound
        super().__init__(f"{why.value}: {field} is {short(value)}, must be {bound}")


def short(value: object) -> str:
    """Name a value from outside at a cost that does not grow with it."""
    match value:
        case str() | bytes():
            text = repr(value[:VALUE_CHARACTERS_MAX])
        case None | bool() | float():
            text = repr(value)
        case int():
            # CPython refuses to print a number of more than 4,300 digits.
            text = repr(value) if value.bit_length() <= 64 else f"{value.bit_length()} bits"
        case _:
            text = f"a {type(value).__name__}"
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[: VALUE_CHARACTERS_MAX - 3]}..."
