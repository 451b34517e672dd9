"""Why bytes from outside were not understood."""

from enum import StrEnum


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
        super().__init__(f"{why.value}: {field} is {_short(value)}, must be {bound}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
