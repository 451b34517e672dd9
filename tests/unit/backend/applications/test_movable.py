"""What is against the steps of a pledge of movable goods, and what its documents say."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.applications.rules.certificate import (
    MEASURED_WITHIN,
    VALID_FOR,
    decode_certificate,
    draw_certificate,
    encode_certificate,
    measured,
    priced,
)
from backend.applications.rules.fields import read_values
from backend.applications.rules.movable import MOVABLE
from backend.applications.rules.movable_guards import GUARDS
from backend.applications.rules.scorecard import CRITERIA, LOOK_BACK, RATINGS, START, score
from backend.applications.types.machine import Seat, Values
from backend.applications.types.movable import LotSeen, MovableFacts
from backend.applications.types.profile import Happened, History
from backend.applications.types.record import Application
from backend.collateral.types import Condition, Custody, LotState, QuantityState, Surveillance
from backend.errors import InvalidError
from backend.ids import ApplicationId, InstrumentId, LotId, PartyId
from backend.market.types import Instrument, InstrumentQuote, Unit, Usable
from backend.money import Minor
from backend.valuation.rules import default_policy, value_lots
from backend.valuation.types import LotFacts, LotValue, Terms
from tests.builders import NOW

DOCS = Path(__file__).parents[4] / "docs" / "applications.md"
BORROWER, KEEPER = PartyId(UUID(int=4)), PartyId(UUID(int=5))
COPPER = InstrumentId("COPPER")


def lot(number: int = 1, state: dict[str, Any] | None = None, **overrides: Any) -> LotSeen:  # noqa: ANN401
    """Return three tonnes of copper, whole, sound, watched and heard of just now."""
    lot_id = LotId(UUID(int=number))
    told: dict[str, Any] = {
        "custody": Custody.IN_ZONE,
        "quantity": QuantityState.WHOLE,
        "measured_mass_g": 3_000_000,
        "condition": Condition.SOUND,
        "surveillance": Surveillance.LIVE,
        "evaluated": True,
        **(state or {}),
    }
    values: dict[str, Any] = {
        "facts": LotFacts(
            lot_id=lot_id,
            name=f"lot {number}",
            instrument_id=COPPER,
            pledged_mass_g=3_000_000,
            state=LotState(lot_id=lot_id, **told),
        ),
        "commodity_id": "copper",
        "commodity": "copper",
        "place": "harbour / hall",
        "owner_party": BORROWER,
        "keeper_party": KEEPER,
        "measured_at": NOW - timedelta(seconds=5),
        "critical_alerts": 0,
        "pledged": False,
        "elsewhere": None,
        **overrides,
    }
    return LotSeen(**values)


def values_of(*lots: LotSeen, price: str = "8000", stale: bool = False) -> tuple[LotValue, ...]:
    """Return what lots are worth at a price for the tonne."""
    instrument = Instrument(
        id=COPPER,
        name="copper",
        unit=Unit.TNE,
        currency="EUR",
        max_price_age_s=3_600,
        jump_max_bps=2_000,
        haircut_floor_bps=2_000,
        short_history_haircut_bps=5_000,
    )
    stale_at = NOW + timedelta(hours=1)
    usable = Usable(price=Decimal(price), at=NOW, source="x", stale_at=stale_at)
    quote = InstrumentQuote(instrument=instrument, decision=usable, volatility=None)
    terms = Terms(currency="EUR", policy=default_policy(Minor(0), 60, 20))
    quotes = {} if stale else {COPPER: quote}
    return value_lots([each.facts for each in lots], quotes, terms, NOW)


ASKED = {
    "goods": [{"name": "cathodes", "commodity_id": "copper", "mass_g": 3_000_000}],
    "amount_minor": 1_000_000,
    "currency": "EUR",
    "term_days": 90,
}
APPLICATION = Application(
    id=ApplicationId(UUID(int=9)),
    kind="movable",
    applicant_party=BORROWER,
    seats={
        Seat.BORROWER: BORROWER,
        Seat.LENDER: PartyId(UUID(int=3)),
        Seat.LOGISTICS: KEEPER,
    },
    state="applied",
    currency="EUR",
    amount_minor=Minor(1_000_000),
    asked=ASKED,
    opened_at=NOW,
    changed_at=NOW,
    deadline_at=None,
    pledge_id=None,
    facility_id=None,
    drawdown_id=None,
    lots=(),
)


def ask(name: str, values: Values | None = None, **facts: Any) -> list[str]:  # noqa: ANN401
    """Return the codes of what a guard finds."""
    found = MovableFacts(application=APPLICATION, now=facts.pop("now", NOW), **facts)
    return [reason.code for reason in GUARDS[name](found, values)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"owner_party": KEEPER}, "is not the borrower's"),
        ({"keeper_party": BORROWER}, "is not kept by you"),
        ({"commodity_id": "tin"}, "is tin, applied for were copper"),
        ({"pledged": True}, "is pledged already"),
        ({"elsewhere": ApplicationId(UUID(int=7))}, "is in application"),
    ],
)
def test_a_lot_that_does_not_suit_is_named(changes: dict[str, Any], why: str) -> None:
    """Another's, kept elsewhere, other goods, pledged or applied with already."""
    asked = {"lots": [str(UUID(int=1))]}
    facts = MovableFacts(application=APPLICATION, now=NOW, lots=(lot(**changes),))
    (reason,) = GUARDS["lots_suit"](facts, asked)
    assert why in reason.detail
    assert ask("lots_suit", asked, lots=(lot(),)) == []
    assert ask("lots_suit", asked) == ["LOT_UNKNOWN"]


