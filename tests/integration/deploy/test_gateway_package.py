"""The gateway's Debian package: built, unpacked, and looked at as a machine would use it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.gateway_package import LIB, NAME, Architecture, build_package

EXPOSURE_MAX = 20  # systemd counts in tenths: 2.0.

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed"),
    pytest.mark.skipif(
        not Path("/usr/bin/python3.11").exists(), reason="the distribution has no Python 3.11"
    ),
    pytest.mark.timeout(600),  # Wheels come over the network.
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package for this machine; its compression is not what is tested."""
    machine = Architecture.ARM64 if os.uname().machine == "aarch64" else Architecture.AMD64
    return build_package(machine, tmp_path_factory.mktemp("dist"), xz_level=0)


@pytest.fixture(scope="module")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpack the package."""
    folder = tmp_path_factory.mktemp("tree")
    _run("dpkg-deb", "-x", str(package), str(folder))
    yield folder
    shutil.rmtree(folder)


def test_files_are_roots_and_the_configuration_is_kept_on_upgrade(package: Path) -> None:
    """Nothing that the daemon runs may be changed by its user; an edited file stays."""
    listing = _run("dpkg-deb", "-c", str(package)).splitlines()

    assert all(line.split()[1] == "root/root" for line in listing)
    assert _run("dpkg-deb", "-I", str(package), "conffiles") == "/etc/pledgewatch/gateway.toml\n"
    closed = [line for line in listing if line[7] != "r"]  # To others, as the daemon's user is.
    assert [line.split()[-1] for line in closed] == ["./etc/pledgewatch/gateway.toml"]


def test_commands_run_with_nothing_but_the_packages_own_modules(tree: Path) -> None:
    """The distribution's modules are not needed: -S leaves even its site-packages out."""
    lib = tree / LIB / "lib"
    code = f"import sys; sys.path.insert(0, {str(lib)!r}); from gateway.cli.app import app; app()"

    listed = _run("/usr/bin/python3.11", "-IBS", "-c", code, "decode", "--list")
    checked = subprocess.run(
        ["/usr/bin/python3.11", "-IBS", "-c", code, "check"],
        env={"PLEDGEWATCH_GATEWAY_CONFIG": str(tree / "etc/pledgewatch/gateway.toml")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "scale-sics" in listed
    assert "good; gateway gw-1, 0 sensors" in checked.stdout


def test_no_development_or_backend_dependency_is_in_it(tree: Path) -> None:
    """A gateway carries what it needs and no more."""
    carried = {path.name for path in (tree / LIB / "lib").iterdir()}

    assert {"gateway", "schemas", "cryptography", "msgspec", "serial", "pkcs11"} <= carried
    assert not carried & {"backend", "firmware_sim", "deploy", "numpy", "psycopg", "fastapi"}
    assert "pymodbus" not in carried


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_unit_is_valid_and_hardly_exposed(tree: Path, tmp_path: Path) -> None:
    """Systemd finds nothing to complain of, and scores the exposure below 2.0."""
    unit = tmp_path / f"{NAME}.service"
    text = (tree / f"usr/lib/systemd/system/{NAME}.service").read_text()
    unit.write_text(text.replace(f"/usr/bin/{NAME}", str(tree / f"usr/bin/{NAME}")))

    complaints = _run("systemd-analyze", "verify", str(unit), both=True)
    _run(
        *("systemd-analyze", "security", "--offline=true"),
        *(f"--threshold={EXPOSURE_MAX}", "--no-pager", str(unit)),
    )

    assert complaints == ""


def test_maintainer_scripts_and_launcher_are_shell_without_mistakes(tree: Path) -> None:
    """Each is read by the shell that will run it."""
    scripts = Path("deploy/gateway")
    for script in (scripts / "postinst", scripts / "prerm", scripts / "postrm"):
        _run("sh", "-n", str(script))
    _run("sh", "-n", str(tree / "usr/bin" / NAME))


def _run(*argv: str, both: bool = False) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout + (done.stderr if both else "")
