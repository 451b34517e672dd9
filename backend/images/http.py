"""Routes of images."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.deps import CurrentActor, Db, Now, require
from backend.ids import GatewayId
from backend.images import service, store
from backend.images.types import ImageKey, ImageRecord, ImageState, Refusal
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api/images", tags=["images"])

HEX: Final = r"^[0-9a-f]{64}$"
Digest = Annotated[str, Path(pattern=HEX)]
Asker = Annotated[Actor, Depends(require(Role.LENDER, Role.LOGISTICS, Role.OPERATOR))]


class ImageBody(BaseModel):
    """Which image is asked for."""

    model_config = ConfigDict(extra="forbid")

    gateway_id: str
    sha256: Annotated[str, StringConstraints(pattern=HEX)]


class ImageView(BaseModel):
    """An image that a signed reading names.

    ``here``: its bytes were fetched, and their SHA-256 is the one that the reading names.
    """

    gateway_id: str
    sensor: str
    sha256: str
    reading_at: datetime
    envelope_number: int
    state: ImageState
    reason: Refusal | None
    detail: str | None
    asked_at: datetime | None
    ended_at: datetime | None
    bytes: int | None


@router.get("")
def list_images(
    db: Db, actor: CurrentActor, now: Now, gateway_id: str | None = None
) -> list[ImageView]:
    """Return the newest images that readings of the last week name, newest first."""
    gateway = None if gateway_id is None else GatewayId(gateway_id)
    with db.acting(actor) as conn:
        return [_view(record) for record in store.list_recent(conn, gateway, now)]


@router.post("", status_code=202)
def ask_for_image(body: ImageBody, db: Db, actor: Asker, now: Now) -> ImageView:
    """Have an image fetched from its gateway; ask again to see how far it has come."""
    key = key_of(body.gateway_id, body.sha256)
    with db.acting(actor) as conn:
        return _view(service.ask(conn, key, actor.account_id, now))


@router.get("/{gateway_id}/{sha256}")
def get_image(gateway_id: str, sha256: Digest, db: Db, actor: CurrentActor) -> ImageView:
    """Return what is known of an image."""
    with db.acting(actor) as conn:
        return _view(service.load(conn, key_of(gateway_id, sha256)))


@router.get("/{gateway_id}/{sha256}/content", response_class=Response)
def get_image_content(gateway_id: str, sha256: Digest, db: Db, actor: CurrentActor) -> Response:
    """Return the image itself, a JPEG that was verified."""
    with db.acting(actor) as conn:
        data = service.load_bytes(conn, key_of(gateway_id, sha256))
    return Response(data, media_type="image/jpeg")


def key_of(gateway_id: str, sha256: str) -> ImageKey:
    """Return the key of an image from its parts in an address."""
    return GatewayId(gateway_id), bytes.fromhex(sha256)


def _view(record: ImageRecord) -> ImageView:
    return ImageView(
        gateway_id=record.gateway_id,
        sensor=record.sensor,
        sha256=record.sha256.hex(),
        reading_at=record.reading_at,
        envelope_number=record.envelope_number,
        state=record.state,
        reason=record.reason,
        detail=record.detail,
        asked_at=record.asked_at,
        ended_at=record.ended_at,
        bytes=record.bytes,
    )
