"""A token for each test."""

from pathlib import Path

import pytest

from tests.integration.token.softhsm import SoftToken, find_module, make_token


@pytest.fixture
def soft_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A new SoftHSM2 token, which this process and its children see."""
    module = find_module()
    if module is None:
        pytest.skip("softhsm2 is not installed")
    token = make_token(tmp_path / "softhsm", module)
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    return token
