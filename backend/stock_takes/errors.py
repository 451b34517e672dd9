"""Why a stock-take is refused."""

from backend.errors import RefusedError


class IdTakenError(RefusedError):
    """The id is another stock-take's."""

    def __init__(self, stock_take_id: object) -> None:
        super().__init__("id_taken", f"stock-take {stock_take_id} is recorded, and says otherwise")
