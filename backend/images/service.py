"""Fetching images: asked by people, driven by the worker; callers open the transaction."""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog
from prometheus_client import Counter

from backend.commands import service as commands
from backend.commands.errors import TooManyPendingError
from backend.db import Conn
from backend.errors import NotFoundError, RefusedError
from backend.ids import AccountId, GatewayId
from backend.images import store
from backend.images.errors import NotHereError
from backend.images.rules import (
    GATEWAY_BYTES_MAX,
    OPEN_MAX,
    Assemblies,
    decide_step,
    verify_image,
)
from backend.images.types import (
    Ask,
    ImageKey,
    ImageRecord,
    ImageState,
    OpenRequest,
    Refusal,
    Refuse,
    Wait,
)
from backend.ingest.types import Message
from schemas.command import FetchImage
from schemas.errors import MalformedError
from schemas.image import decode_chunk
from schemas.topics import image_gateway

log = structlog.get_logger()

CHUNKS: Final = Counter(
    "pledgewatch_image_chunks", "Chunks of images off the broker.", ("verdict",)
)
IMAGES: Final = Counter("pledgewatch_images", "Images that somebody asked for.", ("verdict",))


def ask(conn: Conn, key: ImageKey, by: AccountId, now: datetime) -> ImageRecord:
    """Ask for an image that a reading names; it is asked for once, however many ask.

    Raises:
        NotFoundError: No reading that the actor may see names it.
    """
    named = store.find_named(conn, key)
    if named is None:
        raise NotFoundError("image", key[1].hex())
    store.ask(conn, named, by, now)
    return load(conn, key)


def load(conn: Conn, key: ImageKey) -> ImageRecord:
    """Return an image that a reading names, and whether it is here.

    Raises:
        NotFoundError: No reading that the actor may see names it.
    """
    record = store.load_record(conn, key)
    if record is not None:
        return record
    named = store.find_named(conn, key)
    if named is None:
        raise NotFoundError("image", key[1].hex())
    return ImageRecord(
        gateway_id=named.gateway_id,
        sha256=named.sha256,
        sensor=named.sensor,
        reading_at=named.reading_at,
        envelope_number=named.envelope_number,
        state=ImageState.KNOWN,
        reason=None,
        detail=None,
        asked_at=None,
        ended_at=None,
        bytes=None,
    )


def load_bytes(conn: Conn, key: ImageKey) -> bytes:
    """Return an image, verified once more.

    Raises:
        NotFoundError: No reading that the actor may see names it.
        NotHereError: It was not fetched, or not yet.
    """
    data = store.load_bytes(conn, key)
    if data is None:
        raise NotHereError(key[0], key[1], load(conn, key).state.value)
    assert sha256(data).digest() == key[1], "the table's own constraint says so"
    return data


def drive(
    conn: Conn,
    assemblies: Assemblies,
    messages: Iterable[Message],
    is_ours: Callable[[GatewayId], bool],
    now: datetime,
) -> list[ImageKey]:
    """Take every image that is being fetched one step further; return those that ended.

    Args:
        conn: in the caller's transaction.
        assemblies: what came before of the images; chunks that are lost are asked for again.
        messages: what came on the topics of images.
        is_ours: whether this worker fetches images of a gateway.
        now: the time.
    """
    requests = [each for each in store.fetch_open(conn) if is_ours(each.gateway_id)][:OPEN_MAX]
    # Only what a gateway was asked for: what comes unasked is none of its own.
    assemblies.expect([each.key for each in requests if each.command_number is not None])
    for message in messages:
        CHUNKS.labels(_take(assemblies, message)).inc()
    return [each.key for each in requests if _drive(conn, assemblies, each, now)]


def _take(assemblies: Assemblies, message: Message) -> str:
    """Take a chunk, if it is of an image that is being fetched; return the verdict."""
    gateway = image_gateway(message.topic)
    try:
        chunk = decode_chunk(message.data)
    except MalformedError:
        return "malformed"
    if gateway is None or not assemblies.put(GatewayId(gateway), chunk):
        return "unexpected"
    return "taken"


def _drive(conn: Conn, assemblies: Assemblies, request: OpenRequest, now: datetime) -> bool:
    data = assemblies.whole(request.key)
    if data is not None:
        refused = verify_image(data, request.sha256)
        if refused is None:
            _store(conn, request.key, data, now)
        else:
            _refuse(conn, request.key, refused, now)
        return True
    match decide_step(request, assemblies.missing(request.key), now):
        case Wait():
            return False
        case Refuse() as refused:
            _refuse(conn, request.key, refused, now)
            return True
        case Ask(chunks):
            return _ask_gateway(conn, request, chunks, now)


def _ask_gateway(conn: Conn, request: OpenRequest, chunks: tuple[int, ...], now: datetime) -> bool:
    asked = commands.Asked(
        gateway_id=request.gateway_id,
        order=FetchImage(request.sha256, chunks),
        asked_by=request.asked_by,
    )
    try:
        number = commands.ask(conn, asked, now)
    except TooManyPendingError:
        return False  # Later: it has other commands to answer first.
    except RefusedError as error:
        refused = Refuse(reason=Refusal.NOT_SENT, detail=error.message)
        _refuse(conn, request.key, refused, now)
        return True
    store.save_asked(conn, request.key, number)
    return False


def _store(conn: Conn, key: ImageKey, data: bytes, now: datetime) -> None:
    for dropped in store.drop_oldest(conn, key[0], GATEWAY_BYTES_MAX - len(data)):
        refused = Refuse(reason=Refusal.DROPPED, detail="it made room for newer ones")
        store.save_refused(conn, dropped, refused, now)
    store.add_image(conn, key, data, now)
    IMAGES.labels("here").inc()
    log.info("image_here", gateway=key[0], sha256=key[1].hex(), bytes=len(data))


def _refuse(conn: Conn, key: ImageKey, refused: Refuse, now: datetime) -> None:
    store.save_refused(conn, key, refused, now)
    IMAGES.labels(refused.reason.value).inc()
    log.warning("image_refused", gateway=key[0], sha256=key[1].hex(), reason=refused.reason.value)
