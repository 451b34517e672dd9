"""Images that somebody asked for, and how far they have come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.commands.types import CommandOutcome
from backend.ids import AccountId, GatewayId

ImageKey = tuple[GatewayId, bytes]
"""The gateway that keeps an image, and the SHA-256 of the image."""


class ImageState(StrEnum):
    """Whether an image is here; ``known`` is one that a reading names and nobody asked for."""

    KNOWN = "known"
    ASKED = "asked"
    HERE = "here"
    REFUSED = "refused"


class Refusal(StrEnum):
    """Why an image is not here though somebody asked for it."""

    NOT_KEPT = "not_kept"  # Its gateway says that it keeps it no longer.
    NO_ANSWER = "no_answer"
    NOT_SENT = "not_sent"  # Its gateway tried, and could not.
    CHUNKS_LOST = "chunks_lost"  # It was sent, again and again, and did not arrive whole.
    DIGEST_MISMATCH = "digest_mismatch"  # What arrived is not what the reading names.
    NO_IMAGE = "no_image"  # It is what the reading names, and no JPEG.
    DROPPED = "dropped"  # It was here, and made room for others.


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """An image as a signed reading names it."""

    gateway_id: GatewayId
    sha256: bytes
    channel_id: int
    sensor: str
    reading_at: datetime
    envelope_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image as it is shown; ``bytes`` is its length once it is here."""

    gateway_id: GatewayId
    sha256: bytes
    sensor: str
    reading_at: datetime
    envelope_number: int
    state: ImageState
    reason: Refusal | None
    detail: str | None
    asked_at: datetime | None
    ended_at: datetime | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """An image that is being fetched; ``answered_at`` and ``outcome`` of its last command."""

    gateway_id: GatewayId
    sha256: bytes
    asked_by: AccountId
    attempts: int
    command_number: int | None
    issued_at: datetime | None
    outcome: CommandOutcome | None
    why: str | None
    answered_at: datetime | None

    @property
    def key(self) -> ImageKey:
        """What it is an image of."""
        return self.gateway_id, self.sha256


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done yet."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The gateway is to be asked, for the whole image or for chunks of it."""

    chunks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The image will not come."""

    reason: Refusal
    detail: str


Step = Wait | Ask | Refuse
