"""What a lot's value is computed from, and what came out."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from backend.collateral.types import LotState
from backend.ids import FacilityId, InstrumentId, LotId
from backend.money import Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class LotFacts:
    """A pledged lot as registered, and the state that its sensors have it in.

    ``releasing_mass_g`` may leave by release orders that are open: nothing is lent against it.
    """

    lot_id: LotId
    name: str
    instrument_id: InstrumentId
    pledged_mass_g: int
    state: LotState
    releasing_mass_g: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a facility says about valuing its collateral."""

    currency: str
    liquidation_horizon_days: int
    reserve_minor: Minor
    ttl_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LotValue:
    """What one lot is worth; ``reasons`` say why it is less than nominal, or nothing.

    ``complete`` is false when it could not be valued: nothing is then not what it is worth.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What a facility's pledged lots are worth together, and until when that may be used.

    ``coverage_bps`` is None while nothing is owed. ``content_sha256`` is over the lots' lines: two
    valuations with the same one are one observation made twice.
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
    content_sha256: bytes
    lots: tuple[LotValue, ...]
