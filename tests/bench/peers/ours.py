"""Our gateway at the site: one register of the configuration for each register of the devices."""

import sys
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from deploy.processes import Child
from gateway.outbox.identity import open_identity
from tests.bench.peers.site import Load, Site

GATEWAY: Final = "gw-bench"


class Ours:
    """Prepares the state folder before the site, because the recorder verifies with our key."""

    name = "pledgewatch"

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        signer, _ = open_identity(state_dir)
        self.public_key = signer.public_key.hex()

    def prepare(self, site: Site) -> None:
        """Write the configuration."""
        backend_key = bytes(SigningKey(site.backend_seed).verify_key).hex()
        (self.state_dir / "gateway.toml").write_text(
            configuration(site.load, self.state_dir, site.modbus_port, site.link_port, backend_key)
        )

    def start(self, site: Site, run: int = 0) -> Child:
        """Start the daemon."""
        config = str(self.state_dir / "gateway.toml")
        return site.run(
            f"gateway-{run}", sys.executable, "-m", "gateway", "run", "--config", config
        )


def configuration(
    load: Load, state_dir: Path, modbus_port: int, link_port: int, backend_key: str
) -> str:
    """Return the gateway's TOML file."""
    lines = [
        f'[gateway]\nid = "{GATEWAY}"\nstate_dir = "{state_dir}"',
        f'[uplink]\nurl = "mqtt://127.0.0.1:{link_port}"\nbackend_key = "{backend_key}"',
        f'[[modbus]]\nname = "bus"\nurl = "tcp://127.0.0.1:{modbus_port}"',
    ]
    late_s = max(10.0, load.poll_s * 3)
    for unit in range(1, load.units + 1):
        lines.append(
            f"[[modbus.unit]]\nunit = {unit}\npoll_s = {load.poll_s}\nregisters_max = 125"
        )
        lines.extend(
            f'[[modbus.unit.register]]\nsensor = "u{unit}-r{register}"\n'
            f'quantity = "mass"\naddress = {register}\ntype = "uint16"\nlate_s = {late_s}'
            for register in range(load.registers)
        )
    return "\n".join(lines) + "\n"
