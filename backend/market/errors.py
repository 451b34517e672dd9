"""What the market's rules refuse."""

from datetime import datetime
from decimal import Decimal

from backend.errors import RefusedError
from backend.ids import InstrumentId


class InstrumentTakenError(RefusedError):
    """The id is another instrument's."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(
            "instrument_taken", f"there is an instrument {instrument_id} already", id=instrument_id
        )


class PriceContradictsError(RefusedError):
    """A source already said something else about that moment; history is not rewritten."""

    def __init__(self, source: str, at: datetime, stored: Decimal, sent: Decimal) -> None:
        super().__init__(
            "price_contradicts",
            f"{source} said {stored:f} for {at.isoformat()}, now it says {sent:f}",
            source=source,
            time=at.isoformat(),
            stored=f"{stored:f}",
            sent=f"{sent:f}",
        )


class NotHeldError(RefusedError):
    """The price does not wait for anybody."""

    def __init__(self, source: str, at: datetime) -> None:
        super().__init__(
            "price_not_held",
            f"the price of {source} for {at.isoformat()} is accepted already",
            source=source,
            time=at.isoformat(),
        )
