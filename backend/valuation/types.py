"""What a lot's value is computed from, under which policy, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from backend.collateral.types import Condition, LotState, Surveillance
from backend.ids import (
    AlertId,
    CommodityId,
    FacilityId,
    InstrumentId,
    LotId,
    PartyId,
    SiteId,
    StockTakeId,
)
from backend.money import BPS, Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class LotFacts:
    """A pledged lot as registered, and the state that its sensors have it in.

    ``releasing_mass_g`` may leave by release orders that are open: nothing is lent against it.
    ``alert_ids`` are its unresolved critical alerts: evidence for what its state says.
    """

    lot_id: LotId
    name: str
    instrument_id: InstrumentId
    pledged_mass_g: int
    state: LotState
    releasing_mass_g: int = 0
    commodity_id: CommodityId | None = None
    site_id: SiteId | None = None
    owner_party: PartyId | None = None
    stock_take_id: StockTakeId | None = None
    stock_take_at: datetime | None = None
    alert_ids: tuple[AlertId, ...] = ()
    grade: str | None = None


class HaircutModel(StrEnum):
    """How a haircut is found; only the first may be lent on, the others are compared with it."""

    T4_99 = "t4-99-ewma94-500d/1"
    NORMAL_EWMA = "normal-99-ewma94/1"
    HISTORICAL = "historical-99-500d/1"


LENDING_MODELS: Final = (HaircutModel.T4_99,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LendingPolicy:
    """What a lender lends against, how much of it, and for how long a valuation serves.

    Version 0 is what holds while none was set: everything pledged is eligible, nothing limited.
    ``condition_worst`` and ``surveillance_worst`` are the worst that is still eligible; a limit of
    10,000 bps is none.
    """

    version: int
    reserve_minor: Minor
    ttl_s: int
    liquidation_horizon_days: int
    revaluation_days: int = 1
    model: HaircutModel = HaircutModel.T4_99
    haircut_floor_bps: int = 0
    commodities: tuple[CommodityId, ...] | None = None
    stock_take_age_s_max: int | None = None
    surveillance_worst: Surveillance = Surveillance.DARK
    condition_worst: Condition = Condition.DAMAGED
    obligor_bps_max: int = BPS
    commodity_bps_max: int = BPS
    warehouse_bps_max: int = BPS
    reserve_bps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A policy of a facility, with who set it, when and why; it is never changed."""

    facility_id: FacilityId
    policy: LendingPolicy
    set_at: datetime
    set_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a facility says about valuing its collateral."""

    currency: str
    policy: LendingPolicy


class EvidenceKind(StrEnum):
    """What a deduction rests on."""

    LOT = "lot"
    PRICE = "price"
    ALERT = "alert"
    STOCK_TAKE = "stock_take"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRef:
    """One piece of evidence by its id; a price's is ``instrument@source@time``."""

    kind: EvidenceKind
    id: str


class Stage(StrEnum):
    """From gross collateral down to the base, in this order."""

    INELIGIBLE = "ineligible"
    CONDITION = "condition"
    HAIRCUT = "haircut"
    CONCENTRATION = "concentration"
    RESERVE = "reserve"


class DeductionCode(StrEnum):
    """Why something of the gross collateral does not count."""

    QUANTITY = "QUANTITY"
    UNPRICED = "UNPRICED"
    COMMODITY = "COMMODITY"
    STOCK_TAKE = "STOCK_TAKE"
    SURVEILLANCE = "SURVEILLANCE"
    CONDITION_WORST = "CONDITION_WORST"
    DAMAGED = "DAMAGED"
    HAIRCUT = "HAIRCUT"
    OBLIGOR = "OBLIGOR"
    COMMODITY_SHARE = "COMMODITY_SHARE"
    WAREHOUSE = "WAREHOUSE"
    RESERVE = "RESERVE"
    RESERVE_SHARE = "RESERVE_SHARE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduction:
    """One line from gross collateral to the base: what comes off, why, and on what evidence."""

    stage: Stage
    code: DeductionCode
    detail: str
    amount_minor: Minor
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])
    evidence: tuple[EvidenceRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowingBase:
    """Gross collateral, what comes off line by line, and what is left to lend against.

    Gross is what all that is pledged would be worth whole and sound, where it has a price.
    ``base_minor`` = gross - the lines' sum, exactly.
    """

    gross_minor: Minor
    lines: tuple[Deduction, ...]
    base_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Ineligible:
    """A rule of the policy that a lot fails."""

    code: DeductionCode
    detail: str
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])
    evidence: tuple[EvidenceRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedRate:
    """The rate of exchange that a lot's price was converted at."""

    pair: str
    value: Decimal
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LotValue:
    """What one lot is worth; ``reasons`` say why it is less than nominal, or nothing.

    ``complete`` is false when it could not be valued: nothing is then not what it is worth.
    ``gross_minor`` is of all that is pledged, ``accepted_minor`` of what is accepted of it, both
    as if sound; ``lendable_minor`` is nothing while some rule makes the lot ineligible.
    """

    lot_id: LotId
    name: str
    instrument_id: InstrumentId
    accepted_mass_g: int
    price: Decimal | None
    price_at: datetime | None
    price_source: str | None
    haircut_bps: int
    value_minor: Minor
    lendable_minor: Minor
    complete: bool
    reasons: tuple[str, ...]
    gross_minor: Minor
    accepted_minor: Minor
    pledged_mass_g: int
    ineligible: tuple[Ineligible, ...] = ()
    commodity_id: CommodityId | None = None
    site_id: SiteId | None = None
    owner_party: PartyId | None = None
    alert_ids: tuple[AlertId, ...] = ()
    price_ids: tuple[str, ...] = ()
    grade: str | None = None
    rate: UsedRate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What a facility's pledged lots are worth together, and until when that may be used.

    ``coverage_bps`` is None while nothing is owed. ``content_sha256`` is over the lots' lines and
    the deductions: two valuations with the same one are one observation made twice.
    """

    facility_id: FacilityId
    at: datetime
    expires_at: datetime
    value_minor: Minor
    base_minor: Minor
    exposure_minor: Minor
    coverage_bps: int | None
    complete: bool
    model: str
    policy_version: int
    content_sha256: bytes
    lots: tuple[LotValue, ...]
    base: BorrowingBase
