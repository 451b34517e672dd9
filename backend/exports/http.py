"""Routes of the borrowing base as of any moment, and of its certificate."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel

from backend.deps import CurrentActor, Db, get_backend_key
from backend.exports import service
from backend.exports.rules.content import content_of, digest_of
from backend.exports.types import Form
from backend.ids import FacilityId
from backend.keys import BackendKey

router = APIRouter(prefix="/api", tags=["exports"])

At = Annotated[AwareDatetime | None, Query(description="The moment, with its zone; without: now.")]
Key = Annotated[BackendKey, Depends(get_backend_key)]
MEDIA_TYPES: Final = {
    Form.PDF: "application/pdf",
    Form.CSV: "text/csv; charset=utf-8",
    Form.JSON: "application/json",
}


class BaseView(BaseModel):
    """A facility's borrowing base as it was recorded at a moment.

    ``content`` is what a certificate of that moment holds; its form is docs/certificate.md's.
    """

    content_sha256: str
    content: dict[str, Any]


class KeyView(BaseModel):
    """The key that seals certificates: whoever verifies one must have it from elsewhere."""

    key_id: str
    public_key: str


@router.get("/facilities/{facility_id}/base")
def get_base(facility_id: UUID, db: Db, actor: CurrentActor, at: At = None) -> BaseView:
    """Return the way from gross collateral to availability, now or as of any past moment."""
    with db.acting(actor) as conn:
        statement = service.load_statement(conn, FacilityId(facility_id), at)
    content = content_of(statement)
    return BaseView(content_sha256=digest_of(content), content=content)


@router.get(
    "/facilities/{facility_id}/certificate.{form}",
    response_class=Response,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
)
def get_certificate(
    facility_id: UUID, form: Form, db: Db, actor: CurrentActor, key: Key, at: At = None
) -> Response:
    """Return the certificate of a moment as PDF, CSV or JSON, sealed by the backend's key."""
    return certificate(facility_id, form, db, actor, (key, at))


@router.get("/certificate-key")
def get_certificate_key(_actor: CurrentActor, key: Key) -> KeyView:
    """Return the key that certificates are sealed with."""
    return KeyView(key_id=key.key_id.hex(), public_key=key.public_key.hex())


def certificate(
    facility_id: UUID, form: Form, db: Db, actor: CurrentActor, wish: tuple[BackendKey, At]
) -> Response:
    """Return a certificate as a file to keep; its name says of what and of when."""
    key, at = wish
    with db.acting(actor) as conn:
        statement = service.load_statement(conn, FacilityId(facility_id), at)
    document = service.write_certificate(statement, form, key)
    name = f"borrowing-base-{facility_id}-{_stamp(statement.at)}.{form.value}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(document, media_type=MEDIA_TYPES[form], headers=headers)


def _stamp(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S}Z"
