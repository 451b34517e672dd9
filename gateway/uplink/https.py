"""Envelopes by HTTPS, where a site lets nothing out but port 443.

One connection posts envelopes, another waits for receipts and commands. The answers are trusted
with nothing, as a broker is: a status or a word in them starts no deletion and no command, only
what is signed by the pinned key does. Two words of the server are heeded because they can only
slow the gateway down, which whoever is in between can do anyway: that a post was not taken, and
how long to wait then.
"""

import asyncio
import hashlib
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.errors import ConfigError, UnavailableError
from gateway.uplink.http_client import Answer, HttpConnection, Request
from gateway.uplink.line import Heard, Kind
from schemas.command import COMMAND_BYTES_MAX
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt
from schemas.uplink import CONTENT_TYPE, POLL_S_MAX, POST_MESSAGES_MAX, encode_post, fitting

POST_S_MAX: Final = 20.0  # A megabyte at 50 kB/s.
POLL_ANSWER_S_MAX: Final = POLL_S_MAX + 10.0
POLL_EVERY_S_MIN: Final = 0.1  # Receipts come no oftener: each names all before it.
POLL_EVERY_S_MAX: Final = 5.0  # An answer that tells nothing new at once is no reason to hurry.
RETRY_AFTER_S: Final = 1.0  # When the server says that it is full and not for how long.
RETRY_AFTER_S_MAX: Final = 30.0
QUEUED_MAX: Final = 64
# Hexadecimal in JSON: a receipt, and a command for each of a few.
ANSWER_BYTES_MAX: Final = 2 * (RECEIPT_BYTES_MAX + 2 * COMMAND_BYTES_MAX) + 1_024
OK: Final = 200
TOO_MANY: Final = 429
DETAIL_CHARACTERS_MAX: Final = 200


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend's side answers: signed messages, and nothing else that counts."""

    receipt: str | None = None
    commands: list[str] = msgspec.field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Whom the gateway believes to be the server, and its own certificate if it has one."""

    ca_certs: str | None
    certfile: str | None
    keyfile: str | None

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies the server.

        Raises:
            ConfigError: A file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:
            files = f"{self.ca_certs}, {self.certfile}, {self.keyfile}"
            raise ConfigError("uplink.ca_file", files, f"PEM files: {error}") from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsSite:
    """How to reach the backend; without ``tls`` in the clear."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: TlsFiles | None

    @asynccontextmanager
    async def open(self, gateway: str, window: int) -> AsyncGenerator["HttpsLine"]:
        """Ask for the newest receipt, which shows that the way is there; then wait for news.

        ``window`` is the session's own affair: one post is on its way at a time.

        Raises:
            UnavailableError: There is no way, or the backend does not let this gateway in.
        """
        del window
        tls = None if self.tls is None else await asyncio.to_thread(self._context, self.tls)
        line = HttpsLine(self, gateway, tls)
        try:
            await line.ask()
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(line.listen())
                yield line
                waiting.cancel()
        finally:
            line.close()

    @staticmethod
    def _context(files: TlsFiles) -> ssl.SSLContext:
        try:
            return files.context()
        except ConfigError as error:  # Renewed just now, or gone: the daemon goes on journalling.
            raise UnavailableError(str(error)) from error


