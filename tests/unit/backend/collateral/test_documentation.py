"""docs/adding-a-detector.md says what is so: its code is run, its paths exist."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from backend.collateral.rules.detectors import DETECTORS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "adding-a-detector.md").read_text(encoding="utf-8")
MODULE, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def load(name: str, source: str) -> ModuleType:
    """Return ``source`` from the page as a module."""
    module = ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)  # The page is part of this repository.
    return module


def test_the_paths_on_the_page_exist() -> None:
    """Every file that the page sends a reader to is there, but the example's own."""
    named = set(re.findall(r"`((?:backend|tests)/[\w/.]+)`", PAGE))

    missing = {path for path in named if not (ROOT / path).exists()}

    assert {Path(path).name for path in missing} == {"askew.py", "test_askew.py"}


def test_the_example_passes_its_own_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detector and test of the page agree, as they are printed."""
    name = "backend.collateral.rules.detectors.askew"
    module = load(name, MODULE)
    monkeypatch.setitem(sys.modules, name, module)
    tests = load("test_askew", TEST)
    functions = [value for name, value in vars(tests).items() if name.startswith("test_")]

    assert len(functions) == 3
    assert module.DETECTOR.name not in {detector.name for detector in DETECTORS}
    for function in functions:
        function()
