"""What the plant's rules refuse."""

from backend.errors import RefusedError


class BadCodeError(RefusedError):
    """No such code for this gateway, or used, or over; which of them, a guesser must not learn."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "bad_enrolment_code",
            "this code does not enrol this gateway, or was used, or is over: ask for a new one",
        )


class AlreadyEnrolledError(RefusedError):
    """The gateway has its key, and its stream is open."""

    def __init__(self, gateway_id: str) -> None:
        super().__init__(
            "already_enrolled",
            f"gateway {gateway_id} has a key, and its stream is open: ask with replace, to end it",
            gateway_id=gateway_id,
        )


class NotEnrolledError(RefusedError):
    """A gateway without a key can neither be asked for anything nor revoked."""

    def __init__(self, gateway_id: str) -> None:
        super().__init__(
            "not_enrolled", f"gateway {gateway_id} is not enrolled", gateway_id=gateway_id
        )


class KeyInUseError(RefusedError):
    """The key was enrolled before: two streams under one key could be told apart by nobody."""

    def __init__(self) -> None:
        super().__init__("key_in_use", "this key was enrolled before: generate a new one")
