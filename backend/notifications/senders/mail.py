"""A message by e-mail, over the installation's own mail server."""

import asyncio
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from backend.clock import Clock
from backend.errors import ConfigurationError
from backend.notifications.rules.tell import mail_subject, mail_text
from backend.notifications.types import Claimed, Failed, Outcome, Sent

TIMEOUT_S: Final = 15.0
SENDERS: Final = 4  # Threads: one mail server, which limits its clients anyway.
SUBJECT_CHARACTERS_MAX: Final = 200
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail goes: ``smtp`` with STARTTLS, ``smtps`` with TLS, or ``smtp+plain`` without."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None


def parse_server(url: str) -> MailServer:
    """Return the mail server of ``smtp://user:password@host:port``.

    Raises:
        ConfigurationError: It is not of that form; the password is not repeated.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname:
        schemes = ", ".join(f"{each}://" for each in _PORTS)
        raise ConfigurationError(f"PLEDGEWATCH_SMTP_URL must begin with one of {schemes}")
    return MailServer(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


class MailSender:
    """Sends e-mail; made once, used by many tasks."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        public_url: str,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._public_url = public_url
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="mail")

    async def send(self, claimed: Claimed) -> Outcome:
        """Return how one attempt ended; it raises nothing that a mail server can cause."""
        message = self._compose(claimed)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._transmit, message)
        except (smtplib.SMTPException, OSError) as error:
            return Failed(result=f"{type(error).__name__}: {error}"[:300])
        return Sent(result=f"taken by {self._server.host}")

    def _compose(self, claimed: Claimed) -> EmailMessage:
        """Return the e-mail; of one message always the same, but for its date."""
        message, subscription = claimed.message, claimed.subscription
        subject = " ".join(mail_subject(message.lines, message.notices).split())
        email = EmailMessage(policy=SMTP)
        email["Subject"] = subject[:SUBJECT_CHARACTERS_MAX]
        email["From"] = self._sender
        email["To"] = subscription.target
        email["Date"] = format_datetime(self._clock.now())
        domain = self._sender.rpartition("@")[2].strip("> ") or "pledgewatch"
        email["Message-ID"] = f"<{message.id}@{domain}>"
        email["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5
        text = mail_text(subscription.name, message.lines, message.notices, self._public_url)
        email.set_content(text, cte="quoted-printable")
        return email

    def _transmit(self, email: EmailMessage) -> None:
        server = self._server
        if server.scheme == "smtps":
            client = smtplib.SMTP_SSL(
                server.host, server.port, timeout=TIMEOUT_S, context=self._tls
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        with client:
            if server.scheme == "smtp":
                client.starttls(context=self._tls)
            if server.user is not None:
                client.login(server.user, server.password or "")
            client.send_message(email)
