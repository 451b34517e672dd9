"""Routes for gateways where only port 443 is open: envelopes up, receipts and commands down.

Deliberately absent: any word of ours that a gateway would have to believe. What it is to believe
is signed by the worker; an answer here only carries it.
"""

import asyncio
import hmac
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from hashlib import sha256
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel

from backend.clock import Clock
from backend.db import Database
from backend.deps import Db, get_broker_secret, get_clock
from backend.errors import UnavailableError
from backend.ids import GatewayId
from backend.plant.broker_credentials import broker_password
from backend.uplink import service, store
from backend.uplink.errors import InboxFullError
from backend.uplink.rules import AT_ONCE_MAX, RETRY_AFTER_S, Guest, new_guest
from backend.uplink.types import Held
from schemas.errors import MalformedError
from schemas.uplink import CONTENT_TYPE, POLL_S_MAX, decode_post

POLLS_MAX: Final = 4_096  # Of a process; each holds a socket, and little else.
LOOK_EVERY_S: Final = 1.0  # Without notifications, while the database comes back.
RETRY_S: Final = 1.0
_login = HTTPBasic(scheme_name="gateway", auto_error=False, realm="uplink")
_log = structlog.get_logger()


class HeldView(BaseModel):
    """Signed messages for the gateway, in hexadecimal; null and none while there is no news."""

    receipt: str | None
    commands: list[str]


class Door:
    """Who is inside, and who waits for what: of one process."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._guests: dict[GatewayId, Guest] = {}
        self._waiting: dict[GatewayId, set[asyncio.Event]] = {}
        self._polls = 0
        self._listening = False

    @contextmanager
    def entered(self, gateway: GatewayId, *, posting: bool) -> Generator[Guest]:
        """Let a gateway in whose login was checked, unless it comes too often.

        Raises:
            InboxFullError: It does.
        """
        now_s = self._clock.monotonic_s()
        guest = self._guests.setdefault(gateway, new_guest(now_s))
        if guest.at_once >= AT_ONCE_MAX or (posting and not guest.posts.take(now_s)):
            raise InboxFullError(gateway, RETRY_AFTER_S)
        guest.at_once += 1
        try:
            yield guest
        finally:
            guest.at_once -= 1

    def may_keep(self, guest: Guest) -> bool:
        """Tell whether one more refused message may be kept as evidence."""
        return guest.evidence.take(self._clock.monotonic_s())

    @contextmanager
    def waiting(self, gateway: GatewayId) -> Generator[asyncio.Event]:
        """Have an event set with each news for a gateway.

        Raises:
            UnavailableError: Too many wait.
        """
        if self._polls >= POLLS_MAX:
            raise UnavailableError("busy", f"more than {POLLS_MAX} gateways wait here")
        news = asyncio.Event()
        self._waiting.setdefault(gateway, set()).add(news)
        self._polls += 1
        try:
            yield news
        finally:
            self._polls -= 1
            self._waiting[gateway].discard(news)
            if not self._waiting[gateway]:
                del self._waiting[gateway]

    async def wait(self, news: asyncio.Event, left_s: float) -> None:
        """Wait for news, and no longer than ``left_s``."""
        wait_s = left_s if self._listening else min(left_s, LOOK_EVERY_S)
        try:
            async with asyncio.timeout(wait_s):
                await news.wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Listen for news until cancelled; again after a loss."""
        while True:
            try:
                async with aclosing(store.listen(self._url, store.OUTBOX_CHANNEL)) as heard:
                    async for name in heard:
                        self._listening = True
                        self._tell(None if name is None else GatewayId(name))
            except UnavailableError as error:
                if self._listening:
                    _log.warning("uplink_news_lost", why=error.message)
            self._listening = False
            await asyncio.sleep(RETRY_S)

    def _tell(self, gateway: GatewayId | None) -> None:
        """Wake whoever waits for a gateway's news; None: everybody, for some may be missed."""
        names = list(self._waiting) if gateway is None else [gateway]
        for name in names:
            for news in self._waiting.get(name, ()):
                news.set()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Keep the door while the application is served."""
    app.state.door = Door(app.state.db.url, app.state.clock)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(app.state.door.run())
        yield
        listening.cancel()


router = APIRouter(prefix="/api/uplink", tags=["uplink"], lifespan=_lifespan)


def gateway_at_door(
    gateway_id: str,
    login: Annotated[HTTPBasicCredentials | None, Depends(_login)],
    broker_secret: Annotated[str, Depends(get_broker_secret)],
) -> GatewayId:
    """Return the gateway that comes, by its broker login: two digests, no database.

    Raises:
        HTTPException: 401, unless the login is that of the gateway in the path.
    """
    expected = broker_password(broker_secret, gateway_id)
    if (
        login is None
        or not hmac.compare_digest(login.username.encode(), gateway_id.encode())
        or not hmac.compare_digest(login.password.encode(), expected.encode())
    ):
        challenge = {"WWW-Authenticate": 'Basic realm="uplink"'}  # RFC 9110, 15.5.2
        raise HTTPException(401, "not the login of this gateway", challenge)
    return GatewayId(gateway_id)


def get_door(request: Request) -> Door:
    """Return the application's door."""
    door = request.app.state.door
    assert isinstance(door, Door)
    return door


