"""A message by HTTP, signed; to no address that the party has no business with.

The name is resolved once, every address is judged, and the connection goes to the one that was
judged: a name that changes its mind between the two leads nowhere (DNS rebinding).
"""

import asyncio
import contextlib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from backend.clock import Clock
from backend.errors import ConfigurationError, InvalidError
from backend.notifications.rules.attempts import generations
from backend.notifications.rules.signatures import headers_of
from backend.notifications.rules.targets import check_url, choose_addresses
from backend.notifications.types import Claimed, Failed, Outcome, Reach, Sent, Target

CONNECT_S_MAX: Final = 5.0
READ_S_MAX: Final = 15.0  # Standard Webhooks 1.0.0, "Request timeouts": 15 to 30 s.
TOTAL_S_MAX: Final = 20.0  # A receiver that dribbles is as good as one that is silent.
RESOLVERS: Final = 16  # Threads; a dead name server holds its own askers only.
GONE: Final = 410  # Standard Webhooks: the receiver wants no more.
THROTTLED: Final = frozenset({429, 503})
ACCEPTED: Final = range(200, 300)


class WebhookSender:
    """Sends webhooks; made once, used by many tasks."""

    def __init__(
        self, master: bytes, reach: Reach, clock: Clock, *, ca_file: Path | None = None
    ) -> None:
        """Raises ConfigurationError when ``ca_file`` holds no certificates."""
        self._master = master
        self._reach = reach
        self._clock = clock
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ConfigurationError(f"{ca_file} holds no certificates: {error}") from error

    async def send(self, claimed: Claimed) -> Outcome:
        """Return how one attempt ended; it raises nothing that a receiver can cause."""
        subscription = claimed.subscription
        try:
            target = check_url(subscription.target, self._reach)
        except InvalidError as error:
            return Failed(result=error.message)
        try:
            async with asyncio.timeout(TOTAL_S_MAX):
                addresses = choose_addresses(await self._resolve(target), self._reach)
                for address in addresses[:-1]:
                    with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                        return await self._post(target, address, claimed)
                if addresses:
                    return await self._post(target, addresses[-1], claimed)
                return Failed(result=f"{target.host} has an address that may not be called")
        except TimeoutError:
            return Failed(result=f"no answer within {TOTAL_S_MAX:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return Failed(result=f"{type(error).__name__}: {error}"[:300])

    async def _resolve(self, target: Target) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolvers,
            lambda: socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM),
        )
        return [str(each[4][0]) for each in found]

    async def _post(self, target: Target, address: str, claimed: Claimed) -> Outcome:
        subscription, now = claimed.subscription, self._clock.now()
        body = claimed.message.body.encode()
        signing = generations(subscription.secret_generation, subscription.rotated_at, now)
        proof = headers_of(
            self._master,
            subscription.id,
            signing,
            (str(claimed.message.id), self._clock.unix_us() // 1_000_000, body),
        )
        host = f"[{address}]" if ":" in address else address
        name = f"[{target.host}]" if ":" in target.host else target.host
        # A pool would keep a connection by its address, whatever name was proved on it: none kept.
        async with (
            httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(READ_S_MAX, connect=CONNECT_S_MAX),
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as client,
            client.stream(
                "POST",
                f"{target.scheme}://{host}:{target.port}{target.path}",
                content=body,
                headers={
                    **proof,
                    "Host": f"{name}:{target.port}",
                    "Content-Type": "application/json",
                    "User-Agent": "pledgewatch",
                },
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return _judge(response)  # Its body is nobody's to read: it may be an inner page's.


def _judge(response: httpx.Response) -> Outcome:
    status = response.status_code
    if status in ACCEPTED:
        return Sent(result=f"HTTP {status}")
    wait = response.headers.get("retry-after", "")
    asked_s = float(wait) if status in THROTTLED and wait.isdecimal() and len(wait) < 10 else 0.0
    return Failed(result=f"HTTP {status}", gone=status == GONE, wait_s=asked_s)
