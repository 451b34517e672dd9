"""What the steps of a pledge of movable goods are decided on, and what they make."""

from dataclasses import dataclass
from datetime import datetime

from backend.applications.types.record import Application
from backend.facility.types import Drawdown, Standing
from backend.ids import ApplicationId, LotId, PartyId
from backend.money import Minor
from backend.valuation.types import LotFacts, LotValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSeen:
    """A lot as the actor sees it now.

    ``measured_at``: when the readings were made that it was last measured by. ``elsewhere``:
    another application on its way that has it.
    """

    facts: LotFacts
    commodity_id: str
    commodity: str
    place: str
    owner_party: PartyId
    keeper_party: PartyId
    measured_at: datetime | None
    critical_alerts: int
    pledged: bool
    elsewhere: ApplicationId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedLot:
    """A lot's line of a value certificate; the price is per the instrument's unit."""

    lot_id: LotId
    name: str
    commodity: str
    instrument_id: str
    place: str
    registered_mass_g: int
    measured_mass_g: int
    accepted_mass_g: int
    price: str
    price_at: datetime
    price_source: str
    haircut_bps: int
    value_minor: Minor
    lendable_minor: Minor
    custody: str
    quantity: str
    condition: str
    surveillance: str
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What goods were measured to be, and were worth, at one time."""

    application_id: ApplicationId
    at: datetime
    valid_until: datetime
    currency: str
    horizon_days: int
    model: str
    value_minor: Minor
    lendable_minor: Minor
    lots: tuple[CertifiedLot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovableFacts:
    """Everything that the guards of a step look at; what a step does not need is left out.

    ``unbooked``: days are over whose interest is not booked yet.
    """

    application: Application
    now: datetime
    lots: tuple[LotSeen, ...] = ()
    values: tuple[LotValue, ...] = ()
    certificate: Certificate | None = None
    standing: Standing | None = None
    drawdown: Drawdown | None = None
    pledge_state: str | None = None
    unbooked: bool = False
