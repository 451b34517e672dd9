"""The embedded broker's server: amqtt with passwords and topic rights, MQTT 3.1.1 on loopback.

amqtt checks rights through plugins that it waits for, reads the user name from a session that a
stranger's failed login can rewrite, does not check wills, and sends every retained message to
everybody who connects. This subclass closes these; it keeps nothing across a restart. Production
runs Mosquitto or a cluster.
"""

import asyncio
import signal
from pathlib import Path

import msgspec
import structlog
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.session import Session
from typing_extensions import override

from deploy.passwords import parse_password_file, verify_password
from deploy.ports import LOOPBACK
from deploy.topic_acl import Access, TopicAcl

SHUTDOWN_S_MAX = 3.0  # It tells its clients; after that the launcher's SIGKILL does no harm.

_log = structlog.get_logger()
_ACCESS = {
    Action.PUBLISH: Access.WRITE,
    Action.SUBSCRIBE: Access.READ,
    Action.RECEIVE: Access.READ,
}


class BrokerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration file of the server."""

    port: int
    password_file: str
    acl_file: str


class GuardedBroker(Broker):
    """amqtt with the rights of an ACL file."""

    def __init__(self, settings: BrokerFile) -> None:
        self._settings = settings
        self._hashes: dict[str, str] = {}
        self._acl = TopicAcl.parse(Path(settings.acl_file).read_text(encoding="utf-8"))
        self._user_of_client: dict[str, str] = {}
        self.load_users()
        listener = ListenerConfig(bind=f"{LOOPBACK}:{settings.port}")
        super().__init__(BrokerConfig(listeners={"default": listener}, plugins={}))

    def load_users(self) -> None:
        """Read the password file, again after a change."""
        text = Path(self._settings.password_file).read_text(encoding="utf-8")
        self._hashes = parse_password_file(text)

    @override
    async def _authenticate(self, session: Session, _: ListenerConfig) -> bool:
        """Check the password and the will; only what passed both has rights from here on."""
        user, client_id = session.username or "", session.client_id or ""
        # A login that fails takes the rights of a session under the same client id with it,
        # because amqtt has already written the stranger's name into that session.
        self._user_of_client.pop(client_id, None)
        hashed = self._hashes.get(user)
        if hashed is None or not verify_password(session.password or "", hashed):
            _log.warning("mqtt_login_refused", user=user)
            return False
        if session.will_flag and not self._acl.allows(
            user, Access.WRITE, session.will_topic or ""
        ):
            _log.warning("mqtt_will_refused", user=user, topic=session.will_topic)
            return False
        self._user_of_client[client_id] = user
        return True

    @override
    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        """Ask the ACL, without giving up control: amqtt loops over subscriptions around it."""
        user = self._user_of_client.get(session.client_id or "")
        return user is not None and self._acl.allows(user, _ACCESS[action], topic)

    @override
    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Send retained messages of a filter only to who subscribed to it, and so may read it."""
        subscribers = self.subscriptions.get(subscription[0], [])
        if any(subscriber is session for subscriber, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)


def load_broker_file(path: Path) -> BrokerFile:
    """Read the configuration file.

    Raises:
        msgspec.ValidationError: it names the key that is wrong.
    """
    return msgspec.json.decode(path.read_bytes(), type=BrokerFile)


async def serve(settings: BrokerFile) -> None:
    """Run the broker until SIGTERM; SIGHUP reads the users again."""
    broker = GuardedBroker(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, broker.load_users)
    await broker.start()
    _log.info("mqtt_broker_started", port=settings.port)
    await stop.wait()
    async with asyncio.timeout(SHUTDOWN_S_MAX):
        await broker.shutdown()
