"""When the broker's certificate is renewed, and what became of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import structlog

from gateway.clock import SystemClock
from gateway.control.status import CertificateStatus, Renewed
from gateway.errors import GatewayError, StateError
from gateway.signing import Signer
from gateway.uplink.enrolment import load_enrolment

if TYPE_CHECKING:
    from gateway.uplink.certificate import Validity

CHECK_S_MAX: Final = 60.0  # The wall clock may step: what is due is looked at again.
RETRY_S_MIN: Final = 2.0
RETRY_S_MAX: Final = 3_600.0  # A third of the life is left: tens of hours of tries, at least.
SPREAD: Final = 0.02  # Of the life: gateways that were enrolled together do not come together.

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalParts:
    """What a renewal needs of the running gateway.

    ``in_use`` returns the digest of the certificate that the uplink goes by, None when it goes by
    none of ours; ``reopen`` has the uplink opened anew with what is kept now.
    """

    gateway: str
    state_dir: Path
    signer: Signer
    clock: SystemClock
    random: Random
    in_use: Callable[[], bytes | None]
    reopen: Callable[[], Awaitable[None]]


class Renewal:
    """Renews the certificate at two thirds of its life, and again until that succeeds."""

    def __init__(self, parts: RenewalParts) -> None:
        self._parts = parts
        self._loaded: bytes | None = None  # The digest of the one that ``_validity`` is of.
        self._validity: Validity | None = None
        self._spread = parts.random.random()
        self._busy = asyncio.Lock()
        self._failures = 0
        self._error = ""
        self._retry_s = 0.0  # Not before, on the clock that only grows.

    async def run(self) -> None:
        """Look after the certificate, for ever."""
        while True:
            wait_s = CHECK_S_MAX
            try:
                wait_s = await self._wait_s()
                if wait_s <= 0:
                    await self.renew()
                    continue
            except GatewayError as error:
                wait_s = self._fail(error)
            await asyncio.sleep(min(wait_s, CHECK_S_MAX))

    async def renew(self) -> Renewed:
        """Get the next certificate now, and go by it.

        Raises:
            GatewayError: There is none to renew, or there is no next one now.
        """
        async with self._busy:
            if self._parts.in_use() is None:
                raise StateError("certificate: the uplink uses none that was enrolled")
            validity = await asyncio.to_thread(
                renew_kept, self._parts.state_dir, self._parts.gateway, self._parts.signer
            )
            self._failures, self._error, self._retry_s = 0, "", 0.0
            _log.info("certificate_renewed", ends=validity.ends.isoformat())
            await self._parts.reopen()
            return Renewed(ends_unix_s=int(validity.ends.timestamp()))

    def status(self) -> CertificateStatus | None:
        """Return how the certificate stands; None: the uplink uses none that was enrolled."""
        validity = self._validity
        if validity is None or self._parts.in_use() is None:
            return None
        now = self._now()
        return CertificateStatus(
            age_s=(now - validity.begins).total_seconds(),
            ends_in_s=(validity.ends - now).total_seconds(),
            failures=self._failures,
            error=self._error,
        )

    async def _wait_s(self) -> float:
        """Return how long nothing is to do; 0 or less: a renewal is due."""
        in_use = self._parts.in_use()
        if in_use != self._loaded:
            self._validity = (
                None if in_use is None else await asyncio.to_thread(_load, self._parts.state_dir)
            )
            self._loaded = in_use
        if self._validity is None:
            return CHECK_S_MAX
        due = self._validity.renewal + self._validity.life * SPREAD * self._spread
        due_s = (due - self._now()).total_seconds()
        return max(due_s, self._retry_s - self._parts.clock.monotonic_s())

    def _fail(self, error: GatewayError) -> float:
        """Note a failure; return after how long to try again, full of jitter as the uplink's."""
        self._failures += 1
        ceiling_s = min(RETRY_S_MIN * 2 ** min(self._failures, 16), RETRY_S_MAX)
        wait_s = self._parts.random.uniform(ceiling_s / 2, ceiling_s)
        self._retry_s = self._parts.clock.monotonic_s() + wait_s
        self._error = str(error)
        if self._failures.bit_count() == 1:  # The 1st, 2nd, 4th ...
            _log.warning("certificate_not_renewed", why=self._error, failures=self._failures)
        return wait_s

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._parts.clock.unix_us() / 1_000_000, UTC)


def renew_kept(state_dir: Path, gateway: str, signer: Signer) -> "Validity":
    """Renew the certificate in the state folder, by the backend that enrolled this gateway.

    Raises:
        GatewayError: It never enrolled there, or there is no next certificate now.
    """
    # Here: a gateway without a certificate does not need a megabyte of X.509.
    from gateway.uplink.certificate import renew_certificate

    enrolment = load_enrolment(state_dir, gateway)
    if enrolment is None or enrolment.backend_url is None:
        raise StateError("enrolment: the backend's address is not known; enrol by a new code")
    return renew_certificate(state_dir, enrolment.backend_url, gateway, signer)


def _load(state_dir: Path) -> "Validity | None":
    from gateway.uplink.certificate import load_validity

    return load_validity(state_dir)