class HttpsLine:
    """Two kept connections to the backend."""

    def __init__(self, site: HttpsSite, gateway: str, tls: ssl.SSLContext | None) -> None:
        self.batch_max = POST_MESSAGES_MAX
        self.sends_max = 1  # In order: two posts at once could overtake each other.
        self._up = HttpConnection(site.host, site.port, tls, body_bytes_max=ANSWER_BYTES_MAX)
        self._down = HttpConnection(site.host, site.port, tls, body_bytes_max=ANSWER_BYTES_MAX)
        self._path = f"/api/uplink/{gateway}"
        self._fields = {"Accept": "application/json"}
        if site.username is not None:
            login = f"{site.username}:{site.password or ''}".encode()
            self._fields["Authorization"] = f"Basic {b64encode(login).decode()}"  # RFC 7617
        self._queue: asyncio.Queue[Heard | UnavailableError] = asyncio.Queue(QUEUED_MAX)
        self._after = 0  # When the newest genuine receipt was issued.
        self._receipt = b""
        self._command = b""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Post envelopes; returns when the backend has taken them in, which commits nothing.

        Raises:
            UnavailableError: The way is lost, or the backend refuses them.
        """
        left = list(messages)
        while left:
            count = max(fitting([len(message) for message in left]), 1)
            await self._post(left[:count])
            left = left[count:]

    async def heard(self) -> AsyncGenerator[Heard]:
        """Yield receipts and commands as answers bring them.

        Raises:
            UnavailableError: The way is lost.
        """
        while True:
            heard = await self._queue.get()
            if isinstance(heard, UnavailableError):
                raise heard
            yield heard

    async def ask(self) -> None:
        """Ask for the newest receipt, even if it has come already.

        Raises:
            UnavailableError: The way is lost, or this gateway is not let in.
        """
        self._receipt = b""
        await self._post([])

    def heed(self, receipt: Receipt) -> None:
        """Ask for what is newer than ``receipt`` from now on."""
        self._after = receipt.issued_unix_us

    async def publish(self, topic: str, message: bytes) -> None:
        """Refuse what is no envelope: the backend takes it from the broker only.

        Raises:
            UnavailableError: Each time.
        """
        raise UnavailableError(f"uplink: {topic} has no way over HTTPS ({len(message)} bytes)")

    async def listen(self) -> None:
        """Wait for news until the way is lost; who hears it is told so.

        It must not fail itself: its group would cancel the session, which could not tell that
        from being asked to end, and would never come back.
        """
        try:
            await self.wait_for_news()
        except UnavailableError as error:
            await self._queue.put(error)

    async def wait_for_news(self) -> None:
        """Ask again and again for what is newer than what has come, for ever.

        Raises:
            UnavailableError: The way is lost.
        """
        loop = asyncio.get_running_loop()
        pause_s = POLL_EVERY_S_MIN
        while True:
            began_s = loop.time()
            seen = hashlib.sha256(self._command).hexdigest() if self._command else ""
            target = f"{self._path}/receipt?after={self._after}&seen={seen}"
            news = await self._take(
                await self._ask(self._down, "GET", target, b"", POLL_ANSWER_S_MAX), polled=True
            )
            waited = loop.time() - began_s >= POLL_EVERY_S_MAX
            pause_s = POLL_EVERY_S_MIN if news or waited else min(2 * pause_s, POLL_EVERY_S_MAX)
            await asyncio.sleep(max(began_s + pause_s - loop.time(), 0.0))

    def close(self) -> None:
        """End both connections."""
        self._up.close()
        self._down.close()

    async def _post(self, messages: Sequence[bytes]) -> None:
        body = encode_post(messages)
        target = f"{self._path}/envelopes"
        while True:
            answer = await self._ask(self._up, "POST", target, body, POST_S_MAX)
            if answer.head.status != TOO_MANY:
                break
            await asyncio.sleep(_retry_after_s(answer))
        await self._take(answer, polled=False)

    async def _ask(
        self,
        connection: HttpConnection,
        method: str,
        target: str,
        body: bytes,
        answer_s_max: float,
    ) -> Answer:
        fields = (
            {**self._fields, "Content-Type": CONTENT_TYPE} if method == "POST" else self._fields
        )
        answer = await connection.ask(
            Request(
                method=method,
                target=target,
                fields=fields,
                body=body,
                answer_s_max=answer_s_max,
            )
        )
        if answer.head.status not in (OK, TOO_MANY):
            said = answer.body[:DETAIL_CHARACTERS_MAX].decode("utf-8", "replace")
            raise UnavailableError(f"the backend's side answered {answer.head.status}: {said}")
        return answer

    async def _take(self, answer: Answer, *, polled: bool) -> bool:
        """Let what an answer holds be heard; tell whether there was anything new.

        The same bytes again are no news: the backend signs a receipt anew when it repeats it. A
        command that a poll repeats is told again, in case it was lost on this side.
        """
        if answer.head.status == TOO_MANY:
            await asyncio.sleep(_retry_after_s(answer))
            return False
        try:
            said = msgspec.json.decode(answer.body, type=Said)
            receipt = bytes.fromhex(said.receipt or "")
            commands = [bytes.fromhex(each) for each in said.commands]
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnavailableError(f"the backend's side answered nonsense: {error}") from error
        news = False
        if receipt and receipt != self._receipt:
            self._receipt = receipt
            await self._queue.put(Heard(Kind.RECEIPT, receipt))
            news = True
        for command in commands:
            if polled or command != self._command:
                news = news or command != self._command
                self._command = command
                await self._queue.put(Heard(Kind.COMMAND, command))
        return news


def _retry_after_s(answer: Answer) -> float:
    said = answer.head.fields.get("retry-after", "")
    if said.isascii() and said.isdigit() and len(said) < 6:
        return min(max(float(said), POLL_EVERY_S_MIN), RETRY_AFTER_S_MAX)
    return RETRY_AFTER_S
