"""From gross collateral down to the borrowing base, line by line. Pure.

Each line says what comes off, in whole minor units, by which rule, from which numbers, and on what
evidence; gross less the lines is the base, exactly. The order of the lots does not matter.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from backend.money import BPS, MINOR_MAX, Minor
from backend.valuation.rules.concentration import Share, cut_shares
from backend.valuation.types import (
    BorrowingBase,
    Deduction,
    DeductionCode,
    EvidenceKind,
    EvidenceRef,
    LendingPolicy,
    LotValue,
    Stage,
)

# A line names the evidence that a person would open; the valuation's lots have all of it.
EVIDENCE_MAX: Final = 200
UNKNOWN_GROUP: Final = "unknown"  # Shared by all lots that do not say whose they are.
_KINDS: Final = (
    (DeductionCode.OBLIGOR, "obligor"),
    (DeductionCode.COMMODITY_SHARE, "commodity"),
    (DeductionCode.WAREHOUSE, "warehouse"),
)


def derive_base(lots: Sequence[LotValue], policy: LendingPolicy) -> BorrowingBase:
    """Return the base that lots' values make under a policy, with every deduction."""
    ordered = sorted(lots, key=lambda lot: lot.lot_id)
    lines = [*_of_lots(ordered), *_of_haircuts(ordered), *_of_limits(ordered, policy)]
    gross = sum(lot.gross_minor for lot in ordered)
    left = gross - sum(line.amount_minor for line in lines)
    reserves = tuple(_of_reserves(left, policy))
    base = left - sum(line.amount_minor for line in reserves)
    order = list(Stage)
    sorted_lines = sorted([*lines, *reserves], key=lambda line: order.index(line.stage))
    return BorrowingBase(
        gross_minor=Minor(min(MINOR_MAX, gross)),
        lines=tuple(sorted_lines),
        base_minor=Minor(min(MINOR_MAX, base)),
    )


def _of_lots(lots: Iterable[LotValue]) -> Iterable[Deduction]:
    """Return what single lots lose: what is not there, not eligible, not sound."""
    for lot in lots:
        here = EvidenceRef(kind=EvidenceKind.LOT, id=str(lot.lot_id))
        alerts = tuple(
            EvidenceRef(kind=EvidenceKind.ALERT, id=str(each)) for each in lot.alert_ids
        )
        if not lot.price_ids:
            yield Deduction(
                stage=Stage.INELIGIBLE,
                code=DeductionCode.UNPRICED,
                detail=f"{lot.name}: no price may be used: {'; '.join(lot.reasons)}",
                amount_minor=lot.gross_minor,
                evidence=(here,),
            )
            continue
        if lot.accepted_mass_g < lot.pledged_mass_g:
            yield Deduction(
                stage=Stage.INELIGIBLE,
                code=DeductionCode.QUANTITY,
                detail=f"{lot.name}: {lot.accepted_mass_g} g of {lot.pledged_mass_g} g pledged are"
                " accepted",
                amount_minor=Minor(lot.gross_minor - lot.accepted_minor),
                numbers={
                    "accepted_mass_g": lot.accepted_mass_g,
                    "pledged_mass_g": lot.pledged_mass_g,
                },
                evidence=(here, *alerts),
            )
        left = lot.accepted_minor
        for failure in lot.ineligible:
            yield Deduction(
                stage=Stage.INELIGIBLE,
                code=failure.code,
                detail=f"{lot.name}: {failure.detail}",
                amount_minor=left,
                numbers=failure.numbers,
                evidence=failure.evidence,
            )
            left = Minor(0)  # It can be taken off once; the other rules are told all the same.
        if left > lot.value_minor:
            yield Deduction(
                stage=Stage.CONDITION,
                code=DeductionCode.DAMAGED,
                detail=f"{lot.name}: it is damaged",
                amount_minor=Minor(left - lot.value_minor),
                numbers={"sound_minor": left, "value_minor": lot.value_minor},
                evidence=(here, *alerts),
            )


