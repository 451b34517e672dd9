"""One HTTP/1.1 connection that is kept: request, answer, the next; each bounded, in its time.

Deliberately absent: redirects (the address is configured, and a proxy must not move it), cookies,
compression, pipelining.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.decode.http_answer import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    Head,
    HttpFaultError,
    decode_chunk_size,
    decode_head,
)
from gateway.errors import UnavailableError

CONNECT_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked; ``answer_s_max`` is for the whole of it."""

    method: str
    target: str
    fields: Mapping[str, str]
    body: bytes
    answer_s_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    head: Head
    body: bytes


class HttpConnection:
    """A connection to one server, made when it is needed; one request at a time."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, *, body_bytes_max: int
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._body_bytes_max = body_bytes_max
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, request: Request) -> Answer:
        """Return the answer to ``request``, which may reach the server twice.

        A kept connection may have been closed by the server just now; then a new one is made. So
        only what does no harm when it comes again may be asked.

        Raises:
            UnavailableError: No connection, no whole answer in time, or one that is none.
        """
        async with self._turn:
            try:
                return await self._ask(request)
            except TimeoutError as error:
                why = f"no whole answer within {request.answer_s_max:g} s"
                raise UnavailableError(f"{self._host}: {why}") from error
            except asyncio.LimitOverrunError as error:
                why = f"a line or head of more than {HEAD_BYTES_MAX} bytes"
                raise UnavailableError(f"{self._host}: {why}") from error
            except (OSError, EOFError) as error:
                why = getattr(error, "verify_message", "") or str(error) or type(error).__name__
                raise UnavailableError(f"{self._host}: {why}") from error
            except HttpFaultError as error:
                raise UnavailableError(f"{self._host}: {error}") from error

    def close(self) -> None:
        """End the connection; nobody waits for a farewell."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _ask(self, request: Request) -> Answer:
        kept = self._streams is not None and not self._streams[0].at_eof()
        try:
            return await self._exchange(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            if not kept:
                raise
        return await self._exchange(request)

    async def _exchange(self, request: Request) -> Answer:
        whole = False
        try:
            reader, writer = await self._connected()
            async with asyncio.timeout(request.answer_s_max):
                writer.write(self._encode(request))
                await writer.drain()
                head = decode_head(await reader.readuntil(b"\r\n\r\n"))
                body = await self._read_body(reader, head)
            whole = True
        finally:
            if not whole:
                self.close()
        if head.fields.get("connection", "").lower() == "close" or head.length is None:
            self.close()
        return Answer(head=head, body=body)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            async with asyncio.timeout(CONNECT_S_MAX):
                self._streams = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, limit=HEAD_BYTES_MAX
                )
        return self._streams

    def _encode(self, request: Request) -> bytes:
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            f"Host: {host}:{self._port}",
            "Accept-Encoding: identity",
            "User-Agent: pledgewatch-gateway",
            f"Content-Length: {len(request.body)}",
            *(f"{name}: {value}" for name, value in request.fields.items()),
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + request.body

    async def _read_body(self, reader: asyncio.StreamReader, head: Head) -> bytes:
        length = head.length
        if length is not None:
            self._check_size(length)
            return await reader.readexactly(length)
        if not head.is_chunked:
            raise HttpFaultError("the answer does not say how long it is")
        body = bytearray()
        while size := await _chunk_size(reader):
            self._check_size(len(body) + size)
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._body_bytes_max:
            bound = f"at most {self._body_bytes_max}"
            raise HttpFaultError(f"the answer has {size} bytes or more, {bound}")


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    line = await reader.readuntil(b"\r\n")
    if len(line) > CHUNK_LINE_BYTES_MAX:
        raise HttpFaultError(f"a chunk's line has {len(line)} bytes")
    return decode_chunk_size(line)
