"""What the settlement centre refuses."""

from uuid import UUID

from backend.errors import RefusedError


class NotAnExceptionError(RefusedError):
    """Nobody waits for a person's word on this line."""

    def __init__(self, key: UUID, state: str) -> None:
        super().__init__(
            "not_an_exception",
            f"line {key} is {state}, must be exception",
            id=str(key),
            state=state,
        )


class NotResolvableError(RefusedError):
    """The line may not be resolved like that."""

    def __init__(self, key: UUID, detail: str) -> None:
        super().__init__("not_resolvable", f"line {key}: {detail}", id=str(key))


class StatementRefusedError(RefusedError):
    """A bank's message can not be taken, and nothing of it was."""

    def __init__(self, why: str, detail: str) -> None:
        self.why = why
        super().__init__(f"statement_{why}", detail)
