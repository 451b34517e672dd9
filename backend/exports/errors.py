"""Why there is no statement, and why a document is not believed."""

from datetime import datetime

from backend.errors import NotFoundError, UntrustedError


class NoRecordError(NotFoundError):
    """Nothing was recorded of the facility by then."""

    def __init__(self, facility_id: object, at: datetime) -> None:
        super().__init__(f"record of facility {facility_id} as of", at.isoformat())


class SealBrokenError(UntrustedError):
    """The document is not what was sealed, or was sealed by another key."""

    def __init__(self, why: str) -> None:
        super().__init__("seal_broken", why)
