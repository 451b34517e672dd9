"""Which configuration is in force: the machine's own file, and devices that the backend set.

``config.remote.toml`` in the state folder comes from a signed command. Where it is there, it takes
the place of the own file, but for the sections that say who this gateway is, whom it believes and
who may look at it: those are the own file's alone, and a remote text that names one is refused.
Delete it, or let the backend command so, and the own file is in force again.
"""

import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from gateway.config.file import (
    CONFIG_BYTES_MAX,
    Config,
    config_of,
    parse_config,
)
from gateway.config.types import Vocabulary
from gateway.errors import ConfigError
from schemas.command import TOML_BYTES_MAX

REMOTE_FILE: Final = "config.remote.toml"
OWN_SECTIONS: Final = ("gateway", "uplink", "key", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The configuration to go by.

    ``sha256`` is of the own file; with a remote text, of the digests of both, end to end.
    ``refused`` says why a remote text that is there is not in force.
    """

    config: Config
    sha256: bytes
    remote: bool = False
    refused: str = ""


def load_in_force(path: Path, vocabulary: Vocabulary) -> InForce:
    """Return the configuration of the own file ``path`` and of the state folder that it names.

    A remote text that this software refuses leaves the own file in force: a gateway whose software
    was changed must start.

    Raises:
        ConfigError: The own file is unreadable or says something that it may not.
    """
    own = _read(path, CONFIG_BYTES_MAX)
    assert own is not None, "only the remote file may be absent"
    config = parse_config(own, vocabulary)
    plain = InForce(config=config, sha256=sha256(own).digest())
    try:
        remote = _read(Path(config.gateway.state_dir) / REMOTE_FILE, TOML_BYTES_MAX, absent=True)
        return plain if remote is None else compose(own, remote, vocabulary)
    except ConfigError as error:
        return InForce(config=config, sha256=plain.sha256, refused=str(error))


def load_with(path: Path, remote: bytes | None, vocabulary: Vocabulary) -> InForce:
    """Return the configuration as it would be with ``remote`` in the state folder.

    Raises:
        ConfigError: Either is unreadable or says something that it may not.
    """
    own = _read(path, CONFIG_BYTES_MAX)
    assert own is not None, "only the remote file may be absent"
    if remote is None:
        return InForce(config=parse_config(own, vocabulary), sha256=sha256(own).digest())
    return compose(own, remote, vocabulary)


def compose(own: bytes, remote: bytes, vocabulary: Vocabulary) -> InForce:
    """Return the devices of ``remote`` on the machine of ``own``.

    Raises:
        ConfigError: Either is no TOML, or they say together what they may not.
    """
    mine, theirs = _tables("file", own), _tables(REMOTE_FILE, remote)
    for name in OWN_SECTIONS:
        if name in theirs:
            raise ConfigError(name, "a remote section", "in the machine's own file only")
    kept = {name: mine[name] for name in OWN_SECTIONS if name in mine}
    return InForce(
        config=config_of(kept | theirs, vocabulary),
        sha256=sha256(sha256(own).digest() + sha256(remote).digest()).digest(),
        remote=True,
    )


def _tables(name: str, data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(name, str(error), "TOML in UTF-8") from error


def _read(path: Path, bytes_max: int, *, absent: bool = False) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError as error:
        if absent:
            return None
        raise ConfigError(str(path), error.strerror, "a readable file") from error
    except OSError as error:
        raise ConfigError(str(path), error.strerror, "a readable file") from error
    if len(data) > bytes_max:
        raise ConfigError(str(path), f"{len(data)} bytes", f"at most {bytes_max} bytes")
    return data
