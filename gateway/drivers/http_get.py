"""One GET over HTTP or HTTPS, within a time and a size: for devices that speak nothing else."""

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.decode.http_answer import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    Head,
    HttpFaultError,
    Login,
    authorize,
    decode_chunk_size,
    decode_head,
    encode_request,
)
from gateway.errors import DeviceError

PORTS: Final = {"http": 80, "https": 443}
OK: Final = 200
UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is fetched, by whom, and how much of it at most."""

    url: str
    login: Login | None
    tls: ssl.SSLContext | None
    timeout_s: float
    bytes_max: int


async def http_get(target: Target) -> bytes:
    """Return the body of the answer; a server that asks for a login gets it once.

    Raises:
        DeviceError: No answer in time, another status than 200, or more bytes than allowed.
    """
    try:
        async with asyncio.timeout(target.timeout_s):
            head, body = await _ask(target, None)
            if head.status == UNAUTHORIZED and target.login is not None:
                path = _path(target)
                proof = authorize(target.login, head.challenges, path, secrets.token_hex(8))
                if proof is None:
                    raise DeviceError(
                        f"{target.url}: status 401: it asks for a login of no known kind"
                    )
                head, body = await _ask(target, proof)
    except TimeoutError as error:
        why = f"no whole answer within {target.timeout_s:g} s"
        raise DeviceError(f"{target.url}: {why}") from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise DeviceError(f"{target.url}: {_said(error)}") from error
    except HttpFaultError as error:
        raise DeviceError(f"{target.url}: {error}") from error
    if head.status == UNAUTHORIZED:
        why = "it wants a username and password" if target.login is None else "login refused"
        raise DeviceError(f"{target.url}: status 401: {why}")
    if head.status != OK:
        raise DeviceError(f"{target.url}: status {head.status}, must be 200")
    return body


async def _ask(target: Target, authorization: str | None) -> tuple[Head, bytes]:
    address = urlsplit(target.url)
    port = address.port or PORTS[address.scheme]
    reader, writer = await asyncio.open_connection(
        address.hostname, port, ssl=target.tls, limit=HEAD_BYTES_MAX
    )
    try:
        writer.write(encode_request(address.netloc, _path(target), authorization))
        await writer.drain()
        head = decode_head(await reader.readuntil(b"\r\n\r\n"))
        body = await _read_body(reader, head, target.bytes_max) if head.status == OK else b""
    finally:
        writer.transport.abort()  # A farewell of a camera's TLS is worth no waiting.
    return head, body


async def _read_body(reader: asyncio.StreamReader, head: Head, bytes_max: int) -> bytes:
    length = head.length
    if length is not None:
        _check_size(length, bytes_max)
        return await reader.readexactly(length)
    body = bytearray()
    if head.is_chunked:
        while size := await _chunk_size(reader):
            _check_size(len(body) + size, bytes_max)
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        return bytes(body)
    while data := await reader.read(HEAD_BYTES_MAX):
        body += data
        _check_size(len(body), bytes_max)
    return bytes(body)


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    line = await reader.readuntil(b"\r\n")
    if len(line) > CHUNK_LINE_BYTES_MAX:
        raise HttpFaultError(f"a chunk's line has {len(line)} bytes")
    return decode_chunk_size(line)


def _check_size(size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise HttpFaultError(f"the answer has {size} bytes or more, at most {bytes_max}")


def _path(target: Target) -> str:
    address = urlsplit(target.url)
    path = address.path or "/"
    return f"{path}?{address.query}" if address.query else path


def _said(error: Exception) -> str:
    match error:
        case asyncio.IncompleteReadError():
            return f"the answer ends after {len(error.partial)} bytes, in the middle"
        case asyncio.LimitOverrunError():
            return f"a line or head of more than {HEAD_BYTES_MAX} bytes"
        case _:
            return str(error) or type(error).__name__
