"""Why a post is not taken."""

from backend.errors import RefusedError, UntrustedError


class EnvelopeRefusedError(UntrustedError):
    """The first message of a post proves nothing; the code is the worker's name for it."""


class InboxFullError(RefusedError):
    """More waits than the worker has taken in; the same post may be sent later."""

    status = 429

    def __init__(self, gateway: str, retry_after_s: int) -> None:
        super().__init__("inbox_full", f"{gateway}: try again later", retry_after_s=retry_after_s)
