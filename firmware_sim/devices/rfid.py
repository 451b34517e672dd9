"""What all UHF readers share: the tags in the field, and how a host drives them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSeen:
    """One read of a tag."""

    epc: bytes
    rssi_dbm: float

    @property
    def pc(self) -> bytes:
        """The tag's protocol control word."""
        # Gen2 6.3.2.1.2.2: the first five bits of the PC word are the EPC's length in words.
        return (len(self.epc) // 2 << 11).to_bytes(2, "big")


class Reader(Protocol):
    """A reader's own state: what the host asked for."""

    @property
    def polling(self) -> bool:
        """Whether the host asked for tags."""
        ...

    def power_cycle(self) -> None:
        """Forget what the last host asked for."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Return the replies to the commands that ``chunk`` completes."""
        ...

    def round(self, tags: Iterable[TagSeen], round_s: float) -> bytes:
        """Return what the reader sends for one round over the ``tags`` in its field."""
        ...
