"""The HTTPS way, at a server that dies between a question and its answer."""

import asyncio

import pytest

from gateway.errors import UnavailableError
from gateway.uplink.https import HttpsSite
from tests.stream_server import listening

SAID = b'{"receipt": null, "commands": []}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SAID), SAID)


async def answer_posts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is posted; hang up on whoever waits for news."""
    while (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
        writer.write(ANSWER)


async def test_lost_wait_for_news_is_an_error_of_the_session_not_its_end() -> None:
    """Who hears the line is told; it is not cancelled, which would end the uplink for ever."""
    async with listening(answer_posts) as port, asyncio.timeout(10.0):
        site = HttpsSite(host="127.0.0.1", port=port, username=None, password=None, tls=None)
        async with site.open("gw-test", 1) as line:
            with pytest.raises(UnavailableError):
                await anext(line.heard())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
