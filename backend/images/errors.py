"""What is refused of images."""

from backend.errors import RefusedError


class NotHereError(RefusedError):
    """An image that was not fetched, or not yet."""

    status = 404

    def __init__(self, gateway_id: str, sha256: bytes, state: str) -> None:
        super().__init__(
            "not_here",
            f"image {sha256.hex()} of gateway {gateway_id} is not here: {state}",
            gateway_id=gateway_id,
            sha256=sha256.hex(),
            state=state,
        )