AtDoor = Annotated[GatewayId, Depends(gateway_at_door)]
TheDoor = Annotated[Door, Depends(get_door)]
TheClock = Annotated[Clock, Depends(get_clock)]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    429: {"description": "Too much waits or comes at once: again after Retry-After"}
}


@router.post("/{gateway_id}/envelopes", openapi_extra=_BODY, responses=_RESPONSES)
async def post_envelopes(
    gateway_id: AtDoor, request: Request, db: Db, clock: TheClock, door: TheDoor
) -> HeldView:
    """Let envelopes wait for the worker; return the newest signed receipt and command.

    The body is a CBOR array of at most 16 signed messages, as they would be published by MQTT;
    without any it only asks for the receipt. That they wait means nothing: a gateway keeps an
    envelope until a signed receipt names it.
    """
    with door.entered(gateway_id, posting=True) as guest:
        try:
            messages = decode_post(await request.body())
        except MalformedError as error:
            raise HTTPException(400, str(error)) from error
        post = service.Post(
            gateway=gateway_id, messages=messages, keep_evidence=lambda: door.may_keep(guest)
        )
        return _view(await run_in_threadpool(service.take_post, db, post, clock.now()))


@router.get("/{gateway_id}/receipt", responses=_RESPONSES)
async def wait_for_receipt(
    gateway_id: AtDoor,
    db: Db,
    clock: TheClock,
    door: TheDoor,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    seen: Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$")] = "",
) -> HeldView:
    """Return what is held, as soon as there is what the gateway does not know; at most in 25 s.

    ``after`` is the time in microseconds at which the newest receipt that it knows was issued,
    ``seen`` the SHA-256 of the newest command.
    """
    with door.entered(gateway_id, posting=False), door.waiting(gateway_id) as news:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + POLL_S_MAX
        while True:
            news.clear()
            held = await run_in_threadpool(_look, db, gateway_id, clock)
            left_s = end_s - loop.time()
            if _is_news(held, after, seen) or left_s <= 0:
                return _view(held)
            await door.wait(news, left_s)


def _look(db: Database, gateway: GatewayId, clock: Clock) -> Held:
    with db.at_door(gateway) as conn:
        return service.look(conn, gateway, clock.now())


def _is_news(held: Held, after: int, seen: str) -> bool:
    """Tell whether a gateway does not know what is held; not "newer": our clock may step back."""
    if held.receipt is not None and held.issued_unix_us != after:
        return True
    return held.command is not None and sha256(held.command).hexdigest() != seen


def _view(held: Held) -> HeldView:
    return HeldView(
        receipt=None if held.receipt is None else held.receipt.hex(),
        commands=[] if held.command is None else [held.command.hex()],
    )
