"""The whole system on one machine: database, broker, backend, a simulated site and its gateways.

Everything lies under one state folder. A second start keeps it; a new folder begins anew. Nothing
here decides anything about collateral: it starts the programs as an operator would, each with its
own environment, and enrols the gateways through the backend's own interface.
"""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from backend.plant.broker_credentials import broker_password
from deploy.accounts import write_private
from deploy.broker import BACKEND_USER, SITE_USER, EmbeddedBroker
from deploy.client import ApiClient, ApiError
from deploy.clock import today
from deploy.gateway_files import LocalBroker, SitePorts, write_gateway_file
from deploy.ports import LOOPBACK, http_answers, keep_or_pick
from deploy.postgres import EmbeddedPostgres
from deploy.processes import Daemon, Program, Supervisor, output_of, run_to_end
from deploy.seed import LOGINS, Seeded, lender_party, register_key, seed_goods, seed_site
from firmware_sim.scenario import load_scenario

ROOT = Path(__file__).parents[1]
SCENARIO = "harbour"
COMMAND_S_MAX = 60.0  # A migration or an enrolment on a slow, busy machine.
RESTARTS_MAX = 3  # A program that keeps dying must be seen, not hidden.


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What differs between demo, story and tests."""

    state_dir: Path
    fresh: bool = False
    http_port: int | None = None
    durable: bool = True
    seed: int = 1


class Stack:
    """Starts and names all parts; the supervisor that is given ends them."""

    def __init__(self, options: StackOptions, supervisor: Supervisor) -> None:
        self.options = options
        self.supervisor = supervisor
        self.dir = options.state_dir.absolute()
        self.scenario = load_scenario(SCENARIO)
        self.postgres = EmbeddedPostgres(self.dir / "postgres", durable=options.durable)
        self.daemons: dict[str, Daemon] = {}
        self._secrets: dict[str, Any] = {}
        self._broker: EmbeddedBroker | None = None
        self._admitted = set(self.scenario.gateways())
        self._operator: ApiClient | None = None
        self._seeded: Seeded | None = None

    @property
    def base_url(self) -> str:
        """The console's address."""
        return f"http://{LOOPBACK}:{self._secrets['http_port']}"

    @property
    def control_url(self) -> str:
        """The simulator's control address."""
        return f"http://{LOOPBACK}:{self._secrets['control_port']}"

    @property
    def seeded(self) -> Seeded:
        """Logins and ids; known once started."""
        assert self._seeded is not None, "not started yet"
        return self._seeded

    @property
    def broker(self) -> EmbeddedBroker:
        """The MQTT broker."""
        assert self._broker is not None, "not started yet"
        return self._broker

    def start(self) -> None:
        """Start everything, in the order in which each needs the one before.

        Raises:
            DeployError: A part did not come up; the error holds its last words.
        """
        seeded = self.dir / "seeded.json"
        if self.options.fresh or not seeded.exists():
            self.remove()  # Of a first start that was cut short, too: nothing stays half done.
        self.dir.mkdir(parents=True, exist_ok=True)
        self._load_secrets()
        self.supervisor.add(self.postgres)
        self._broker = EmbeddedBroker(self.dir / "broker", self._broker_users())
        self.supervisor.add(self._broker)
        self._start_backend(with_operator=not seeded.exists())
        if seeded.exists():
            self._seeded = Seeded.load(seeded)
            self._start_site(self._seeded.feed_token)
            self._start_gateways()
        else:
            password = self._secrets["operator_password"]
            site = seed_site(self.base_url, password, self.scenario, today())
            self._start_site(site.feed_token)
            self._start_gateways()
            self._seeded = seed_goods(self.base_url, site, self.scenario)
            self._seeded.save(seeded)
        self._give_lender_key()

    def remove(self) -> None:
        """Delete the state of an earlier run."""
        if not self.dir.exists():
            return
        self.postgres.remove()
        EmbeddedBroker(self.dir / "broker", {}).remove()
        shutil.rmtree(self.dir)

    def log_in(self, role: str) -> ApiClient:
        """Return an API client logged in as the demo account of ``role``."""
        client = ApiClient(self.base_url)
        client.log_in(LOGINS[role], self.seeded.passwords[role])
        return client

    def admit_gateways(self) -> None:
        """Let gateways that somebody has registered meanwhile in at the broker."""
        try:
            if self._operator is None:
                self._operator = self.log_in("operator")
            registered = {gateway["id"] for gateway in self._operator.get("/api/gateways")}
        except (ApiError, httpx.HTTPError):
            self._operator = None  # Logged out, or the api is just being started again.
            return
        for name in sorted(registered - self._admitted):
            password = broker_password(self._secrets["broker_secret"], name)
            self.broker.add_user(name, password)
            self._admitted.add(name)

    @property
    def signing_key(self) -> Path:
        """The file of the lender's private key; a real one never lies beside the backend."""
        return self.dir / "bank.key"

    def gateway_file(self, name: str) -> Path:
        """Return the configuration file of a gateway."""
        return self.dir / "gateways" / f"{name}.toml"

    def _load_secrets(self) -> None:
        path = self.dir / "secrets.json"
        if path.exists():
            self._secrets = json.loads(path.read_text(encoding="utf-8"))
        else:
            names = ("broker_secret", "backend_password", "site_password", "operator_password")
            self._secrets = {name: secrets.token_urlsafe(15) for name in names}
        asked = self.options.http_port or self._secrets.get("http_port")
        self._secrets["http_port"] = keep_or_pick(asked)
        self._secrets["control_port"] = keep_or_pick(self._secrets.get("control_port"))
        write_private(path, json.dumps(self._secrets))

    def _broker_users(self) -> dict[str, str]:
        users = {
            name: broker_password(self._secrets["broker_secret"], name)
            for name in self.scenario.gateways()
        }
        users[BACKEND_USER] = self._secrets["backend_password"]
        users[SITE_USER] = self._secrets["site_password"]
        return users

    def _backend_env(self) -> dict[str, str]:
        login = f"{BACKEND_USER}:{self._secrets['backend_password']}"
        return child_env(
            PLEDGEWATCH_DATABASE_URL=self.postgres.url,
            PLEDGEWATCH_MQTT_URL=f"mqtt://{login}@{LOOPBACK}:{self.broker.port}",
            PLEDGEWATCH_PUBLIC_MQTT_URL=self.broker.url,
            PLEDGEWATCH_BROKER_SECRET=self._secrets["broker_secret"],
            PLEDGEWATCH_STATE_DIR=str(self.dir / "backend"),
            PLEDGEWATCH_HTTP_HOST=LOOPBACK,
            PLEDGEWATCH_HTTP_PORT=str(self._secrets["http_port"]),
            PLEDGEWATCH_SIMULATOR_URL=self.control_url,
            PLEDGEWATCH_PUBLIC_URL=self.base_url,
            PLEDGEWATCH_NOTIFY_HTTP="true",
            PLEDGEWATCH_NOTIFY_NETWORKS=f"{LOOPBACK}/32",
        )

    def _start_backend(self, *, with_operator: bool) -> None:
        env = self._backend_env()
        self._run("migrate", ("backend", "migrate"), env)
        if with_operator:
            password = {"PLEDGEWATCH_PASSWORD": self._secrets["operator_password"]}
            self._run(
                "create-operator", ("backend", "create-operator", "operator"), env | password
            )
        port = self._secrets["http_port"]
        self._start("api", ("backend", "api"), env, lambda: http_answers(port, "/health"))
        self._start("worker", ("backend", "worker"), env)
        self._start("timekeeper", ("backend", "timekeeper"), env)
        self._start("notifier", ("backend", "notifier"), env)

    def _start_site(self, feed_token: str) -> None:
        token_file = self.dir / "feed-token"
        write_private(token_file, feed_token)
        site = self.dir / "site"
        options = {
            "--scenario": SCENARIO,
            "--dir": str(site),
            "--seed": str(self.options.seed),
            "--broker-host": LOOPBACK,
            "--broker-port": str(self.broker.port),
            "--broker-user": SITE_USER,
            "--broker-password": self._secrets["site_password"],
            "--control-port": str(self._secrets["control_port"]),
            "--backend-url": self.base_url,
            "--feed-token-file": str(token_file),
        }
        (site / "ports.json").unlink(missing_ok=True)
        argv = ("firmware_sim", "run", *(part for pair in options.items() for part in pair))
        self._start("simulator", argv, child_env(), lambda: (site / "ports.json").exists())

    def _start_gateways(self) -> None:
        ports = json.loads((self.dir / "site" / "ports.json").read_text(encoding="utf-8"))
        site = SitePorts(
            device_dir=self.dir / "site" / "dev",
            modbus_tcp=ports["modbus_tcp"],
            gpsd=ports["gpsd"],
            llrp=ports["llrp"],
            snapshots=ports["snapshots"],
            links=ports["links"],
            broker=self.broker.port,
        )
        local = LocalBroker(username=SITE_USER, password=self._secrets["site_password"])
        for name in self.scenario.gateways():
            config = self.gateway_file(name)
            write_gateway_file(config, name, self.scenario, site, local)
            if not (config.parent / name / "enrolment.json").exists():
                self._enrol(name, config)
            self._start(name, ("gateway", "run", "--config", str(config)), child_env())

    def _enrol(self, name: str, config: Path) -> None:
        with ApiClient(self.base_url) as operator:
            operator.log_in(LOGINS["operator"], self._secrets["operator_password"])
            code = operator.post(f"/api/gateways/{name}/enrolment-codes")["code"]
        argv = ("gateway", "enrol", self.base_url, code, "--config", str(config))
        self._run(f"enrol-{name}", argv, child_env())

    def _give_lender_key(self) -> None:
        """Make the lender's signing key and register it, unless that was done before."""
        if self.signing_key.exists():
            return
        password = self._secrets["operator_password"]
        partial = self.signing_key.with_suffix(".new")
        partial.unlink(missing_ok=True)
        party = lender_party(self.base_url, password)
        argv = ("backend", "release", "new-key", "--key", str(partial), "--party", party)
        said = output_of(self._program("new-key", argv, child_env()), COMMAND_S_MAX)
        register_key(self.base_url, password, said.split()[-1])
        partial.rename(self.signing_key)

    def _run(self, name: str, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        run_to_end(self._program(name, argv, env), self._log(name), COMMAND_S_MAX)

    def _start(
        self,
        name: str,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        ready: Any = None,  # noqa: ANN401
    ) -> None:
        daemon = Daemon(
            program=self._program(name, argv, env),
            log_dir=self.dir / "log",
            restarts_max=RESTARTS_MAX,
        )
        if ready is not None:
            daemon.ready = ready
        self.daemons[name] = daemon
        self.supervisor.add(daemon)

    def _program(self, name: str, argv: tuple[str, ...], env: Mapping[str, str]) -> Program:
        return Program(name=name, argv=(sys.executable, "-m", *argv), env=env, cwd=ROOT)

    def _log(self, name: str) -> Path:
        return self.dir / "log" / f"{name}.log"


def child_env(**more: str) -> dict[str, str]:
    """Return the environment of a child: ours without Pledgewatch's own settings, and ``more``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PLEDGEWATCH_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | more
