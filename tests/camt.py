"""Bank messages as banks write them, from a few words; for tests."""

from dataclasses import dataclass
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """One entry of a statement; amounts as decimals."""

    amount: str
    key: str
    currency: str = "EUR"
    indicator: str = "CRDT"
    reference: str = ""
    end_to_end: str = ""
    text: str = ""
    reversal: bool = False
    status: str = "BOOK"


def camt(
    *pays: Pay, number: str, kind: str = "053", version: str = "08", message: str = "M1"
) -> bytes:
    """Return a camt.053 or camt.054 message with these entries on one account."""
    body, part = {"053": ("BkToCstmrStmt", "Stmt"), "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}[
        kind
    ]
    entries = "".join(_entry(pay, version) for pay in pays)
    iban = number[:2].isalpha() and number[2:4].isdigit()
    shown = f"<IBAN>{number}</IBAN>" if iban else f"<Othr><Id>{number}</Id></Othr>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document'
        f' xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}"><{body}>'
        f"<GrpHdr><MsgId>{message}</MsgId><CreDtTm>2026-01-05T06:00:00Z</CreDtTm></GrpHdr>"
        f"<{part}><Id>S1</Id><Acct><Id>{shown}</Id></Acct>{entries}</{part}></{body}></Document>"
    ).encode()


def _entry(pay: Pay, version: str) -> str:
    status = f"<Cd>{pay.status}</Cd>" if version >= "08" else pay.status
    structured = (
        f"<Strd><CdtrRefInf><Ref>{pay.reference}</Ref></CdtrRefInf></Strd>"
        if pay.reference
        else ""
    )
    named = f"<EndToEndId>{pay.end_to_end or 'NOTPROVIDED'}</EndToEndId>"
    return (
        f'<Ntry><Amt Ccy="{pay.currency}">{pay.amount}</Amt><CdtDbtInd>{pay.indicator}</CdtDbtInd>'
        f"<RvslInd>{str(pay.reversal).lower()}</RvslInd><Sts>{status}</Sts>"
        f"<BookgDt><Dt>2026-01-05</Dt></BookgDt><AcctSvcrRef>{pay.key}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><Refs>{named}</Refs><RmtInf>"
        f"<Ustrd>{escape(pay.text)}</Ustrd>{structured}</RmtInf></TxDtls></NtryDtls></Ntry>"
    )
