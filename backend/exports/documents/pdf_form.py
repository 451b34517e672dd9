"""A statement as a PDF for people; of one statement always the same bytes."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, cast
from xml.sax.saxutils import escape  # Of text, which is not parsed here.

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from backend.exports.rules.statement import steps_of
from backend.exports.types import Statement, Step
from backend.money import minor_digits

PLAIN: Final = "Vera"  # Embedded; in the library's own folder, under a free licence.
BOLD: Final = "VeraBd"
# For what the embedded font lacks, such as Chinese names: the reader's program brings it.
WIDE: Final = "STSong-Light"
MARGIN: Final = 18 * mm
WIDTH: Final = A4[0] - 2 * MARGIN - 12  # The frame keeps 6 points on each side.
INDENT: Final = 3  # Of text in a table's cells, and of headings above them.
TEXT_CHARACTERS_MAX: Final = 900  # Of one cell: it must fit on a page; the JSON has all of it.
GRAMS_PER_KG: Final = 1_000
_GRAMS: Final = re.compile(r"\b([0-9]{4,}) g\b")
Command = tuple[str, tuple[int, int], tuple[int, int], *tuple[Any, ...]]
INK: Final = colors.HexColor("#16202c")
MUTED: Final = colors.HexColor("#5b6875")
RULE: Final = colors.HexColor("#c9d1d9")
SHADE: Final = colors.HexColor("#f2f5f8")
ALARM: Final = colors.HexColor("#a3141e")


def pdf_document(statement: Statement, digest: str, key_id: str) -> bytes:
    """Return the pages.

    Args:
        statement: What they show.
        digest: SHA-256 of its content, printed on each page.
        key_id: Of the key that seals it.
    """
    _load_fonts()
    out = io.BytesIO()
    facility = statement.facility
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=16 * mm,
        bottomMargin=22 * mm,
        title=f"Borrowing base of {facility.name}",
        author="Pledgewatch",
        subject=f"as of {_time(statement.at)}",
        invariant=1,  # No time of writing, no random id.
    )
    foot = (
        f"Content SHA-256 {digest}",
        f"Sealed by Ed25519 key {key_id}; verify: python -m backend certificate verify FILE",
    )

    def draw_foot(canvas: Canvas, _document: SimpleDocTemplate) -> None:
        canvas.setFillColor(MUTED)
        canvas.setFont(PLAIN, 6.5)
        for number, text in enumerate(foot):
            canvas.drawString(MARGIN + 6 + INDENT, 13 * mm - number * 3.2 * mm, text)
        canvas.drawRightString(
            A4[0] - MARGIN - 6 - INDENT, 13 * mm, f"page {canvas.getPageNumber()}"
        )

    document.build(_story(statement), onFirstPage=draw_foot, onLaterPages=draw_foot)
    return out.getvalue()


def _story(statement: Statement) -> list[Flowable]:
    story: list[Flowable] = [*_head(statement), *_figures(statement), *_way_down(statement)]
    story += _locks(statement)
    story += _lots(statement)
    story += _waiting(statement)
    return story


def _head(statement: Statement) -> list[Flowable]:
    facility, valued = statement.facility, statement.valued
    valuation = "none" if valued is None else f"{_time(valued.at)}, by {valued.model}"
    if valued is not None and valued.policy_version:
        valuation += f", policy {valued.policy_version}"
    if valued is not None and valued.expires_at <= statement.at:
        valuation += "; expired by then"
    rows = (
        ("Facility", facility.name, str(facility.id)),
        ("Lender", statement.lender, str(facility.lender_party)),
        ("Borrower", statement.borrower, str(facility.borrower_party)),
        (
            "As of",
            _time(statement.at),
            f"record {statement.number} of {_time(statement.recorded_at)}",
        ),
        ("Valued", valuation, "" if valued is None else str(valued.id)),
    )
    table = Table(
        [[_p(a, "label"), _p(b, "strong"), _p(c, "small")] for a, b, c in rows],
        colWidths=[22 * mm, 82 * mm, WIDTH - 104 * mm],
    )
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(1.2)]))
    return [_p("Borrowing base certificate", "title"), Spacer(1, 3 * mm), table]


def _figures(statement: Statement) -> list[Flowable]:
    currency, position = statement.facility.currency, statement.position
    coverage = None if statement.valued is None else statement.valued.coverage_bps
    shown = (
        ("Borrowing base", _money(position.base_minor, currency)),
        ("Owed and promised", _money(position.exposure_minor + position.pending_minor, currency)),
        ("Coverage", "nothing owed" if coverage is None else f"{coverage / 100:,.2f} %"),
        ("Can be drawn", _money(statement.drawable_minor, currency)),
    )
    table = Table(
        [[_p(label, "label") for label, _ in shown], [_p(text, "figure") for _, text in shown]],
        colWidths=[WIDTH / 4] * 4,
    )
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), SHADE),
                ("LINEABOVE", (0, 0), (-1, 0), 0.8, INK),
                *_tight(2),
                ("TOPPADDING", (0, 0), (-1, 0), 5),
                ("BOTTOMPADDING", (0, 1), (-1, 1), 7),
            ]
        )
    )
    said: list[Flowable] = [Spacer(1, 5 * mm), table]
    if statement.locks:
        reasons = ", ".join(lock.reason for lock in statement.locks)
        text = f"Locked, so that nothing could be drawn: {reasons}"
        said += [Spacer(1, 2 * mm), _p(text, "alarm")]
    return said


def _way_down(statement: Statement) -> list[Flowable]:
    currency = statement.facility.currency
    steps = steps_of(statement)
    rows = [
        [_step_text(step), _p(_money(step.amount_minor, currency), _side(step))] for step in steps
    ]
    table = Table(rows, colWidths=[WIDTH - 44 * mm, 44 * mm])
    style: list[Command] = [("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(2)]
    for row, step in enumerate(steps):
        if step.kind in ("left", "total"):
            style.append(("LINEABOVE", (0, row), (-1, row), 0.5, RULE))
        if step.kind == "total":
            style += [
                ("BACKGROUND", (0, row), (-1, row), SHADE),
                ("LINEBELOW", (0, row), (-1, row), 0.8, INK),
            ]
    table.setStyle(TableStyle(style))
    return [_p("From gross collateral to availability", "heading"), table]


def _step_text(step: Step) -> Paragraph:
    label = f"{step.label} [{step.code}]" if step.kind == "less" and step.links else step.label
    return _p(label, "cell_strong" if step.kind in ("left", "total") else "cell")


def _side(step: Step) -> str:
    return "number_strong" if step.kind in ("left", "total") else "number"


def _lots(statement: Statement) -> list[Flowable]:
    if statement.valued is None or not statement.valued.lots:
        return [_p("Lots", "heading"), _p("Nothing was pledged.", "cell")]
    currency = statement.facility.currency
    heads = ("Lot", "Accepted of pledged", "Price", "Value", "Haircut", "Lendable")
    rows = [[_p(head, "label_right" if n else "label") for n, head in enumerate(heads)]]
    for lot in statement.valued.lots:
        reasons = "".join(f"; {each}" for each in lot.reasons)
        price = "none" if lot.price is None else f"{lot.price:f}"
        quoted = f"{lot.instrument_id} per {lot.unit}".strip()
        masses = f"{_kg(lot.accepted_mass_g)} of {_kg(lot.pledged_mass_g)} kg"
        rows.append(
            [
                _p(f"{lot.name}{reasons}", "cell"),
                _p(masses, "number"),
                _p(f"{price}\n{quoted}", "number"),
                _p(_money(lot.value_minor, currency), "number"),
                _p(f"{lot.haircut_bps / 100:.2f} %", "number"),
                _p(_money(lot.lendable_minor, currency), "number"),
            ]
        )
    widths = [46 * mm, 28 * mm, 26 * mm, 28 * mm, 17 * mm]
    table = Table(rows, colWidths=[*widths, WIDTH - sum(widths)], repeatRows=1)
    table.setStyle(_ruled())
    return [_p("Lots", "heading"), table]


def _locks(statement: Statement) -> list[Flowable]:
    rows = [
        [
            _p(lock.reason, "cell_strong"),
            _p(lock.detail, "cell"),
            _p(_since(lock.opened_at), "small"),
        ]
        for lock in statement.locks
    ]
    rows += [
        [
            _p(f"MARGIN CALL, {call.state}", "cell_strong"),
            _p(
                f"met by {_money(call.cash_minor, statement.facility.currency)} repaid, or"
                f" {_money(call.collateral_minor, statement.facility.currency)} more of value, by"
                f" {_time(call.deadline_at)}",
                "cell",
            ),
            _p(_since(call.opened_at), "small"),
        ]
        for call in statement.calls
    ]
    if not rows:
        return [KeepTogether([_p("Locks", "heading"), _p("None.", "cell")])]
    table = Table(rows, colWidths=[40 * mm, WIDTH - 78 * mm, 38 * mm])
    table.setStyle(_ruled())
    return [_p("Locks", "heading"), table]


def _waiting(statement: Statement) -> list[Flowable]:
    if not statement.waiting:
        return []
    rows = [
        [
            _p(line.state, "cell_strong"),
            _p(_money(line.amount_minor, statement.facility.currency), "number"),
            _p(f"{line.id}, asked for {_time(line.requested_at)}", "small"),
        ]
        for line in statement.waiting
    ]
    table = Table(rows, colWidths=[30 * mm, 40 * mm, WIDTH - 70 * mm])
    table.setStyle(_ruled())
    return [_p("Drawdowns that waited", "heading"), table]


def _ruled() -> TableStyle:
    return TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            *_tight(2.5),
        ]
    )


def _tight(points: float) -> list[Command]:
    return [
        ("TOPPADDING", (0, 0), (-1, -1), points),
        ("BOTTOMPADDING", (0, 0), (-1, -1), points),
        ("LEFTPADDING", (0, 0), (-1, -1), INDENT),
        ("RIGHTPADDING", (0, 0), (-1, -1), INDENT),
    ]


def _money(minor: int, currency: str) -> str:
    digits = minor_digits(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    text = f"{whole:,}.{rest:0{digits}}" if digits else f"{whole:,}"
    return f"{'-' if minor < 0 else ''}{text} {currency}"


def _kg(grams: int) -> str:
    whole, rest = divmod(grams, GRAMS_PER_KG)
    return f"{whole:,}.{rest:03}" if rest else f"{whole:,}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _since(at: datetime) -> str:
    return f"since {_time(at)}"


def _p(text: str, style: str) -> Paragraph:
    """Return text as a paragraph, each run of it in a font that has its letters."""
    text = _GRAMS.sub(lambda found: f"{_kg(int(found[1]))} kg", text)
    shown = text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]} ..."
    known = _letters()
    parts: list[str] = []
    wide = False
    for letter in shown:
        if (needs := letter not in known and not letter.isspace()) is not wide:
            parts.append(f'<font name="{WIDE}">' if needs else "</font>")
            wide = needs
        parts.append("<br/>" if letter == "\n" else escape(letter))
    if wide:
        parts.append("</font>")
    return Paragraph("".join(parts), _styles()[style])


@cache
def _load_fonts() -> None:
    register = cast("Callable[[object], None]", vars(pdfmetrics)["registerFont"])
    register(TTFont(PLAIN, "Vera.ttf"))
    register(TTFont(BOLD, "VeraBd.ttf"))
    register(UnicodeCIDFont(WIDE))


@cache
def _letters() -> frozenset[str]:
    face = TTFont(PLAIN, "Vera.ttf").face
    return frozenset(chr(code) for code in face.charToGlyph)


@cache
def _styles() -> dict[str, ParagraphStyle]:
    def style(
        name: str,
        size: float,
        *,
        bold: bool = False,
        right: bool = False,
        color: colors.Color = INK,
    ) -> ParagraphStyle:
        return ParagraphStyle(
            name,
            fontName=BOLD if bold else PLAIN,
            fontSize=size,
            leading=size * 1.32,
            alignment=2 if right else 0,
            textColor=color,
        )

    heading = style("heading", 10, bold=True)
    heading.spaceBefore, heading.spaceAfter, heading.keepWithNext = 12, 4, 1
    title, alarm = style("title", 17, bold=True), style("alarm", 8.5, bold=True, color=ALARM)
    for each in (heading, title, alarm):
        each.leftIndent = INDENT
    return {
        "title": title,
        "heading": heading,
        "label": style("label", 7, color=MUTED),
        "label_right": style("label_right", 7, right=True, color=MUTED),
        "strong": style("strong", 8.5, bold=True),
        "small": style("small", 6.5, color=MUTED),
        "figure": style("figure", 11, bold=True),
        "alarm": alarm,
        "cell": style("cell", 7.5),
        "cell_strong": style("cell_strong", 7.5, bold=True),
        "number": style("number", 7.5, right=True),
        "number_strong": style("number_strong", 7.5, bold=True, right=True),
    }
