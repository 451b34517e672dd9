"""Receivers of messages: a real HTTP server and a real mail server, and a notifier's steps."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Email
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from backend.certificates.authority import Authority, private_pem
from backend.clock import Clock, SystemClock
from backend.db import Database
from backend.notifications.senders.webhook import WebhookSender
from backend.notifications.types import Channel, Reach
from backend.notifier import Notifier, Sender
from deploy.ports import free_port

MASTER = bytes(range(32))
LOCAL = Reach(http=True, networks=(ip_network("127.0.0.0/8"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What a receiver got, and how it answers; ``hold`` keeps it from answering."""

    url: str = ""
    status: int = 204
    answer: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    got: list[Got] = field(default_factory=lambda: list[Got]())
    hold: threading.Event | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the messages that came."""
        return [each.headers["webhook-id"] for each in self.got]


class _Quiet(ThreadingHTTPServer):
    """A server that keeps to itself who went away."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Generator[Receiver]:
    """Run an HTTP server that takes webhooks; with ``tls`` an HTTPS server."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append(Got(path=self.path, headers=headers, body=self.rfile.read(length)))
            if receiver.hold is not None:
                receiver.hold.wait(30)
            self.send_response(receiver.status)
            for name, value in receiver.answer.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass(slots=True)
class MailBox:
    """What a mail server got; ``refuse``: it takes nothing."""

    port: int = 0
    got: list[Email] = field(default_factory=lambda: list[Email]())
    encrypted: list[bool] = field(default_factory=lambda: list[bool]())
    refuse: bool = False

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take an e-mail."""
        if self.refuse:
            return "451 4.3.0 come back later"
        content = envelope.content
        assert isinstance(content, bytes)
        self.got.append(message_from_bytes(content))
        self.encrypted.append(session.ssl is not None)
        return "250 taken"


@contextlib.contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Generator[MailBox]:
    """Run a mail server; with ``tls`` it offers STARTTLS."""
    box = MailBox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), tls_context=tls)
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()


def make_notifier(
    db: Database, clock: Clock, reach: Reach = LOCAL, mail: Sender | None = None
) -> Notifier:
    """Return a notifier that may call this machine."""
    senders: dict[Channel, Sender] = {Channel.WEBHOOK: WebhookSender(MASTER, reach, clock)}
    if mail is not None:
        senders[Channel.EMAIL] = mail
    return Notifier(db, clock, senders, "https://console.example")


def work(notifier: Notifier) -> None:
    """Let a notifier do all that is due now, and end."""

    async def steps() -> None:
        async with asyncio.TaskGroup() as tasks:
            while await notifier.step(tasks):
                await asyncio.to_thread(wait_until, lambda: notifier.under_way == 0)

    asyncio.run(steps())


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail when it never does."""
    waiter = threading.Event()
    for _ in range(2_000):
        if holds():
            return
        waiter.wait(0.01)
    raise AssertionError("it never happened")


def certified(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server named localhost, and of who trusts it; see ``ca.crt``."""
    now = SystemClock().now()
    authority = Authority.make(directory, now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue_server(["localhost"], key.public_key(), now)
    pem = directory / "server.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM) + private_pem(key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=authority.pem)
