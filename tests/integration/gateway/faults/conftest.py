"""What every fault needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.broker import EmbeddedBroker
from tests.integration.gateway.faults.site import USERS


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS) as running:
        yield running
