"""What a daemon does for its memory changes nothing of what it knows."""

import subprocess
import sys

from gateway.config.file import Config, parse_config
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.supervisor.memory import bound_heaps, give_back, pack, unpack

TOML = """
[gateway]
id = "gw-1"
state_dir = "/var/lib/gw"
[[modbus]]
name = "bus"
url = "tcp://127.0.0.1:502"
[[modbus.unit]]
unit = 7
[[modbus.unit.register]]
sensor = "silo-1"
quantity = "mass"
address = 4
type = "uint16"
max = 5
[[serial]]
sensor = "scale-1"
family = "scale-ad"
port = "/dev/ttyUSB0"
"""


def test_configuration_is_the_same_when_unpacked() -> None:
    """Packing a configuration, giving memory back and unpacking it keeps every setting."""
    config = parse_config(TOML.encode(), vocabulary())
    packed = pack(config)
    bound_heaps()
    give_back()

    assert unpack(packed, Config) == config


def test_daemon_imports_no_other_command() -> None:
    """What is imported stays in memory: a daemon starts without doctor, scan and decode."""
    code = "import sys; sys.argv[1:] = {arguments}; import gateway.cli.app; print(*sys.modules)"
    daemon, other = (
        subprocess.run(
            [sys.executable, "-c", code.format(arguments=arguments)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30.0,
        ).stdout.split()
        for arguments in (["run"], ["doctor"])
    )
    assert "gateway.cli.doctor.command" in other
    assert not {"gateway.cli.doctor.command", "gateway.decode.cli", "rich", "greenlet"} & {*daemon}
