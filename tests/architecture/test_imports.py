"""Who may import whom: the rules of ARCHITECTURE.md, read from the syntax alone.

import-linter checks the layers, and indirect imports; these tests also see what it cannot: imports
inside ``deploy``, and rules that go by a file's name.
"""

import sys
from pathlib import Path

import pytest

from tests.architecture.tree import (
    MODULES,
    PROGRAMS,
    ROOT,
    imports_of,
    name_of,
    packages_of,
)

# Where SQL may be, in the backend; migrations/ beside it.
SQL_FILES = {"db.py", "migrate.py", "layout.py"}
SCHEMAS_MAY_IMPORT = {"schemas", "cbor2"}


def _modules_of(*packages: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(ROOT).parts[0] in packages]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_meet_only_in_schemas(program: str) -> None:
    """Gateway, backend and simulator import each other never."""
    others = set(PROGRAMS) - {program}

    assert {name_of(path) for path in _modules_of(program) if others & packages_of(path)} == set()


def test_nothing_imports_deploy() -> None:
    """Deploy puts the programs together; none of them knows it."""
    importers = {
        name_of(path)
        for path in _modules_of(*PROGRAMS, "schemas")
        if {"deploy", "tests"} & packages_of(path)
    }

    assert importers == set()


def test_schemas_needs_the_standard_library_and_cbor2() -> None:
    """What every program installs stays small."""
    allowed = SCHEMAS_MAY_IMPORT | sys.stdlib_module_names

    assert {
        name_of(path) for path in _modules_of("schemas") if packages_of(path) - allowed
    } == set()


def test_database_driver_is_imported_where_sql_lives() -> None:
    """Of the backend, only stores, db.py, the table layout and migrations import psycopg."""
    importers = {
        name_of(path)
        for path in _modules_of("backend")
        if "psycopg" in packages_of(path) and not _may_hold_sql(path)
    }

    assert importers == set()


def test_gateway_and_simulator_know_no_database_server() -> None:
    """Neither reaches around the backend."""
    importers = {
        name_of(path)
        for path in _modules_of("gateway", "firmware_sim", "schemas")
        if {"psycopg", "psycopg_pool", "sqlalchemy", "alembic"} & packages_of(path)
    }

    assert importers == set()


def test_simulator_borrows_no_decoder() -> None:
    """The devices' bytes come from the vendors' papers, not from the code that reads them."""
    libraries = {"pynmeagps", "pyubx2", "epcpy"}

    assert {
        name_of(path) for path in _modules_of("firmware_sim") if libraries & packages_of(path)
    } == set()


def test_each_module_of_a_decoder_or_rule_is_pure() -> None:
    """No clock, randomness, file or network in decoders, rules and types, directly."""
    impure = {"asyncio", "socket", "time", "random", "secrets", "os", "pathlib", "structlog"}
    pure = [
        path
        for path in _modules_of("gateway", "backend")
        if (path.parent.name == "decode" and path.name != "cli.py")
        or _is_named(path, "rules")
        or _is_named(path, "types")
    ]

    assert pure
    assert {
        name_of(path): impure & packages_of(path) for path in pure if impure & packages_of(path)
    } == {}


def _is_named(path: Path, name: str) -> bool:
    """Say whether a module is ``name``, as a file or inside a folder of that name."""
    return path.stem == name or path.stem.startswith(f"{name}_") or path.parent.name == name


def _may_hold_sql(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return path.name in SQL_FILES or _is_named(path, "store") or parts[1] == "migrations"


def test_imports_are_read_as_written() -> None:
    """The checks above see plain imports and from-imports."""
    assert "pathlib.Path" in imports_of(Path(__file__))
    assert {"tests", "sys", "pytest"} <= packages_of(Path(__file__))
