"""An embedded MQTT broker on loopback: Mosquitto 2 if it is installed, else amqtt.

Both take the same ``deploy/mosquitto/acl`` and the same password file, run as a child process, and
come back on the same port. Mosquitto keeps retained messages across a restart, amqtt keeps none.

``python -m deploy.broker --config FILE`` is the amqtt server; :class:`EmbeddedBroker` starts it.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.accounts import (
    choose_account,
    give_to,
    is_own_folder,
    server_home,
    stand_in_for,
    write_private,
)
from deploy.amqtt_broker import load_broker_file, serve
from deploy.errors import ChildDiedError, MissingProgramError
from deploy.passwords import password_file
from deploy.ports import LOOPBACK, keep_or_pick, tcp_answers
from deploy.processes import Account, Child, Program, output_of

BACKEND_USER = "backend"
SITE_USER = "site"
ACL_FILE = Path(__file__).parent / "mosquitto" / "acl"
PACKET_BYTES_MAX = 4 * 1024 * 1024  # An envelope is sealed at 64 KiB; images stay at the gateway.
QUEUED_MESSAGES_MAX = 10_000  # For a client that is away; gateways send again what exceeds it.
AUTOSAVE_S = 5  # What a kill may cost in retained messages.
STOP_S = 5.0

_ROOT = Path(__file__).parents[1]
_SBIN = ("/usr/local/sbin", "/usr/sbin")  # Not in an ordinary user's PATH.
_MOSQUITTO_VERSION = re.compile(r"mosquitto version (\d+)\.")
_MOSQUITTO_MAJOR_MIN = 2  # Version 1 has other listener rules and another password format.
_MOSQUITTO_HELP_EXIT_CODES = (0, 1, 3)


class BrokerKind(StrEnum):
    """Which server runs."""

    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


class EmbeddedBroker:
    """An MQTT broker with state in ``state_dir``: a context manager, or ``start`` and ``stop``.

    ``users`` maps names to passwords. ``backend`` and ``site`` have their rights by name, every
    other name is a gateway's.
    """

    def __init__(
        self,
        state_dir: Path,
        users: Mapping[str, str],
        *,
        port: int | None = None,
        kind: BrokerKind | None = None,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.child: Child | None = None
        self._users = dict(users)
        self._port = port
        self._kind = kind
        self._home: Path | None = None

    @property
    def port(self) -> int:
        """The TCP port; known from the first start on and kept."""
        assert self._port is not None, "not started yet"
        return self._port

    @property
    def url(self) -> str:
        """The address, without user and password."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def kind(self) -> BrokerKind:
        """Which server it is: the one asked for, else Mosquitto if it is installed."""
        if self._kind is None:
            self._kind = BrokerKind.AMQTT if find_mosquitto() is None else BrokerKind.MOSQUITTO
        return self._kind

    def __enter__(self) -> Self:
        """Start the broker."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the broker."""
        self.stop()

    def start(self) -> None:
        """Start the broker, or start it again after a kill, and return when it accepts clients.

        Raises:
            MissingProgramError: Mosquitto was asked for and is not installed.
            ChildDiedError, NotReadyError: it did not come up; its last words are in it.
        """
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = choose_account() if self.kind is BrokerKind.MOSQUITTO else None
        self._home = server_home(self.state_dir, self._state_id(), account)
        self._port = keep_or_pick(self._port or self._saved_port())
        self._write_users(account)
        match self.kind:
            case BrokerKind.MOSQUITTO:
                program = self._mosquitto(self._home, account)
            case BrokerKind.AMQTT:
                program = self._amqtt(self._home)
        self.child = Child(program, self.log_path)
        try:
            self.child.start()
            self.child.wait_until(lambda: tcp_answers(self.port))
        except BaseException:
            self.stop()
            raise
        (self.state_dir / "port").write_text(f"{self._port}\n", encoding="utf-8")

    def stop(self) -> None:
        """Stop the broker."""
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """Kill the broker with SIGKILL; ``start`` brings it back at the same address."""
        assert self.child is not None, "not started yet"
        self.child.kill()

    def add_user(self, name: str, password: str) -> None:
        """Let one more user in, without a restart; takes effect within a moment."""
        self._users[name] = password
        if self.child is not None and self.child.returncode() is None:
            self._write_users(self.child.program.account)
            os.kill(self.child.pid, signal.SIGHUP)

    def remove(self) -> None:
        """Delete the stopped broker's state, all of it."""
        for folder in (self.state_dir, stand_in_for(self.state_dir)):
            if is_own_folder(folder):
                shutil.rmtree(folder)

    @property
    def log_path(self) -> Path:
        """The broker's log."""
        return self.state_dir / "broker.log"

    def _write_users(self, account: Account | None) -> None:
        assert self._home is not None, "not started yet"
        write_private(self._home / "passwords", password_file(self._users), account)

    def _mosquitto(self, home: Path, account: Account | None) -> Program:
        path = find_mosquitto()
        if path is None:
            message = f"Mosquitto {_MOSQUITTO_MAJOR_MIN} or newer is not installed"
            raise MissingProgramError(message)
        data = home / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        give_to(account, data)
        write_private(home / "acl", ACL_FILE.read_text(encoding="utf-8"), account)
        settings = {
            "listener": f"{self.port} {LOOPBACK}",
            "allow_anonymous": "false",
            "password_file": home / "passwords",
            "acl_file": home / "acl",
            "persistence": "true",
            "persistence_location": f"{data}/",
            "autosave_interval": AUTOSAVE_S,
            "max_queued_messages": QUEUED_MESSAGES_MAX,
            "message_size_limit": PACKET_BYTES_MAX,
            "sys_interval": 0,
            "set_tcp_nodelay": "true",
            "log_dest": "stdout",
            "connection_messages": "false",
        }
        config = home / "mosquitto.conf"
        text = "".join(f"{key} {value}\n" for key, value in settings.items())
        write_private(config, text, account)
        return Program(
            name="broker", argv=(str(path), "-c", str(config)), account=account, stop_s=STOP_S
        )

    def _amqtt(self, home: Path) -> Program:
        config = home / "amqtt.json"
        settings = {
            "port": self.port,
            "password_file": str(home / "passwords"),
            "acl_file": str(ACL_FILE),
        }
        write_private(config, json.dumps(settings))
        argv = (sys.executable, "-m", "deploy.broker", "--config", str(config))
        return Program(name="broker", argv=argv, cwd=_ROOT, stop_s=STOP_S)

    def _state_id(self) -> str:
        path = self.state_dir / "state-id"
        if not path.exists():
            write_private(path, secrets.token_hex(8))
        return path.read_text(encoding="ascii")

    def _saved_port(self) -> int | None:
        path = self.state_dir / "port"
        text = path.read_text(encoding="ascii").strip() if path.exists() else ""
        return int(text) if text.isdecimal() else None


def find_mosquitto() -> Path | None:
    """Return the Mosquitto server of version 2 or newer, or None."""
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN))
    if (found := shutil.which("mosquitto", path=folders)) is None:
        return None
    program = Program(name="mosquitto", argv=(found, "-h"))
    try:
        text = output_of(program, exit_codes=_MOSQUITTO_HELP_EXIT_CODES)
    except (ChildDiedError, OSError):
        return None
    match = _MOSQUITTO_VERSION.search(text)
    return Path(found) if match and int(match.group(1)) >= _MOSQUITTO_MAJOR_MIN else None


def main() -> None:
    """Run the amqtt server in this process."""
    parser = argparse.ArgumentParser(prog="python -m deploy.broker", description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a file of EmbeddedBroker's")
    asyncio.run(serve(load_broker_file(parser.parse_args().config)))


if __name__ == "__main__":
    main()
