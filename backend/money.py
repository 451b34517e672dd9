"""Money: integer minor units, rounded once, against the borrower. No floats."""

from decimal import Decimal
from typing import Final, NewType

Minor = NewType("Minor", int)

ZERO_MINOR: Final = Minor(0)
MINOR_MAX: Final = 2**63 - 1  # PostgreSQL bigint: 92 quadrillion of any currency.
BPS: Final = 10_000  # Basis points in one.

# Active codes by the digits of their minor unit; metals, units of account and test codes have
# none, and no facility or price is in them. Kept by hand: a library brings a file that is read at
# run time, and a new code comes once a year. Source: ISO 4217 list one, published 2026-01-01.
_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD"
    " CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL"
    " GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR"
    " LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD"
    " PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC"
    " SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR"
    " ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
CURRENCIES: Final = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def minor_digits(currency: str) -> int:
    """Return how many digits the minor unit of an ISO 4217 currency has.

    Raises:
        LookupError: It is no active currency; nothing is guessed.
    """
    if currency not in CURRENCIES:
        message = f"{currency!r} is no active currency of ISO 4217"
        raise LookupError(message)
    return CURRENCIES[currency]


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
