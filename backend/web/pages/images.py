"""One image that a reading names: whether it is here, and the image once it was verified."""

from typing import Final

from fastapi import Request, Response

from backend.deps import CurrentPrincipal, Db, Now
from backend.images import http as images_http
from backend.images import service
from backend.images.http import Asker, Digest, ImageBody
from backend.web.console import done, new_router, render

router = new_router()
REASONS: Final = {
    "not_kept": "The gateway keeps it no longer",
    "no_answer": "The gateway did not answer",
    "not_sent": "The gateway could not send it",
    "chunks_lost": "It did not arrive whole",
    "digest_mismatch": "What arrived is not the image that the reading names",
    "no_image": "What the reading names is no image",
    "dropped": "It was here, and made room for newer ones",
}


@router.get("/images/{gateway_id}/{sha256}")
def show_image(
    gateway_id: str, sha256: Digest, request: Request, db: Db, who: CurrentPrincipal
) -> Response:
    """Show an image, or how far it has come."""
    with db.acting(who.actor) as conn:
        image = service.load(conn, images_http.key_of(gateway_id, sha256))
    return render(request, who, "image.html", image=image, reasons=REASONS)


@router.post("/images/{gateway_id}/{sha256}/fetch")
def fetch_image(
    gateway_id: str, sha256: Digest, request: Request, db: Db, actor: Asker, now: Now
) -> Response:
    """Have an image fetched from its gateway."""
    images_http.ask_for_image(ImageBody(gateway_id=gateway_id, sha256=sha256), db, actor, now)
    message = "Asked for. It appears here when it has arrived and was verified."
    return done(request, message, f"/images/{gateway_id}/{sha256}")
