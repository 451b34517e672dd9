"""The embedded broker: Mosquitto and amqtt give the same users the same rights."""

import asyncio
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from deploy.accounts import stand_in_for
from deploy.broker import BrokerKind, EmbeddedBroker, find_mosquitto
from deploy.ports import polls
from tests.integration.deploy.mqtt_probe import ANSWER_S, Probe, first_payload

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

USERS = {name: secrets.token_hex(8) for name in ("backend", "site", "gw-north", "gw-south")}
# By reader: somebody who reaches it for certain.
CONTROL = {
    "backend": ("backend", "pw/control"),
    "gw-north": ("backend", "pw/1/down/gw-north/command"),
    "gw-south": ("backend", "pw/1/down/gw-south/command"),
    "site": ("site", "frigate/control"),
}
ALLOWED = [
    ("gw-north", "pw/1/up/3/gw-north", "backend"),
    ("gw-north", "pw/1/status/gw-north", "backend"),
    ("backend", "pw/1/down/gw-north/receipt", "gw-north"),
    ("site", "frigate/events", "site"),
    ("site", "cam-1/onvif-ej/RuleEngine/CellMotion", "site"),
    ("site", "onvif-ej/VideoSource/ImageTooDark", "site"),
]
REFUSED = [
    ("gw-north", "pw/1/up/3/gw-south", "backend"),
    ("gw-north", "pw/1/status/gw-south", "backend"),
    ("gw-north", "pw/1/down/gw-south/receipt", "gw-south"),
    ("backend", "pw/1/down/gw-north/receipt", "gw-south"),
    ("gw-north", "pw/1/up/3/gw-north", "gw-south"),
    ("site", "pw/1/up/3/gw-north", "backend"),
    ("site", "pw/1/down/gw-north/receipt", "gw-north"),
    ("gw-north", "frigate/events", "site"),
    ("backend", "frigate/events", "site"),
]


@pytest.fixture(params=list(BrokerKind))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """Run each kind of broker."""
    kind: BrokerKind = request.param
    if kind is BrokerKind.MOSQUITTO and find_mosquitto() is None:
        pytest.skip("Mosquitto 2 is not installed")
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=kind) as running:
        yield running
    shutil.rmtree(stand_in_for(running.state_dir), ignore_errors=True)


@pytest.fixture
def probe(broker: EmbeddedBroker) -> Probe:
    """Connect to the running broker."""
    return Probe(port=broker.port, passwords=USERS)


async def test_each_user_may_do_its_part(probe: Probe) -> None:
    """Envelopes, status, receipts and camera events get through."""
    for by, topic, reader in ALLOWED:
        control = CONTROL[reader]
        assert await probe.reaches(topic=topic, by=by, reader=reader, control=control), topic


async def test_nobody_may_do_anothers_part(probe: Probe) -> None:
    """A gateway speaks and hears for itself only, a site device never in the protocol."""
    for by, topic, reader in REFUSED:
        control = CONTROL[reader]
        refused = not await probe.reaches(topic=topic, by=by, reader=reader, control=control)
        assert refused, (by, topic, reader)


async def test_kept_receipt_is_for_its_gateway_only(probe: Probe) -> None:
    """A retained receipt reaches its gateway, and no other, not even through a wide filter."""
    topic = "pw/1/down/gw-north/receipt"
    async with probe.connected("backend") as backend:
        await backend.publish(topic, b"receipt", qos=1, retain=True)

    assert await probe.retained(topic=topic, reader="gw-north", control=CONTROL["gw-north"])
    for wide in (topic, "pw/1/down/+/receipt", "#"):
        control = CONTROL["gw-south"]
        assert not await probe.retained(topic=wide, reader="gw-south", control=control)


