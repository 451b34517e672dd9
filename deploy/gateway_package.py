"""The gateway as a Debian package: one file that apt installs, upgrades and removes.

Modules, pinned by hash, lie in a folder of their own below ``/usr/lib/pledgewatch-gateway``: no
module of the distribution can change what the gateway runs, and it changes none of theirs. The
machine needs Python 3.11, as Debian 12 and Raspberry Pi OS 12 have it, and no network at install.

A package for 64-bit Arm can be built on any machine: every dependency has wheels for it.
"""

import compileall
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from deploy.errors import DeployError
from deploy.processes import Program, output_of
from deploy.stack import ROOT

NAME: Final = "pledgewatch-gateway"
LIB: Final = Path("usr/lib") / NAME
SOURCES: Final = ROOT / "deploy/gateway"
PACKAGES: Final = ("gateway", "schemas")
PIP_S_MAX: Final = 900.0  # Twenty wheels over a slow line.
XZ_LEVEL: Final = 6  # As Debian's own.
GLIBC: Final = range(17, 37)  # manylinux_2_17 to 2_36, which is Debian 12's.

CONTROL: Final = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: Pledgewatch <pledgewatch@localhost>
Depends: python3.11, python3.11-minimal, systemd, util-linux
Suggests: chrony | systemd-timesyncd
Section: net
Priority: optional
Installed-Size: {kib}
Description: watches pledged goods with sensors
 Reads RFID readers, scales, GNSS receivers, Modbus devices and cameras, signs
 what they say, keeps it on disk until the backend confirms it.
"""


class Architecture(StrEnum):
    """What a package can be built for."""

    AMD64 = "amd64"
    ARM64 = "arm64"


_MACHINES: Final = {Architecture.AMD64: "x86_64", Architecture.ARM64: "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    source: str
    target: str
    mode: int = 0o644


_FILES: Final = (
    _File(source="launcher.sh", target=f"usr/bin/{NAME}", mode=0o755),
    _File(source="start", target=f"{LIB}/start"),
    _File(source="gateway.toml", target="etc/pledgewatch/gateway.toml", mode=0o640),
    _File(source="sysusers.conf", target=f"usr/lib/sysusers.d/{NAME}.conf"),
    _File(source="udev.rules", target=f"usr/lib/udev/rules.d/60-{NAME}.rules"),
    _File(source=f"../systemd/{NAME}.service", target=f"usr/lib/systemd/system/{NAME}.service"),
    _File(source="../../LICENSE", target=f"usr/share/doc/{NAME}/copyright"),
    _File(source="../../docs/installer.md", target=f"usr/share/doc/{NAME}/installer.md"),
    _File(
        source="../../docs/gateway-configuration.md",
        target=f"usr/share/doc/{NAME}/gateway-configuration.md",
    ),
)


def build_package(architecture: Architecture, output: Path, *, xz_level: int = XZ_LEVEL) -> Path:
    """Build the package into the folder ``output``; return its file.

    ``xz_level`` is from 0, which is ten times as fast, to 9.

    Raises:
        DeployError: A tool is missing or failed; its words are in it.
    """
    if shutil.which("dpkg-deb") is None:
        raise DeployError("dpkg-deb is not installed: build on Debian or Raspberry Pi OS")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{NAME}_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-") as folder:
        tree = Path(folder) / "tree"
        fill_tree(tree, architecture, version)
        # Root's files, whoever builds.
        compression = ("-Zxz", f"-z{xz_level}")
        _run("dpkg-deb", "--root-owner-group", *compression, "--build", str(tree), str(file))
    return file


def fill_tree(tree: Path, architecture: Architecture, version: str) -> None:
    """Lay the package's files out below ``tree``."""
    lib = tree / LIB / "lib"
    lib.mkdir(parents=True)
    tree.chmod(0o755)
    _install_wheels(lib, architecture)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "vectors")
        shutil.copytree(ROOT / package, lib / package, ignore=ignored)
    _describe(lib, version)
    # By content, not by time: the files are as old as the package, whatever the clock says.
    compileall.compile_dir(
        lib,
        quiet=2,
        workers=0,
        stripdir=str(tree),
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    for file in _FILES:
        target = tree / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCES / file.source, target)
        target.chmod(file.mode)
    _write_control(tree, architecture, version)


def _install_wheels(lib: Path, architecture: Architecture) -> None:
    machine = _MACHINES[architecture]
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)]
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-compile", "--require-hashes", "--only-binary=:all:"),
        *("--implementation=cp", "--python-version=3.11", "--abi=cp311", "--abi=abi3"),
        *("--abi=none", *platforms, f"--platform=manylinux2014_{machine}"),
        *("--target", str(lib), "-r", str(ROOT / "requirements/gateway-pkcs11.txt")),
    )
    shutil.rmtree(lib / "bin", ignore_errors=True)  # Commands of libraries: ours is enough.
    for path in lib.rglob("*"):  # The daemon's user reads them, whatever our umask is.
        path.chmod(0o755 if path.is_dir() else 0o644)


def _describe(lib: Path, version: str) -> None:
    """Write what ``importlib.metadata`` reads: which version this is."""
    info = lib / f"pledgewatch-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: pledgewatch\nVersion: {version}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")


def _write_control(tree: Path, architecture: Architecture, version: str) -> None:
    size = sum(f.stat().st_size for f in tree.rglob("*") if f.is_file())
    folder = tree / "DEBIAN"
    folder.mkdir()
    text = CONTROL.format(name=NAME, version=version, architecture=architecture, kib=size // 1024)
    (folder / "control").write_text(text, encoding="utf-8")
    (folder / "conffiles").write_text("/etc/pledgewatch/gateway.toml\n", encoding="utf-8")
    for script in ("postinst", "prerm", "postrm"):
        shutil.copyfile(SOURCES / script, folder / script)
        (folder / script).chmod(0o755)


def _run(*argv: str) -> None:
    output_of(Program(name=Path(argv[0]).name, argv=argv), PIP_S_MAX)
