"""thingsboard-gateway 3.8.5 from the package index, in an environment of its own.

Settings as its own documentation has them: QoS 1, report on receipt, Modbus by tag or by block.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from deploy.processes import Child
from deploy.stack import child_env
from tests.bench.peers.site import Load, Site, write_json

VERSION: Final = "3.8.5"
INSTALL_S_MAX: Final = 600


class ThingsBoard:
    """One installed peer; ``storage`` is where it queues: memory, sqlite or file."""

    def __init__(self, venv: Path, *, storage: str = "memory") -> None:
        self._venv = venv
        self._storage = storage
        self.name = f"thingsboard-gateway, {storage}"

    def install(self) -> None:
        """Install it when it is not there."""
        if not self._program.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self._venv)], check=True)
            pip = [str(self._venv / "bin/python"), "-m", "pip", "install", "--quiet"]
            wanted = f"thingsboard-gateway=={VERSION}"
            subprocess.run([*pip, wanted], check=True, timeout=INSTALL_S_MAX)

    def prepare(self, site: Site, storage_dir: Path | None = None) -> None:
        """Write its settings."""
        home = site.dir / "thingsboard"
        shutil.rmtree(home, ignore_errors=True)
        (home / "run/logs").mkdir(parents=True)
        data = storage_dir or home / "data"
        data.mkdir(parents=True, exist_ok=True)
        write_json(home / "cfg/tb_gateway.json", _gateway(site.link_port, self._storage, data))
        write_json(home / "cfg/modbus.json", _modbus(site.load, site.modbus_port))
        write_json(home / "cfg/list.json", {})
        shipped = self._venv.glob("lib/python*/site-packages/thingsboard_gateway/config/logs.json")
        logs = next(shipped).read_text()
        logs = logs.replace("./logs/", f"{home}/run/logs/").replace('"INFO"', '"WARNING"')
        write_json(home / "cfg/logs.json", json.loads(logs))

    def start(self, site: Site, run: int = 0) -> Child:
        """Start it."""
        env = child_env(TB_GW_CONFIG_DIR=str(site.dir / "thingsboard/cfg"))
        return site.run(f"thingsboard-{run}", str(self._program), env=env)

    @property
    def _program(self) -> Path:
        return self._venv / "bin/thingsboard-gateway"


def _gateway(port: int, storage: str, data: Path) -> dict[str, Any]:
    stores: dict[str, dict[str, Any]] = {
        "memory": {"read_records_count": 100, "max_records_count": 100_000},
        "sqlite": {
            "data_file_path": f"{data}/",
            "messages_ttl_check_in_hours": 1,
            "messages_ttl_in_days": 7,
            "max_read_records_count": 1_000,
            "size_limit": 1_024,
            "max_db_amount": 10,
        },
        "file": {
            "data_folder_path": f"{data}/",
            "max_file_count": 10,
            "max_read_records_count": 10,
            "max_records_per_file": 10_000,
        },
    }
    return {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False, "statsSendPeriodInSeconds": 3_600},
            "deviceFiltering": {"enable": False, "filterFile": "list.json"},
            "maxPayloadSizeBytes": 8_196,
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 60,
            "handleDeviceRenaming": True,
            "security": {"type": "accessToken", "accessToken": "token"},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
        },
        "storage": {"type": storage} | stores[storage],
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "Modbus", "configuration": "modbus.json"}],
    }


def _modbus(load: Load, port: int) -> dict[str, Any]:
    if load.blocks:
        block = {"tag": "r${address}", "address": f"0-{load.registers - 1}"}
        tags: list[dict[str, Any]] = [block | {"maxRegistersPerRequest": 100}]
    else:
        tags = [{"tag": f"r{a}", "address": a} for a in range(load.registers)]
    read = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
    units = [
        {
            "host": "127.0.0.1",
            "port": port,
            "type": "tcp",
            "method": "socket",
            "unitId": unit,
            "deviceName": f"dev{unit}",
            "deviceType": "default",
            "timeout": 5,
            "byteOrder": "BIG",
            "wordOrder": "BIG",
            "retries": 3,
            "retryOnEmpty": True,
            "retryOnInvalid": True,
            "pollPeriod": round(load.poll_s * 1_000),
            "connectAttemptTimeMs": 500,
            "connectAttemptCount": 5,
            "waitAfterFailedAttemptsMs": 30_000,
            "attributes": [],
            "timeseries": [tag | read for tag in tags],
            "attributeUpdates": [],
            "rpc": [],
        }
        for unit in range(1, load.units + 1)
    ]
    return {"name": "Modbus", "logLevel": "WARNING", "master": {"slaves": units}}
