"""A TCP server for a test, of which no connection is left when the test ends."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from firmware_sim.devices.listener import Listener, Serve

CONNECTIONS_MAX: Final = 1_000  # A driver that comes back at once, for a second.


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Run ``serve`` for each connection meanwhile; give the port."""
    listener = Listener(serve, CONNECTIONS_MAX, tls=tls)
    port = await listener.open()
    try:
        yield port
    finally:
        await listener.close()
