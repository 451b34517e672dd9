"""A real Mosquitto with the deployed configuration, that asks for certificates."""

import os
import secrets
import shutil
import signal
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.accounts import choose_account, give_to, write_private
from deploy.broker import ACL_FILE, find_mosquitto
from deploy.passwords import password_file
from deploy.ports import free_port, tcp_answers
from deploy.processes import Account, Child, Program

DEPLOY = Path(__file__).parents[3] / "deploy"
USERS = {"backend": secrets.token_hex(8)}
FILES = ("ca.crt", "server.crt", "server.key", "ca.crl")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureBroker:
    """A broker with two listeners: passwords, and certificates."""

    password_port: int
    certificate_port: int
    certs: Path
    home: Path
    account: Account | None
    child: Child

    @property
    def context(self) -> ssl.SSLContext:
        """What the backend trusts."""
        return ssl.create_default_context(cafile=self.certs / "ca.crt")

    def reload(self, crl: str) -> None:
        """Let the broker read a new list of revoked certificates."""
        write_private(self.home / "ca.crl", crl, self.account)
        os.kill(self.child.pid, signal.SIGHUP)


@contextmanager
def secure_broker(certs: Path, log: Path) -> Generator[SecureBroker]:
    """Run Mosquitto with the production configuration, only paths and addresses changed."""
    account = choose_account()
    # pytest's folders are private to root; the account needs one that it can enter.
    home = Path(f"/var/tmp/pledgewatch-test-{os.getpid()}-{secrets.token_hex(4)}")
    home.mkdir(mode=0o711)
    (home / "data").mkdir(mode=0o700)
    give_to(account, home / "data")
    write_private(home / "acl", ACL_FILE.read_text(encoding="utf-8"), account)
    write_private(home / "passwords", password_file(USERS), account)
    for name in FILES:
        write_private(home / name, (certs / name).read_text(encoding="ascii"), account)
    ports = free_port(), free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in {
        "listener 8883\n": f"listener {ports[0]} 127.0.0.1\n",
        "listener 8884\n": f"listener {ports[1]} 127.0.0.1\n",
        "/mosquitto/secrets/": f"{home}/",
        "/mosquitto/config/": f"{home}/",
        "/mosquitto/certs/": f"{home}/",
        "/mosquitto/crl/": f"{home}/",
        "/mosquitto/data/": f"{home}/data/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    write_private(home / "mosquitto.conf", text, account)
    argv = (str(find_mosquitto()), "-c", str(home / "mosquitto.conf"))
    child = Child(Program(name="broker", argv=argv, account=account), log)
    child.start()
    try:
        child.wait_until(lambda: all(tcp_answers(port) for port in ports))
        yield SecureBroker(
            password_port=ports[0],
            certificate_port=ports[1],
            certs=certs,
            home=home,
            account=account,
            child=child,
        )
    finally:
        child.stop()
        shutil.rmtree(home)
