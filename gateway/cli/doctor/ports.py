"""Serial ports that the configuration names: there, by a name that stays, and ours to open."""

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.doctor.finding import Finding, ok, problem, warning
from gateway.cli.scan.ports import find_ports, stable_names
from gateway.config.file import Config


def check_ports(config: Config) -> Iterator[Finding]:
    """Yield what there is to say of each port that ``config`` names."""
    named = [section.port for section in config.serial]
    named += [bus.port for bus in config.modbus if bus.port is not None]
    stable = stable_names()
    for name in dict.fromkeys(named):
        yield _check(name, stable)
    yield from (
        problem("port", f"{name} is named twice", "one device a port: correct the configuration")
        for name in sorted({name for name in named if named.count(name) > 1})
    )


def _check(name: str, stable: dict[str, str]) -> Finding:
    path = Path(name)
    if not path.exists():
        there = ", ".join(port.name for port in find_ports()) or "none"
        remedy = f"look at cable and hub; adapters that are there: {there}"
        return problem("port", f"{name} does not exist", remedy)
    if not path.is_char_device():
        return problem("port", f"{name} is no serial port", "`scan` shows the ports")
    if not os.access(path, os.R_OK | os.W_OK):
        remedy = "put the gateway's user into the group dialout, or run this as root"
        return problem("port", f"{name} may not be opened by this user", remedy)
    better = stable.get(str(path.resolve()))
    if better is not None and not path.is_symlink():
        what = f"{name} may be another adapter after the next start"
        return warning("port", what, f'use port = "{better}"')
    return ok("port", name)
