"""Why a subscription or a message is not as wished."""

from backend.errors import RefusedError


class TooManyError(RefusedError):
    """A party has as many subscriptions as it may."""

    def __init__(self, count_max: int) -> None:
        super().__init__("too_many", f"there are {count_max} subscriptions: end one first")


class WrongMessageStateError(RefusedError):
    """Only what was given up is sent again."""

    def __init__(self, message_id: object, state: str) -> None:
        super().__init__(
            "wrong_state", f"message {message_id} is {state}: only a dead one is sent again"
        )


class WrongSubscriptionError(RefusedError):
    """The subscription is of another kind, or is over."""

    def __init__(self, why: str) -> None:
        super().__init__("wrong_subscription", why)