def _of_haircuts(lots: Iterable[LotValue]) -> Iterable[Deduction]:
    """Return what each instrument's haircut takes of the lots that are eligible."""
    found: dict[tuple[str, int], list[LotValue]] = {}
    for lot in lots:
        if not lot.ineligible and lot.value_minor > lot.lendable_minor:
            found.setdefault((lot.instrument_id, lot.haircut_bps), []).append(lot)
    for (instrument_id, haircut_bps), own in sorted(found.items()):
        value = sum(lot.value_minor for lot in own)
        prices = sorted({each for lot in own for each in lot.price_ids})
        yield Deduction(
            stage=Stage.HAIRCUT,
            code=DeductionCode.HAIRCUT,
            detail=f"{instrument_id}: a haircut of {haircut_bps} bps",
            amount_minor=Minor(value - sum(lot.lendable_minor for lot in own)),
            numbers={"haircut_bps": haircut_bps, "value_minor": value, "lots": len(own)},
            evidence=(
                *(EvidenceRef(kind=EvidenceKind.PRICE, id=each) for each in prices),
                *_refs(own),
            ),
        )


def _of_limits(lots: Sequence[LotValue], policy: LendingPolicy) -> Iterable[Deduction]:
    """Return what is over the policy's shares of the whole."""
    limits = (policy.obligor_bps_max, policy.commodity_bps_max, policy.warehouse_bps_max)
    if all(limit == BPS for limit in limits):
        return
    groups = [tuple(enumerate(_groups(lot))) for lot in lots]
    shares = [
        Share(amount_minor=lot.lendable_minor, groups=own)
        for lot, own in zip(lots, groups, strict=True)
    ]
    total = sum(share.amount_minor for share in shares)
    for cut in cut_shares(shares, limits):
        kind, name = cut.group
        code, word = _KINDS[kind]
        own = [lot for lot, its in zip(lots, groups, strict=True) if cut.group in its]
        yield Deduction(
            stage=Stage.CONCENTRATION,
            code=code,
            detail=f"{word} {name} holds {cut.amount_minor} of {total} minor units, over"
            f" {limits[kind]} bps",
            amount_minor=Minor(cut.cut_minor),
            numbers={
                "limit_bps": limits[kind],
                "held_minor": cut.amount_minor,
                "bound_minor": cut.bound_minor,
                "total_minor": total,
            },
            evidence=(_policy_ref(policy), *_refs(own)),
        )


def _groups(lot: LotValue) -> tuple[str, str, str]:
    """Return whose a lot is, what it is, and where."""
    return (
        UNKNOWN_GROUP if lot.owner_party is None else str(lot.owner_party),
        UNKNOWN_GROUP if lot.commodity_id is None else lot.commodity_id,
        UNKNOWN_GROUP if lot.site_id is None else str(lot.site_id),
    )


def _of_reserves(left: int, policy: LendingPolicy) -> Iterable[Deduction]:
    """Return what is held back of what is left, never more than that."""
    share = -(-left * policy.reserve_bps // BPS)
    if policy.reserve_bps:
        yield Deduction(
            stage=Stage.RESERVE,
            code=DeductionCode.RESERVE_SHARE,
            detail=f"a reserve of {policy.reserve_bps} bps",
            amount_minor=Minor(share),
            numbers={"reserve_bps": policy.reserve_bps, "of_minor": left},
            evidence=(_policy_ref(policy),),
        )
    if policy.reserve_minor:
        yield Deduction(
            stage=Stage.RESERVE,
            code=DeductionCode.RESERVE,
            detail=f"a reserve of {policy.reserve_minor} minor units",
            amount_minor=Minor(min(left - share, policy.reserve_minor)),
            numbers={"reserve_minor": policy.reserve_minor},
            evidence=(_policy_ref(policy),),
        )


def _policy_ref(policy: LendingPolicy) -> EvidenceRef:
    return EvidenceRef(kind=EvidenceKind.POLICY, id=str(policy.version))


def _refs(lots: Sequence[LotValue]) -> tuple[EvidenceRef, ...]:
    return tuple(
        EvidenceRef(kind=EvidenceKind.LOT, id=str(lot.lot_id)) for lot in lots[:EVIDENCE_MAX]
    )
