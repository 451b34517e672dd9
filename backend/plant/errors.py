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
    """The gateway has its key, and the envelopes under it keep their numbers."""

    def __init__(self, gateway_id: str) -> None:
        super().__init__(
            "already_enrolled",
            f"gateway {gateway_id} has a key, and its stream keeps its numbers:"
            " register a new gateway name and enrol that one",
            gateway_id=gateway_id,
        )


class KeyInUseError(RefusedError):
    """Another gateway has this key: two streams under one key could be told apart by nobody."""

    def __init__(self) -> None:
        super().__init__("key_in_use", "another gateway has this key: generate a new one")
