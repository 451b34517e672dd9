"""docs/adding-a-sensor.md says what is so: its code is run, its paths exist."""

import ast
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.decode.families import Family

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "adding-a-sensor.md").read_text(encoding="utf-8")
MODULE, REGISTRY, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def load(name: str, source: str) -> ModuleType:
    """Return ``source`` from the page as a module."""
    module = ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)  # The page is part of this repository.
    return module


def test_the_paths_on_the_page_exist() -> None:
    """Every file that the page sends a reader to is there, but the example's own."""
    named = set(re.findall(r"`((?:gateway|tests)/[\w/.]+)`", PAGE))

    missing = {path for path in named if not (ROOT / path).exists()}

    assert {Path(path).name for path in missing} == {"scale_sma.py", "test_scale_sma.py"}


def test_the_registry_line_fits_the_registry() -> None:
    """The line makes a family, written as the lines around it are."""
    module = load("gateway.decode.scale_sma", MODULE)
    line = ast.unparse(ast.parse(REGISTRY))

    made = eval(line, {"Family": Family, "scale_sma": module})
    assert (made.name, made.make().feed(b"")) == ("scale-sma", [])


def test_the_example_passes_its_own_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoder and test of the page agree, as they are printed."""
    module = load("gateway.decode.scale_sma", MODULE)
    monkeypatch.setitem(sys.modules, "gateway.decode.scale_sma", module)
    tests = load("test_scale_sma", TEST)
    functions = [value for name, value in vars(tests).items() if name.startswith("test_")]

    assert len(functions) == 2
    for function in functions:
        for mark in getattr(function, "pytestmark", []):
            for arguments in mark.args[1]:
                function(*arguments)
        if not hasattr(function, "pytestmark"):
            function()
