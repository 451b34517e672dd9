"""What a store is made of, and what its operations came to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.envelope import SealLimits
from gateway.outbox.head import HeadFile
from gateway.reading import Entry
from gateway.signing import Signer


class ReceiptOutcome(StrEnum):
    """What a verified receipt did to the outbox."""

    ADVANCED = "advanced"  # Envelopes were deleted.
    TURNED = "turned"  # All under the old key is committed; the stream begins anew under the next.
    REPEATED = "repeated"  # The same as the last one: the backend holds no more than that.
    STALE = "stale"  # Older than the last one: delivered late.
    UNSETTLED = "unsettled"  # The head is unknown and a newer receipt may still come.
    ADOPTED = "adopted"  # The head was unknown; the stream goes on after this one.
    FORKED = "forked"  # The backend holds something else under one of our numbers.


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnvelope:
    """A sealed envelope as it travels."""

    number: int
    sha256: bytes
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutcome:
    """What one write did: readings that the bound refused, envelopes sealed, what waits now."""

    refused: Sequence[Entry]
    sealed: int
    unsealed: int
    unreceipted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParts:
    """What a store needs: its place, its stream and its bounds.

    ``window`` is how many messages may be sent without a receipt; those are not thinned. ``turn``
    puts the next key, of that id, into ``signer`` and its file once the stream has turned to it.
    """

    path: Path
    head_file: HeadFile
    gateway: str
    signer: Signer
    limits: SealLimits
    bytes_max: int
    window: int = 32
    turn: Callable[[bytes], None] | None = None
