"""Money: integer minor units, rounded once, against the borrower. No floats."""

from decimal import Decimal
from typing import Final, NewType

Minor = NewType("Minor", int)

ZERO_MINOR: Final = Minor(0)
MINOR_MAX: Final = 2**63 - 1  # PostgreSQL bigint: 92 quadrillion of any currency.
BPS: Final = 10_000  # Basis points in one.

# Minor digits where they are not two. Source: ISO 4217, list one.
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}


def minor_digits(currency: str) -> int:
    """Return how many digits the minor unit of an ISO 4217 currency has."""
    return _DIGITS.get(currency, 2)


def round_down_minor(amount: Decimal, currency: str) -> Minor:
    """Return an amount in major units as minor units, rounded down: for what backs a loan.

    Raises:
        OverflowError: It is no number, or greater than any column holds.
    """
    return _round_minor(amount, currency, up=False)


def round_up_minor(amount: Decimal, currency: str) -> Minor:
    """Return an amount in major units as minor units, rounded up: for what is owed.

    Raises:
        OverflowError: It is no number, or greater than any column holds.
    """
    return _round_minor(amount, currency, up=True)


def share_down_minor(amount: Minor, bps: int) -> Minor:
    """Return ``bps`` basis points of an amount, rounded down."""
    return Minor(amount * bps // BPS)


def _round_minor(amount: Decimal, currency: str, *, up: bool) -> Minor:
    if not amount.is_finite() or abs(amount) > MINOR_MAX:
        message = f"{amount} {currency} is no amount of money"
        raise OverflowError(message)
    # In integers: a Decimal's context would first round to 28 digits, to the nearest.
    numerator, denominator = amount.as_integer_ratio()
    numerator *= 10 ** minor_digits(currency)
    minor = -(-numerator // denominator) if up else numerator // denominator
    if abs(minor) > MINOR_MAX:
        message = f"{amount} {currency} is more than can be stored"
        raise OverflowError(message)
    return Minor(minor)
