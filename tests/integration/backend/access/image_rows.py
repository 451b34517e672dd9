"""An image of one plant, as it was asked for and as it is kept."""

from hashlib import sha256

from backend.db import Conn
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import Plant, insert


def image_of(plant: Plant) -> bytes:
    """Return the bytes of a plant's image."""
    return b"\xff\xd8\xff" + plant.name.encode()


def add_image_rows(conn: Conn, plant: Plant) -> None:
    """Store an image that was asked for and is here."""
    image = image_of(plant)
    key = {"gateway_id": plant.gateway_id, "sha256": sha256(image).digest()}
    insert(
        conn,
        "image_request",
        **key,
        channel_id=min(plant.channels.values()),
        reading_at=NOW,
        envelope_number=1,
        asked_at=NOW,
        asked_by=plant.actors[Role.LENDER].account_id,
        state="here",
        ended_at=NOW,
    )
    insert(conn, "image", **key, bytes=image, stored_at=NOW)
