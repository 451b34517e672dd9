"""What the journal refuses."""

from collections.abc import Mapping
from uuid import UUID

from backend.errors import RefusedError


class JournalRefusedError(RefusedError):
    """A transfer may not be made, so that nothing of its batch was."""

    def __init__(
        self, why: str, detail: str, *, what: str, key: UUID, numbers: Mapping[str, int]
    ) -> None:
        self.why = why
        super().__init__(f"journal_{why}", f"{what}: {detail}", id=str(key), **numbers)
