"""Node-RED with node-red-contrib-modbus from the package registry: blocks, QoS 1, nothing on disk.

Contrib version 5.23.3: the newest whose own lock names no other registry.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from deploy.processes import Child
from tests.bench.peers.site import Site, write_json

CONTRIB: Final = "node-red-contrib-modbus@5.23.3"
INSTALL_S_MAX: Final = 600


class NodeRed:
    """One installed peer."""

    name = "Node-RED"

    def __init__(self, home: Path) -> None:
        self._home = home

    def install(self) -> None:
        """Install it when it is not there; it brings no native code that we need."""
        if not (self._home / "node_modules/node-red-contrib-modbus").exists():
            self._home.mkdir(parents=True, exist_ok=True)
            npm = ["npm", "install", "--prefix", str(self._home), "--ignore-scripts"]
            quiet = ["--no-audit", "--no-fund", "--silent"]
            subprocess.run([*npm, *quiet, "node-red", CONTRIB], check=True, timeout=INSTALL_S_MAX)

    def prepare(self, site: Site) -> None:
        """Write its flow."""
        home = site.dir / "nodered"
        home.mkdir()
        write_json(home / "flows.json", _flow(site))
        write_json(home / "package.json", {"name": "bench", "dependencies": {}})
        settings = "module.exports = {uiPort: 0, httpAdminRoot: false, httpNodeRoot: false};\n"
        (home / "settings.js").write_text(settings)
        (home / "node_modules").symlink_to(self._home / "node_modules")

    def start(self, site: Site, run: int = 0) -> Child:
        """Start it."""
        node = shutil.which("node")
        assert node is not None, "Node.js is not installed"
        home = site.dir / "nodered"
        program = str(self._home / "node_modules/node-red/red.js")
        settings = ("--userDir", str(home), "--settings", str(home / "settings.js"))
        return site.run(f"nodered-{run}", node, program, *settings, str(home / "flows.json"))


def _flow(site: Site) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = [
        {"id": "tab", "type": "tab", "label": "bench"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(site.link_port),
            "clientid": "nodered",
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": True,
        },
        {
            "id": "client",
            "type": "modbus-client",
            "clienttype": "tcp",
            "bufferCommands": True,
            "tcpHost": "127.0.0.1",
            "tcpPort": site.modbus_port,
            "tcpType": "DEFAULT",
            "unit_id": 1,
            "commandDelay": 1,
            "clientTimeout": 1_000,
            "reconnectOnTimeout": True,
            "reconnectTimeout": 2_000,
            "parallelUnitIdsAllowed": True,
        },
    ]
    for unit in range(1, site.load.units + 1):
        nodes.append(
            {
                "id": f"read{unit}",
                "type": "modbus-read",
                "z": "tab",
                "server": "client",
                "unitid": unit,
                "dataType": "HoldingRegister",
                "adr": 0,
                "quantity": site.load.registers,
                "rate": round(site.load.poll_s * 1_000),
                "rateUnit": "ms",
                "wires": [[f"out{unit}"], []],
            }
        )
        nodes.append(
            {
                "id": f"out{unit}",
                "type": "mqtt out",
                "z": "tab",
                "topic": f"nodered/{unit}",
                "qos": "1",
                "retain": "false",
                "broker": "broker",
                "wires": [],
            }
        )
    return nodes
