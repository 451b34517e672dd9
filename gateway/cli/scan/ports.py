"""Serial adapters of this machine, each under the name that stays when USB ports change."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serial.tools import list_ports

BY_ID: Final = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort:
    """One port: ``name`` is what a configuration should say, ``path`` where it is now."""

    name: str
    path: str
    text: str


def find_ports(named: Iterable[str] = ()) -> list[SerialPort]:
    """Return the serial adapters of this machine; with ``named`` only these."""
    stable = stable_names()
    given = list(named)
    if given:
        return [SerialPort(name=n, path=str(Path(n).resolve()), text="") for n in given]
    found = [
        SerialPort(
            name=stable.get(str(Path(port.device).resolve()), port.device),
            path=port.device,
            text="" if port.description == "n/a" else port.description,
        )
        for port in list_ports.comports()
    ]
    return sorted(found, key=lambda port: port.name)


def stable_names(folder: Path = BY_ID) -> dict[str, str]:
    """Return the stable name of each device file that has one."""
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return {}
    return {str(link.resolve()): str(link) for link in links}
