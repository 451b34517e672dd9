"""Bank-to-customer statements and notifications: bytes in, payments out. Pure.

Reads camt.053 and camt.054 in versions 001.02 to 001.13: what is booked, nothing that is pending
or informative. Elements that changed their place over the versions are looked for in each of them.
Balances are not read: the journal has its own.

Source: ISO 20022 message definitions BankToCustomerStatement and BankToCustomerDebitCredit-
Notification, versions 02 to 13 (Bank-to-Customer Cash Management, 2009 to 2025).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import InvalidError
from backend.money import MINOR_MAX, Minor, minor_digits
from backend.settlement.rules.references import account_number
from backend.settlement.types import BankLine, BankMessage, Direction

STATEMENT_BYTES_MAX: Final = 8 * 1024 * 1024  # A busy account's day: about 4,000 entries.
LINES_MAX: Final = 10_000  # Booked in one transaction, as the journal's largest batch.
TEXT_CHARACTERS_MAX: Final = 500  # Remittance that people read; ISO allows more, in pieces.
KEY_CHARACTERS_MAX: Final = 120

_NAMESPACE: Final = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(camt\.05[34])\.001\.(0[2-9]|1[0-3])\}Document"
)
_BODY: Final = {
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}
_DIRECTION: Final = {"CRDT": Direction.CREDIT, "DBIT": Direction.DEBIT}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DATE_CHARACTERS: Final = 10  # YYYY-MM-DD, also of a date with a time.


def read_message(content: bytes) -> BankMessage:
    """Return what is booked in a bank's message.

    Raises:
        InvalidError: It is too large, no such message, or lacks what money needs.
    """
    if len(content) > STATEMENT_BYTES_MAX:
        raise InvalidError("statement", len(content), f"at most {STATEMENT_BYTES_MAX} bytes")
    try:
        # No document type at all: entities and external references have no use here.
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InvalidError("statement", str(error) or type(error).__name__, "XML") from error
    match = _NAMESPACE.fullmatch(root.tag)
    if match is None:
        raise InvalidError("statement", root.tag, "camt.053 or camt.054, 001.02 to 001.13")
    kind, version = match.groups()
    body_name, part_name = _BODY[kind]
    body = _find(root, body_name)
    if body is None:
        raise InvalidError("statement", "no " + body_name, "a whole message")
    message_id = _needed(body, "GrpHdr/MsgId")
    lines: list[BankLine] = []
    not_booked = 0
    for part in _all(body, part_name):
        number = _account(part)
        for ordinal, entry in enumerate(_all(part, "Ntry"), 1):
            if _status(entry) != "BOOK":
                not_booked += 1
                continue
            lines += _lines(entry, number, f"{message_id}/{_text(part, 'Id')}/{ordinal}")
            if len(lines) > LINES_MAX:
                raise InvalidError("statement", "more lines", f"at most {LINES_MAX}")
    return BankMessage(
        kind=f"{kind}.001.{version}",
        message_id=message_id,
        lines=tuple(lines),
        not_booked=not_booked,
    )


def _lines(entry: Element, number: str, fallback: str) -> Iterator[BankLine]:
    """Yield the payments of an entry: its transactions, if they add up to it, else itself."""
    amount, currency = _amount(entry, "Amt")
    indicator = _needed(entry, "CdtDbtInd")
    if indicator not in _DIRECTION:
        raise InvalidError("CdtDbtInd", indicator, "CRDT or DBIT")
    reversal = _text(entry, "RvslInd") in ("true", "1")
    own = _text(entry, "AcctSvcrRef")
    # The bank's own reference is the same in a statement and a notification. Without it an entry
    # is known only within its message.
    key = own or f"{fallback}/{_text(entry, 'NtryRef')}"
    details = [each for batch in _all(entry, "NtryDtls") for each in _all(batch, "TxDtls")]
    parts = _parts(details, indicator, amount, currency)
    for part, (detail, part_amount) in enumerate(parts, 1):
        yield BankLine(
            account_number=number,
            currency=currency,
            direction=_DIRECTION[indicator],
            amount_minor=part_amount,
            entry_key=f"{'reversal ' if reversal else ''}{key}"[:KEY_CHARACTERS_MAX],
            entry_minor=amount,
            part=part,
            is_reversal=reversal,
            booked_on=_day(entry),
            end_to_end_id=_end_to_end(detail),
            reference=_text(detail, "RmtInf/Strd/CdtrRefInf/Ref")[:TEXT_CHARACTERS_MAX],
            remittance=" ".join(_texts(detail, "RmtInf/Ustrd"))[:TEXT_CHARACTERS_MAX],
            counterparty=_counterparty(detail, _DIRECTION[indicator])[:TEXT_CHARACTERS_MAX],
        )


def _parts(
    details: Sequence[Element], indicator: str, amount: Minor, currency: str
) -> Sequence[tuple[Element | None, Minor]]:
    if len(details) == 1:
        return [(details[0], amount)]
    amounts: list[Minor] = []
    for detail in details:
        # From version 04 on the transaction says it itself; before, in its details.
        path = next(
            (p for p in ("Amt", "AmtDtls/TxAmt/Amt") if _find(detail, p) is not None), None
        )
        if path is None or _text(detail, "CdtDbtInd") not in ("", indicator):
            return [(None, amount)]
        part, part_currency = _amount(detail, path)
        if part_currency != currency:
            return [(None, amount)]
        amounts.append(part)
    if not details or sum(amounts) != amount:
        return [(None, amount)]
    return list(zip(details, amounts, strict=True))


def _account(part: Element) -> str:
    text = _text(part, "Acct/Id/IBAN") or _text(part, "Acct/Id/Othr/Id")
    if not text:
        raise InvalidError("Acct", "no number", "an account with IBAN or other id")
    return account_number(text)


def _status(entry: Element) -> str:
    # A code by itself until version 07, in an element of its own since.
    return _text(entry, "Sts/Cd") or _text(entry, "Sts")


def _day(entry: Element) -> date:
    text = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm") or _text(entry, "ValDt/Dt")
    try:
        return date.fromisoformat(text[:_DATE_CHARACTERS])
    except ValueError as error:
        raise InvalidError("BookgDt", text, "a date") from error


def _end_to_end(detail: Element | None) -> str:
    text = _text(detail, "Refs/EndToEndId")
    return "" if text == "NOTPROVIDED" else text[:TEXT_CHARACTERS_MAX]


def _counterparty(detail: Element | None, direction: Direction) -> str:
    name = "Dbtr" if direction is Direction.CREDIT else "Cdtr"
    return _text(detail, f"RltdPties/{name}/Pty/Nm") or _text(detail, f"RltdPties/{name}/Nm")


def _amount(element: Element, path: str) -> tuple[Minor, str]:
    """Return an amount in minor units, exactly, and its currency."""
    found = _find(element, path)
    text = "" if found is None or found.text is None else found.text.strip()
    currency = "" if found is None else found.get("Ccy", "")
    if _CURRENCY.fullmatch(currency) is None:
        raise InvalidError("Ccy", currency, "an ISO 4217 code")
    try:
        scaled = Decimal(text).scaleb(minor_digits(currency))
    except InvalidOperation as error:
        raise InvalidError("Amt", text, "a decimal number") from error
    if not scaled.is_finite() or scaled != int(scaled) or not 0 < scaled <= MINOR_MAX:
        raise InvalidError("Amt", text, f"above 0, in whole minor units of {currency}")
    return Minor(int(scaled)), currency


def _needed(element: Element, path: str) -> str:
    text = _text(element, path)
    if not text or len(text) > KEY_CHARACTERS_MAX:
        raise InvalidError(path, text, f"1 to {KEY_CHARACTERS_MAX} characters")
    return text


def _text(element: Element | None, path: str) -> str:
    """Return the text at the first place that a path leads to; empty: there is none."""
    return next(iter(_texts(element, path)), "")


def _texts(element: Element | None, path: str) -> Iterable[str]:
    if element is None:
        return ()
    wanted = "/".join(f"{{*}}{name}" for name in path.split("/"))
    return [(found.text or "").strip() for found in element.findall(wanted)]


def _find(element: Element, path: str) -> Element | None:
    return element.find("/".join(f"{{*}}{name}" for name in path.split("/")))


def _all(element: Element, name: str) -> Sequence[Element]:
    return element.findall(f"{{*}}{name}")
