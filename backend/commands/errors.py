"""What the rules of commands refuse."""

from backend.errors import RefusedError


class TooManyPendingError(RefusedError):
    """A gateway that answers nothing is not asked for ever more."""

    def __init__(self, gateway_id: str, pending_max: int) -> None:
        super().__init__(
            "too_many_pending",
            f"gateway {gateway_id} has {pending_max} commands to answer: wait for it",
            gateway_id=gateway_id,
        )