async def test_strangers_are_not_let_in(probe: Probe) -> None:
    """No name, an unknown name and a wrong password are all refused."""
    assert await probe.may_connect("gw-north")
    wrong = Probe(port=probe.port, passwords={"gw-north": "wrong", "nobody": "x", "": ""})
    for user in ("gw-north", "nobody", ""):
        assert not await wrong.may_connect(user)


async def test_will_cannot_speak_for_another(probe: Probe) -> None:
    """The will of a gateway that vanishes reaches the backend under its own name only."""
    async with probe.connected("backend") as backend:
        await backend.subscribe("pw/#", qos=1)
        await probe.vanish("gw-north", "pw/1/status/gw-south")
        await probe.vanish("gw-north", "pw/1/status/gw-north")
        async with asyncio.timeout(ANSWER_S):
            message = await anext(aiter(backend.messages))

    assert str(message.topic) == "pw/1/status/gw-north"


async def test_broker_comes_back_at_the_same_address(broker: EmbeddedBroker, probe: Probe) -> None:
    """After kill -9 and a new start the users are let in at the same port."""
    broker.kill()
    broker.start()

    assert broker.port == probe.port
    assert await probe.may_connect("backend")


async def test_mosquitto_keeps_receipts_across_a_restart(
    broker: EmbeddedBroker, probe: Probe
) -> None:
    """A retained receipt outlives a restart of Mosquitto; amqtt keeps nothing, as documented."""
    topic = "pw/1/down/gw-north/receipt"
    async with probe.connected("backend") as backend:
        await backend.publish(topic, b"receipt", qos=1, retain=True)
    broker.stop()
    broker.start()

    kept = await probe.retained(topic=topic, reader="gw-north", control=CONTROL["gw-north"])
    assert kept is (broker.kind is BrokerKind.MOSQUITTO)


async def test_user_can_be_added_while_it_runs(broker: EmbeddedBroker) -> None:
    """A gateway enrolled later is let in without a restart, and others stay connected."""
    probe = Probe(port=broker.port, passwords=USERS | {"gw-new": "new"})
    async with probe.connected("gw-north") as stays:
        await stays.subscribe("pw/1/down/gw-north/command", qos=1)
        broker.add_user("gw-new", "new")
        for _ in polls(10):
            if await probe.may_connect("gw-new"):
                break
        async with probe.connected("backend") as backend:
            await backend.publish("pw/1/down/gw-north/command", b"still here", qos=1)
        assert await first_payload(stays) == b"still here"


async def test_failed_login_under_anothers_client_id_gains_nothing(tmp_path: Path) -> None:
    """A stranger who names himself backend, with a wrong password, lends nobody its rights."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as broker:
        probe = Probe(port=broker.port, passwords=USERS)
        liar = Probe(port=broker.port, passwords={"backend": "wrong"})
        async with probe.connected("backend") as backend:
            await backend.subscribe("pw/#", qos=1)
            async with probe.connected("gw-south", client_id="shared") as gateway:
                with pytest.raises(aiomqtt.MqttError):
                    async with liar.connected("backend", client_id="shared"):
                        pass
                await _publish_if_connected(gateway, "pw/1/down/gw-north/receipt")
                await backend.publish("pw/end", b"end", qos=1)
                assert await first_payload(backend) == b"end"


async def _publish_if_connected(client: aiomqtt.Client, topic: str) -> None:
    try:
        await client.publish(topic, b"forged", qos=1, timeout=2)
    except aiomqtt.MqttError:
        return


def test_state_is_private(broker: EmbeddedBroker) -> None:
    """Passwords and configuration are readable by the broker's account only."""
    assert broker.child is not None
    account = broker.child.program.account
    homes = [home for home in (broker.state_dir, stand_in_for(broker.state_dir)) if home.exists()]
    files = [path for home in homes for path in home.rglob("passwords*")]
    assert len(files) == 1
    info = files[0].stat()
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert info.st_uid == (os.geteuid() if account is None else account.uid)
    assert not any(password.encode() in files[0].read_bytes() for password in USERS.values())
