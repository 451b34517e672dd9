"""The daemon and its commands as processes of their own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
GATEWAY = "gw-test"
COMMAND_S_MAX = 30.0
_CACHES = shutil.ignore_patterns("__pycache__")


def scale_section(sensor: str, port: str, more: str = "") -> str:
    """Return the section of one scale."""
    return f'[[serial]]\nsensor = "{sensor}"\nfamily = "scale-ad"\nport = "{port}"\n{more}\n'


def write_config(
    folder: Path, url: str, *sections: str, backend_key: bytes | None = None, more: str = ""
) -> Path:
    """Write a gateway's configuration; without ``backend_key`` it has to be enrolled."""
    key = "" if backend_key is None else f'backend_key = "{backend_key.hex()}"\n'
    path = folder / "gateway.toml"
    path.write_text(
        f'[gateway]\nid = "{GATEWAY}"\nstate_dir = "{folder / "state"}"\n'
        f'[uplink]\nurl = "{url}"\nreceipt_timeout_s = 1.0\n{key}{more}\n' + "".join(sections),
        encoding="utf-8",
    )
    return path


def install(folder: Path) -> Path:
    """Copy the gateway's program; who works in the checkout meanwhile does not change it.

    A gateway attests the digest of its files at each start. Return where it runs from.
    """
    home = folder / "program"
    for package in ("gateway", "schemas"):
        shutil.copytree(ROOT / package, home / package, ignore=_CACHES)
    return home


def gateway(*arguments: str, home: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run one command of the gateway to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
    )


@asynccontextmanager
async def daemon(
    config: Path,
    environment: Mapping[str, str] | None = None,
    *,
    program: Sequence[str] = ("gateway",),
    home: Path = ROOT,
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run the daemon meanwhile; it is stopped in order unless it has ended.

    ``program`` is the module to run, with what comes before its command; ``home`` where it is.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *program, "run", "--config", str(config)),
        cwd=home,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), COMMAND_S_MAX)
