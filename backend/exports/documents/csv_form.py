"""A statement as CSV (RFC 4180): one table, whose first column says what a row is about."""

import csv
import io
from typing import Final

from backend.exports.rules.content import utc
from backend.exports.rules.statement import steps_of
from backend.exports.types import Statement
from backend.money import minor_digits

HEADER: Final = ("section", "code", "text", "amount_minor", "amount", "detail")
# A table program would compute a text that begins so: a name must not become a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_document(statement: Statement, digest: str) -> bytes:
    """Return the table in UTF-8; amounts in minor units, and beside them as people write them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for row in _rows(statement, digest):
        writer.writerow(row)
    return out.getvalue().encode()


def _rows(statement: Statement, digest: str) -> list[tuple[object, ...]]:
    facility = statement.facility
    currency = facility.currency

    def amount(minor: int) -> tuple[int, str]:
        digits = minor_digits(currency)
        whole, rest = divmod(abs(minor), 10**digits)
        sign = "-" if minor < 0 else ""
        return minor, f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"

    rows: list[tuple[object, ...]] = [
        ("head", "facility", _text(facility.name), "", "", str(facility.id)),
        ("head", "lender", _text(statement.lender), "", "", str(facility.lender_party)),
        ("head", "borrower", _text(statement.borrower), "", "", str(facility.borrower_party)),
        ("head", "currency", currency, "", "", ""),
        ("head", "as_of", utc(statement.at), "", "", ""),
        ("head", "recorded_at", utc(statement.recorded_at), "", "", str(statement.number)),
        ("head", "content_sha256", digest, "", "", ""),
    ]
    rows += [
        ("base", step.code, _text(step.label), *amount(step.amount_minor), step.kind)
        for step in steps_of(statement)
    ]
    if statement.valued is not None:
        rows += [
            (
                "lot",
                lot.instrument_id,
                _text(lot.name),
                *amount(lot.lendable_minor),
                f"{lot.accepted_mass_g} g of {lot.pledged_mass_g} g at {lot.price or 'no price'},"
                f" value {lot.value_minor}, haircut {lot.haircut_bps} bps",
            )
            for lot in statement.valued.lots
        ]
    rows += [
        (
            "lock",
            lock.reason,
            _text(lock.detail),
            "",
            "",
            f"{utc(lock.opened_at)} {lock.opened_by}",
        )
        for lock in statement.locks
    ]
    rows += [
        ("margin_call", call.state, utc(call.deadline_at), *amount(call.cash_minor), "")
        for call in statement.calls
    ]
    rows += [
        ("drawdown", line.state, utc(line.requested_at), *amount(line.amount_minor), str(line.id))
        for line in statement.waiting
    ]
    return rows


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
