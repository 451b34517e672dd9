"""What a session asks of whoever carries envelopes to the backend, and trusts it with nothing."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from schemas.receipt import Receipt


class Kind(Enum):
    """What a message from the backend's side claims to be."""

    RECEIPT = auto()
    COMMAND = auto()


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from the backend's side; nothing of it is verified yet."""

    kind: Kind
    data: bytes


class Line(Protocol):
    """A way to the backend that stands; each call ends within a time of its own.

    Every call raises UnavailableError when the way is lost; the session then ends.
    """

    @property
    def batch_max(self) -> int:
        """How many messages one ``send`` takes."""
        ...

    @property
    def sends_max(self) -> int:
        """How many ``send`` may run at once."""
        ...

    async def send(self, messages: Sequence[bytes]) -> None:
        """Hand envelopes over; that it returns says nothing of the backend."""
        ...

    def heard(self) -> AsyncGenerator[Heard]:
        """Yield what comes from the backend's side, for ever."""
        ...

    async def ask(self) -> None:
        """Ask for the newest receipt once more."""
        ...

    def heed(self, receipt: Receipt) -> None:
        """Note that a receipt that was heard is the backend's."""
        ...

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand over what is no envelope."""
        ...


class Transport(Protocol):
    """How to come by a line."""

    @property
    def host(self) -> str:
        """Where the line goes."""
        ...

    @property
    def port(self) -> int:
        """Where the line goes."""
        ...

    def open(self, gateway: str, window: int) -> AbstractAsyncContextManager[Line]:
        """Open a line; leaving it closes it.

        Raises:
            UnavailableError, OSError, TimeoutError: There is no way now.
        """
        ...
