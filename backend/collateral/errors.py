"""Why something can not be registered or pledged as asked."""

from backend.errors import RefusedError


class NameTakenError(RefusedError):
    """There is one already."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__("taken", f"there is a {what} already: {name}", what=what, name=name)


class BindingTakenError(RefusedError):
    """The sensor watches that already, or something watches it that allows no second."""

    def __init__(self, sensor: str) -> None:
        super().__init__("taken", f"{sensor} is bound like that already", sensor=sensor)


class PledgedError(RefusedError):
    """A lot is pledged once; the database refuses a second pledge, whoever asks."""

    def __init__(self, pledge_id: object) -> None:
        super().__init__("pledged", "one of its lots is pledged already", pledge=str(pledge_id))


class PledgeRefusedError(RefusedError):
    """The pledge is not in a state for it, or not between these parties."""
