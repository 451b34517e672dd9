"""What applications refuse."""

from collections.abc import Sequence
from uuid import UUID

from backend.errors import RefusedError
from backend.facility.types import Reason


class StepRefusedError(RefusedError):
    """The step may not be done; nothing was changed. Names each rule, with its numbers."""

    def __init__(self, step: str, reasons: Sequence[Reason]) -> None:
        super().__init__(
            "step_refused",
            "; ".join(reason.detail for reason in reasons),
            step=step,
            reasons=[
                {"code": each.code, "detail": each.detail, "numbers": dict(each.numbers)}
                for each in reasons
            ],
        )


class StepIdReusedError(RefusedError):
    """The caller's id was used before, for something else."""

    def __init__(self, key: UUID) -> None:
        super().__init__("id_reused", f"step {key} was done, and was another one", id=str(key))
