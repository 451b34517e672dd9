"""Why a release order is refused."""

from backend.errors import RefusedError


class OrderRefusedError(RefusedError):
    """The order asks for what it may not; ``code`` says what, the sentence the bound."""