@pytest.mark.parametrize(
    ("state", "changes", "code"),
    [
        ({"evaluated": False}, {}, "UNMEASURED"),
        ({"measured_mass_g": None}, {}, "UNMEASURED"),
        ({}, {"measured_at": None}, "STALE"),
        ({}, {"measured_at": NOW - MEASURED_WITHIN - timedelta(seconds=1)}, "STALE"),
        ({"quantity": QuantityState.SHORT, "measured_mass_g": 2_000_000}, {}, "QUANTITY"),
        ({"quantity": QuantityState.UNKNOWN}, {}, "QUANTITY"),
        ({"custody": Custody.RELOCATED}, {}, "CUSTODY"),
        ({"custody": Custody.MOVING}, {}, "CUSTODY"),
        ({"condition": Condition.AT_RISK}, {}, "CONDITION"),
        ({"surveillance": Surveillance.DARK}, {}, "SURVEILLANCE"),
        ({"tampered": True}, {}, "TAMPERED"),
        ({}, {"critical_alerts": 2}, "ALERTS"),
    ],
)
def test_what_is_not_sure_is_not_certified(
    state: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    """Unmeasured, stale, short, moved, harmed, unwatched, tampered with, alarmed: each refuses."""
    assert [reason.code for reason in measured([lot(state=state, **changes)], NOW)] == [code]
    assert measured([lot(), lot(2)], NOW) == []
    assert [reason.code for reason in measured([], NOW)] == ["NO_LOTS"]


def test_goods_without_a_price_or_worth_nothing_are_not_certified() -> None:
    """No price, a negative one: no certificate, rather than one over nothing."""
    assert [r.code for r in priced(values_of(lot(), stale=True))] == ["NOT_VALUED"]
    assert [r.code for r in priced(values_of(lot(), price="-37"))] == ["NOT_VALUED"]
    assert priced(values_of(lot())) == []


def test_a_certificate_says_what_was_measured_and_what_it_is_worth() -> None:
    """And is read again as it was written."""
    lots = (lot(), lot(2))
    drawn = draw_certificate(APPLICATION.id, "EUR", lots, values_of(*lots), NOW)
    assert (drawn.value_minor, drawn.lendable_minor) == (4_800_000, 2_400_000)
    assert drawn.lots[0].measured_mass_g == 3_000_000
    assert drawn.valid_until == NOW + VALID_FOR
    assert decode_certificate(encode_certificate(drawn)) == drawn


def test_a_decision_stays_within_the_certificate_and_what_was_asked() -> None:
    """A limit over either is refused with both numbers; an old certificate altogether."""
    lots = (lot(),)
    drawn = draw_certificate(APPLICATION.id, "EUR", lots, values_of(*lots), NOW)
    assert ask("limit_covered", {"limit_minor": 1_000_000}, certificate=drawn) == []
    assert ask("limit_covered", {"limit_minor": 1_000_001}, certificate=drawn) == ["OVER_ASKED"]
    over = {"limit_minor": drawn.lendable_minor + 1}
    assert ask("limit_covered", over, certificate=drawn) == ["OVER_ASKED", "OVER_LENDABLE"]
    assert ask("certificate_valid") == ["NO_CERTIFICATE"]
    late = NOW + VALID_FOR
    assert ask("certificate_valid", certificate=drawn, now=late) == ["CERTIFICATE_OVER"]
    assert ask("certificate_valid", certificate=drawn) == []
    lines = {"warning_line_bps": 13_000, "call_line_bps": 15_000, "liquidation_line_bps": 11_000}
    assert ask("lines_in_order", lines) == ["LINES"]


def test_without_a_facility_nothing_is_drawn() -> None:
    """And a pledge that is not as it was proposed stops the way."""
    assert ask("facility_lets", {"amount_minor": 1}) == ["NO_FACILITY"]
    assert ask("drawdown_stands") == ["DRAWDOWN_OVER"]
    assert ask("something_owed") == ["NOTHING_OWED"]
    assert ask("pledge_proposed", pledge_state="active") == ["PLEDGE_STATE"]
    assert ask("pledge_proposed", pledge_state="proposed") == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": True}, "amount_minor"),
        ({"amount_minor": 1.0}, "amount_minor"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"term_days": 3_661}, "term_days"),
        ({"goods": []}, "goods"),
        ({"goods": [{"name": "x", "commodity_id": "copper", "mass_g": 0}]}, "goods: mass_g"),
        ({"goods": [{"name": " ", "commodity_id": "copper", "mass_g": 1}]}, "goods: name"),
        (
            {"goods": [{"name": "x", "commodity_id": "Copper!", "mass_g": 1}]},
            "goods: commodity_id",
        ),
        ({"goods": [{"name": "x"}]}, "goods"),
        ({"goods": ["x"]}, "goods"),
        ({"more": 1}, "values"),
    ],
)
def test_what_a_step_is_asked_with_is_within_its_bounds(
    changes: dict[str, Any], field: str
) -> None:
    """The refusal names the field, the value and the bound."""
    assert read_values(MOVABLE.opening, ASKED) == ASKED
    with pytest.raises(InvalidError) as caught:
        read_values(MOVABLE.opening, {**ASKED, **changes})
    assert caught.value.detail["field"] == field


