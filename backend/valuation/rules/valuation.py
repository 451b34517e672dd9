"""A facility's valuation: its lots' values together, its base, and until when they serve. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from backend.ids import FacilityId
from backend.market.rules import decide_goods_price
from backend.market.types import Quotes, Unusable
from backend.money import BPS, MINOR_MAX, Minor
from backend.valuation.rules.base import derive_base
from backend.valuation.types import BorrowingBase, LotValue, Terms, Valuation


def sum_valuation(
    facility_id: FacilityId,
    lots: Sequence[LotValue],
    terms: Terms,
    exposure_minor: Minor,
    now: datetime,
    quotes: Quotes,
) -> Valuation:
    """Return the valuation of a facility's lots; their order does not matter."""
    lines = tuple(sorted(lots, key=lambda lot: lot.lot_id))
    value = min(MINOR_MAX, sum(lot.value_minor for lot in lines))
    base = derive_base(lines, terms.policy)
    goods = {(lot.instrument_id, lot.grade) for lot in lines}
    priced = [decide_goods_price(quotes, *each, terms.currency) for each in goods]
    stale = [price.stale_at for price in priced if not isinstance(price, Unusable)]
    return Valuation(
        facility_id=facility_id,
        at=now,
        expires_at=min([now + timedelta(seconds=terms.policy.ttl_s), *stale]),
        value_minor=Minor(value),
        base_minor=base.base_minor,
        exposure_minor=exposure_minor,
        coverage_bps=coverage_bps(Minor(value), exposure_minor),
        complete=all(lot.complete for lot in lines),
        model=terms.policy.model.value,
        policy_version=terms.policy.version,
        content_sha256=_digest(lines, base, terms),
        lots=lines,
        base=base,
    )


def _digest(lines: Sequence[LotValue], base: BorrowingBase, terms: Terms) -> bytes:
    """Return what tells one observation from another."""
    policy = (terms.policy.model.value, terms.policy.version)
    deductions = [(line.code.value, line.detail, line.amount_minor) for line in base.lines]
    said = ([_identity(lot) for lot in lines], deductions, base.base_minor, policy)
    return sha256(repr(said).encode()).digest()


def _identity(lot: LotValue) -> tuple[object, ...]:
    """Return all that a lot's line says, in a form whose text is always the same."""
    return (
        str(lot.lot_id),
        lot.accepted_mass_g,
        None if lot.price is None else f"{lot.price:f}",
        None if lot.price_at is None else lot.price_at.astimezone(UTC).isoformat(),
        lot.price_source,
        lot.haircut_bps,
        lot.value_minor,
        lot.lendable_minor,
        lot.gross_minor,
        lot.complete,
        lot.reasons,
        lot.grade,
        None if lot.rate is None else (lot.rate.pair, f"{lot.rate.value:f}", lot.rate.source),
    )


def coverage_bps(value_minor: Minor, exposure_minor: Minor) -> int | None:
    """Return value over exposure in basis points, rounded down; None while nothing is owed."""
    return None if exposure_minor == 0 else min(MINOR_MAX, value_minor * BPS // exposure_minor)
