"""References and account numbers with check digits. Pure.

Source: ISO 11649:2009 (RF creditor reference) and ISO 13616-1:2020 (IBAN); both check digits are
ISO 7064 MOD 97-10.
"""

import re
from typing import Final
from uuid import UUID

from backend.errors import InvalidError
from backend.ids import FacilityId

REFERENCE_CHARACTERS_MAX: Final = 25  # ISO 11649: RF, two digits, up to 21 characters.
NUMBER_CHARACTERS_MAX: Final = 34  # ISO 13616: of an IBAN; ISO 20022: of any other.
_BODY_BYTES: Final = 10  # Of a facility's id: 80 bits do not meet by chance.
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_REFERENCE: Final = re.compile(r"RF[0-9]{2}[0-9A-Z]{1,21}")
_IN_TEXT: Final = re.compile(r"(?<![0-9A-Z])RF[0-9]{2}(?: ?[0-9A-Z]){1,21}(?![0-9A-Z])")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{8,30}")
_LOCAL: Final = re.compile(r"[0-9A-Z][0-9A-Z./-]{0,33}")


def remainder(text: str) -> int:
    """Return a text of digits and capital letters modulo 97, A as 10 to Z as 35."""
    return int("".join(str(_DIGITS.index(character)) for character in text)) % 97


def reference_of(facility_id: FacilityId) -> str:
    """Return the creditor reference under which a facility is repaid."""
    number, body = int.from_bytes(facility_id.bytes[:_BODY_BYTES]), ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        body = _DIGITS[digit] + body
    body = body or "0"
    return f"RF{98 - remainder(f'{body}RF00'):02d}{body}"


def is_reference(text: str) -> bool:
    """Tell whether a text is a creditor reference with the check digits that it must have."""
    return _REFERENCE.fullmatch(text) is not None and remainder(text[4:] + text[:4]) == 1


def compact(text: str) -> str:
    """Return a reference or number as it is compared: capital letters, no blanks."""
    return "".join(text.split()).upper()


def references_in(text: str) -> frozenset[str]:
    """Return the valid creditor references that stand in free text."""
    found: set[str] = set()
    for match in _IN_TEXT.finditer(text.upper()):
        words = match.group().split(" ")
        # Words of the sentence may follow, and one run in 97 checks by chance: all that check are
        # named, and those that nobody has are nobody's.
        runs = ("".join(words[:count]) for count in range(1, len(words) + 1))
        found.update(run for run in runs if is_reference(run))
    return frozenset(found)


def account_number(text: str) -> str:
    """Return an account's number as it is compared.

    Raises:
        InvalidError: It is no number, or an IBAN with wrong check digits.
    """
    number = compact(text)
    if _IBAN.fullmatch(number) is not None:
        if remainder(number[4:] + number[:4]) != 1:
            raise InvalidError("number", text, "an IBAN whose check digits are right")
        return number
    if _LOCAL.fullmatch(number) is None:
        raise InvalidError("number", text, "an IBAN, or up to 34 letters, digits, '.', '/', '-'")
    return number


def id_in(text: str) -> UUID | None:
    """Return the id that an end-to-end identification is, of 32 hexadecimal digits; else None."""
    try:
        return UUID(hex=text) if len(text) == 32 else None
    except ValueError:
        return None
