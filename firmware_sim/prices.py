"""The site's price feed: posts quotes to a backend, as a market data vendor's client does.

A backend that is down, or that refuses, is tried again with the newest quote; nothing is queued,
because an old quote is worth nothing.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import structlog

from firmware_sim.clock import raise_if_cancelled
from firmware_sim.incidents import price_feed
from firmware_sim.plan import InstrumentPlan
from firmware_sim.plant import Plant

POST_TIMEOUT_S = 5.0
RETRY_S: Final = (0.5, 10.0)  # first and longest pause after a failure
TOKEN_BYTES_MAX = 4_096  # a bearer token is shorter; a longer file is the wrong file

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTarget:
    """Where quotes go; the token is read anew for each round, so that it may come later."""

    backend_url: str
    token_file: Path


class Quotes:
    """A small random walk for each instrument, times what incidents do to it."""

    def __init__(self, plans: tuple[InstrumentPlan, ...], rng: random.Random) -> None:
        """Start at each plan's value."""
        self._plans = {plan.name: plan for plan in plans}
        self._values = {plan.name: plan.value for plan in plans}
        self._rng = rng

    def step(self) -> None:
        """Let every price wander once."""
        for name, plan in self._plans.items():
            # Additive in the starting value, so that a zero or negative price keeps moving.
            self._values[name] += abs(plan.value) * self._rng.gauss(0.0, plan.step_share)

    def text(self, name: str, factor: float) -> str:
        """Return the quote of ``name`` times ``factor``, with the instrument's decimals."""
        return f"{self._values[name] * factor:.{self._plans[name].decimals}f}"


def quote_body(plan: InstrumentPlan, value: str, unix_us: int) -> dict[str, str]:
    """Return the JSON body of one posted quote."""
    at = datetime.fromtimestamp(unix_us / 1e6, tz=UTC)
    return {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "value": value,
        "currency": plan.currency,
        "unit": plan.unit,
        "source": "sim",
    }


class PriceFeed:
    """Posts all quotes each period, and at once when an incident moves one."""

    def __init__(
        self,
        target: FeedTarget,
        plans: tuple[InstrumentPlan, ...],
        period_s: float,
        plant: Plant,
        rng: random.Random,
    ) -> None:
        """Feed ``target`` with the quotes of ``plans``."""
        self._target = target
        self._plans = plans
        self._period_s = period_s
        self._plant = plant
        self._quotes = Quotes(plans, rng)
        self._posted: Mapping[str, float] = {}

    async def run(self) -> None:
        """Post until cancelled."""
        pause_s, away = RETRY_S[0], False
        async with httpx.AsyncClient(timeout=POST_TIMEOUT_S, trust_env=False) as client:
            while True:
                revision = self._plant.world.revision
                why = await self._post_all(client)
                raise_if_cancelled()
                if why is None:
                    if away:
                        _log.info("prices_back", url=self._target.backend_url)
                    pause_s, away = RETRY_S[0], False
                    await self._until_due(revision)
                    self._quotes.step()
                    continue
                if not away:
                    _log.warning("prices_refused", url=self._target.backend_url, why=why)
                away = True
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_S[1], pause_s * 2)

    async def _until_due(self, revision: int) -> None:
        try:
            async with asyncio.timeout(self._period_s):
                while self._plant.world.price_factors == self._posted:
                    revision = (await self._plant.changed_since(revision)).revision
        except TimeoutError:
            return

    async def _post_all(self, client: httpx.AsyncClient) -> str | None:
        """Post every quote; return None, or why one did not get through."""
        world = self._plant.world
        try:
            with self._target.token_file.open("rb") as file:
                token = file.read(TOKEN_BYTES_MAX).decode("ascii").strip()
            for plan in self._plans:
                value = self._quotes.text(plan.name, world.price_factors[plan.name])
                unix_us = self._plant.clock.unix_us()
                reply = await client.post(
                    f"{self._target.backend_url}/api/instruments/{plan.name}/prices",
                    json=quote_body(plan, value, unix_us),
                    headers={"Authorization": f"Bearer {token}"},
                )
                if not reply.is_success:
                    return f"{plan.name}: HTTP {reply.status_code}"
                self._plant.wrote(price_feed(plan.name), world, unix_us=unix_us)
        except (OSError, UnicodeDecodeError, httpx.HTTPError, httpx.InvalidURL) as exc:
            return f"{type(exc).__name__}: {exc}"
        self._posted = world.price_factors
        return None
