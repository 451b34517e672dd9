"""What the facilities' rules refuse."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from backend.errors import RefusedError


class DrawdownRefusedError(RefusedError):
    """The drawdown may not be made; the attempt is kept with these reasons."""

    def __init__(self, drawdown_id: UUID, reasons: Sequence[Mapping[str, object]]) -> None:
        super().__init__(
            "drawdown_refused",
            "; ".join(f"{reason['code']}: {reason['detail']}" for reason in reasons),
            id=str(drawdown_id),
            reasons=[dict(reason) for reason in reasons],
        )


class IdReusedError(RefusedError):
    """The caller's id was used before, for something else."""

    def __init__(self, what: str, key: UUID) -> None:
        super().__init__(
            "id_reused", f"{what} {key} exists already with another content", id=str(key)
        )


class WrongStateError(RefusedError):
    """The drawdown is not where this step begins."""

    def __init__(self, key: UUID, state: str, wanted: Sequence[str]) -> None:
        bound = " or ".join(wanted)
        super().__init__(
            "wrong_state",
            f"drawdown {key} is {state}, must be {bound}",
            id=str(key),
            state=state,
        )


class FacilityNameTakenError(RefusedError):
    """The lender has a facility of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "facility_name_taken", f"there is a facility named {name} already", name=name
        )


class CallRefusedError(RefusedError):
    """The margin call is not where this act begins."""


class LoanRefusedError(RefusedError):
    """The terms, dues or balances do not allow it."""


class NotAllowedError(RefusedError):
    """The rules do not allow an act on a facility; the attempt is kept with these reasons."""

    def __init__(self, action: str, reasons: Sequence[Mapping[str, object]]) -> None:
        super().__init__(
            "not_allowed",
            "; ".join(f"{reason['code']}: {reason['detail']}" for reason in reasons),
            action=action,
            reasons=[dict(reason) for reason in reasons],
        )


class NoManualLockError(RefusedError):
    """There is no manual lock to lift."""

    def __init__(self, key: UUID) -> None:
        super().__init__("no_manual_lock", f"facility {key} has no manual lock", id=str(key))
