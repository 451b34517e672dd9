"""What the decoder tests share: where the captures are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def captures() -> Path:
    """Return the folder of real captures; skip where it is absent."""
    default = ROOT.parent / "shared" / "data"
    path = Path(os.environ.get("PLEDGEWATCH_CAPTURES", default))
    if not path.is_dir():
        pytest.skip(f"no captures in {path}; set PLEDGEWATCH_CAPTURES")
    return path
