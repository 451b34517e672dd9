"""House rules that no linter checks: sizes, and a docstring for every package."""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import MODULES, PACKAGES, ROOT, TESTS, name_of, syntax_of

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_module_and_functions_fit_the_limits(path: Path) -> None:
    """A module is at most 400 lines and a function at most 60, in tests too."""
    long_functions = [
        f"{node.name}:{node.lineno}"
        for node in ast.walk(syntax_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX
    assert long_functions == []


@pytest.mark.parametrize("name", PACKAGES)
def test_every_folder_of_modules_is_a_package_that_says_what_it_is(name: str) -> None:
    """Each folder with modules has an ``__init__.py`` whose first statement is a docstring."""
    folders = {path.parent for path in (ROOT / name).rglob("*.py")}

    silent = [
        name_of(folder)
        for folder in sorted(folders)
        if not (folder / "__init__.py").is_file()
        or ast.get_docstring(syntax_of(folder / "__init__.py")) is None
    ]

    assert silent == []


def test_every_module_says_what_it_does() -> None:
    """Each module begins with a docstring; in tests as well."""
    silent = [
        name_of(path)
        for path in [*MODULES, *TESTS]
        if path.stat().st_size and ast.get_docstring(syntax_of(path)) is None
    ]

    assert silent == []
