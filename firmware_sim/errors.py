"""Errors of the simulator, by who must act."""

from collections.abc import Callable
from functools import partial


class SimulatorError(Exception):
    """Anything that the simulator refuses or cannot do; the text is for its user."""


class ScenarioError(SimulatorError):
    """A scenario file that cannot be simulated: names the key, the value and the bound."""

    def __init__(self, *, key: str, value: object, bound: str) -> None:
        """Say which ``key`` holds which ``value`` and what it must be."""
        super().__init__(f"{key} = {value!r}: {bound}")
        self.key = key
        self.value = value
        self.bound = bound

    def __reduce__(self) -> "tuple[Callable[[], ScenarioError], tuple[()]]":
        """Let it cross from one process to another, which takes no keywords by itself."""
        return partial(ScenarioError, key=self.key, value=self.value, bound=self.bound), ()


class WireError(SimulatorError):
    """A port, pty or socket of the simulated site could not be opened."""


class RefusedError(SimulatorError):
    """A request of the control API that cannot be done; ``code`` is for programs."""

    def __init__(self, code: str, message: str, *, status: int = 409) -> None:
        """Keep the machine-readable ``code`` and the HTTP ``status`` beside the text."""
        super().__init__(message)
        self.code = code
        self.status = status
