"""The way to the backend, step by step: the first that fails is the one to repair."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiomqtt
from cryptography import x509

from gateway.cli.doctor.finding import Finding, Verdict, ok, problem, warning
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.errors import GatewayError, UnavailableError
from gateway.uplink.https import HttpsSite
from gateway.uplink.mqtt import Broker
from gateway.uplink.target import resolve_uplink

STEP_S_MAX: Final = 5.0
Way = Broker | HttpsSite
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
EXPIRES_SOON: Final = timedelta(days=21)


def check_uplink(config: Config, clock: SystemClock, *, connected: bool) -> Iterator[Finding]:
    """Yield how far the way to the backend goes; ``connected``: the daemon is logged in already.

    The name and the certificates are looked at in any case; a second login is not made then.
    """
    try:
        way = resolve_uplink(config).transport
    except GatewayError as error:
        yield problem("enrolment", str(error), "ask for a code in the console; `enrol URL CODE`")
        return
    yield ok("enrolment", f"{_name(way)} {way.host}:{way.port}, backend's key pinned")
    now = datetime.fromtimestamp(clock.unix_us() / 1_000_000, UTC)
    yield from _check_files(way, now)
    if connected:
        yield ok(_name(way), "the daemon is logged in")
        return
    for step in (_resolve, _connect, _shake_hands):
        finding = step(way)
        if finding is not None:
            yield finding
            if finding.verdict is Verdict.PROBLEM:
                return
    yield _log_in(way, config.gateway.id)


def _name(way: Way) -> str:
    return "broker" if isinstance(way, Broker) else "backend"


def _resolve(broker: Way) -> Finding:
    # getaddrinfo has no time-out of its own: a thread that hangs is left behind.
    pool = ThreadPoolExecutor(1)
    try:
        found = pool.submit(socket.getaddrinfo, broker.host, broker.port).result(STEP_S_MAX)
    except TimeoutError:
        what = f"{broker.host}: no answer within {STEP_S_MAX:g} s"
        return problem("name", what, "look at the network and its DNS server: resolvectl status")
    except OSError as error:
        remedy = "look at the address, the network and its DNS server"
        return problem("name", f"{broker.host}: {error.strerror or error}", remedy)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return ok("name", f"{broker.host} is {found[0][4][0]}")


def _connect(broker: Way) -> Finding:
    where = f"{broker.host}:{broker.port}"
    try:
        socket.create_connection((broker.host, broker.port), STEP_S_MAX).close()
    except OSError as error:
        remedy = f"look at the firewall: outgoing TCP to port {broker.port} is needed"
        return problem("connection", f"{where}: {error.strerror or error}", remedy)
    return ok("connection", where)


def _shake_hands(broker: Way) -> Finding | None:
    if broker.tls is None:
        if broker.host in _LOCAL:
            return None
        what = "the login travels in the clear; what is signed stays safe"
        return warning("tls", what, "use mqtts:// or https:// where it is offered")
    try:
        context = ssl.create_default_context(cafile=broker.tls.ca_certs)
        if broker.tls.certfile is not None:
            context.load_cert_chain(broker.tls.certfile, broker.tls.keyfile)
        with (
            socket.create_connection((broker.host, broker.port), STEP_S_MAX) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as line,
        ):
            return ok("tls", f"{line.version()}, certificate of {broker.host} is good")
    except ssl.SSLCertVerificationError as error:
        remedy = "set uplink.ca_file to the certificate of whoever signed it; look at the clock"
        return problem("tls", error.verify_message, remedy)
    except OSError as error:
        remedy = "look at uplink.cert_file and key_file, and at the broker's log"
        return problem("tls", str(error), remedy)


def _log_in(way: Way, gateway: str) -> Finding:
    who = way.username or "nobody"
    try:
        asyncio.run(_open_session(way, gateway))
    except (aiomqtt.MqttError, UnavailableError, OSError, TimeoutError) as error:
        remedy = "enrol again with a new code, or correct uplink.username and password"
        return problem("login", f"{who}: {error}", remedy)
    return ok("login", f"the {_name(way)} takes {way.username or 'everybody'}")


async def _open_session(broker: Way, gateway: str) -> None:
    if isinstance(broker, HttpsSite):
        async with asyncio.timeout(STEP_S_MAX), broker.open(gateway, 1):
            return
    # A name of its own: the daemon's would end the daemon's session.
    async with (
        asyncio.timeout(STEP_S_MAX),
        aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=f"pw-doctor-{broker.username or 'gateway'}",
            username=broker.username,
            password=broker.password,
            tls_params=broker.tls,
            timeout=STEP_S_MAX,
        ),
    ):
        return


def _check_files(broker: Way, now: datetime) -> Iterator[Finding]:
    if broker.tls is None:
        return
    for name in (broker.tls.ca_certs, broker.tls.certfile):
        if name is not None:
            yield check_certificate(Path(name), now)


def check_certificate(path: Path, now: datetime) -> Finding:
    """Return whether the certificates in ``path`` hold, and for how long."""
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return problem("certificate", f"{path}: {error.strerror}", "put the file there")
    except ValueError:
        return problem("certificate", f"{path} holds none", "put a PEM file there")
    ends = min(c.not_valid_after_utc for c in certificates)
    begins = max(c.not_valid_before_utc for c in certificates)
    if now < begins:
        what = f"{path} holds from {begins:%Y-%m-%d} on"
        return problem("certificate", what, "set the clock")
    if now >= ends:
        what = f"{path} ended {ends:%Y-%m-%d}"
        return problem("certificate", what, "get a new one: enrol again, or ask the operator")
    days = (ends - now).days
    if ends - now < EXPIRES_SOON:
        what = f"{path} ends in {days} days"
        return warning("certificate", what, "get a new one: enrol again, or ask the operator")
    return ok("certificate", f"{path} holds {days} days more")
