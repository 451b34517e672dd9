"""What can go wrong when the programs are put together, each error with what its reader needs."""

from pathlib import Path


class DeployError(Exception):
    """Base of every error of the embedded stack; the message says what to do about it."""


class MissingProgramError(DeployError):
    """A program that the stack needs is not installed."""


class StateError(DeployError):
    """State on disk cannot be used: it is in use, another version's, or another user's."""


class NotReadyError(DeployError):
    """A program runs but did not become ready in time."""

    def __init__(self, name: str, limit_s: float, log_path: Path, log_tail: str) -> None:
        self.name = name
        self.limit_s = limit_s
        super().__init__(
            f"{name} was not ready after {limit_s:g} s; last lines of {log_path}:\n{log_tail}"
        )


class ChildDiedError(DeployError):
    """A program ended that should still run."""

    def __init__(self, name: str, returncode: int, log_path: Path, log_tail: str) -> None:
        self.name = name
        self.returncode = returncode
        how = f"by signal {-returncode}" if returncode < 0 else f"with exit code {returncode}"
        super().__init__(f"{name} ended {how}; last lines of {log_path}:\n{log_tail}")


class StopRequestedError(KeyboardInterrupt):
    """Somebody asked the launcher to stop (Ctrl-C, SIGTERM, SIGHUP).

    It is a ``KeyboardInterrupt`` so that asyncio and pytest let it through like Ctrl-C.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"stop requested by signal {signal_number}")