def happened(count: int, at: datetime = NOW) -> tuple[Happened, ...]:
    """Return so many records, a day apart, the newest at a time."""
    return tuple(
        Happened(record="x", id=str(n), at=at - timedelta(days=n), text="x")
        for n in reversed(range(count))
    )


def test_a_stranger_stands_in_the_middle() -> None:
    """Nothing known, nothing given or taken."""
    profile = score(History(), NOW)
    assert (profile.points, profile.rating) == (START, "C")
    assert [line.points for line in profile.lines] == [0] * len(CRITERIA)


@pytest.mark.parametrize(
    ("history", "points"),
    [
        (History(facilities=happened(1, NOW - timedelta(days=400))), START + 8),
        (History(facilities=happened(1, NOW - timedelta(days=4_000))), START + 10),
        (History(repaid=happened(2)), START + 10),
        (History(repaid=happened(9)), START + 15),
        (History(on_time=happened(7)), START + 7),
        (History(overdue=happened(1)), START - 10),
        (History(overdue=happened(1, NOW - LOOK_BACK)), START),
        (History(overdue=happened(20)), START - 40),
        (History(calls=happened(2)), START - 10),
        (History(incidents=happened(1), unresolved=happened(1)), START - 15),
        (History(overdue=happened(9), unresolved=happened(9)), 0),
    ],
)
def test_each_point_is_counted_capped_and_explained(history: History, points: int) -> None:
    """The sum is that of the lines; each line says how many, how much each, and names records."""
    profile = score(history, NOW)
    assert profile.points == points
    assert points == max(0, START + sum(line.points for line in profile.lines))
    assert all(line.explanation for line in profile.lines)
    assert all(line.events for line in profile.lines if line.points)


def test_more_harm_never_scores_better() -> None:
    """One more overdue, call, incident or open alert never adds a point."""
    best = History(facilities=happened(1, NOW - timedelta(days=900)), repaid=happened(3))
    for name in ("overdue", "calls", "incidents", "unresolved"):
        points = [
            score(replace(best, **{name: happened(count)}), NOW).points for count in range(12)
        ]
        assert points == sorted(points, reverse=True)


def test_the_scorecard_in_the_documentation_is_the_rules() -> None:
    """docs/applications.md shows each criterion with its numbers, and each rating."""
    text = DOCS.read_text(encoding="utf-8")
    for criterion in CRITERIA:
        cap = f"{criterion.at_most:+d}" if criterion.each > 0 else f"-{criterion.at_most}"
        assert f"| {criterion.title} | {criterion.each:+d} | {cap} |" in text
    for least, name in RATINGS:
        assert f"| {name} | {least} |" in text
