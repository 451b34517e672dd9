"""Settings from the environment."""

import os

import pytest

from backend.config import load_settings
from backend.errors import ConfigurationError

URL = "postgresql://h/d"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment."""
    for name in list(os.environ):
        if name.startswith("PLEDGEWATCH_"):
            monkeypatch.delenv(name)


def test_the_database_is_all_that_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else has a default for one machine."""
    monkeypatch.setenv("PLEDGEWATCH_DATABASE_URL", URL)
    settings = load_settings()
    assert (settings.database_url, settings.http_port, settings.mqtt_url) == (URL, 8080, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://h/d"),
        ("MQTT_URL", "127.0.0.1:1883"),
        ("PUBLIC_MQTT_URL", "http://h"),
        ("SIMULATOR_URL", "h:1"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "x"),
        ("SESSION_HOURS", "0"),
        ("SESSION_HOURS", "9999"),
        ("BROKER_SECRET", "short"),
    ],
)
def test_a_value_out_of_bounds_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """By the variable's name, and never by its value, which may hold a password."""
    monkeypatch.setenv("PLEDGEWATCH_DATABASE_URL", URL)
    monkeypatch.setenv(f"PLEDGEWATCH_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"PLEDGEWATCH_{name}: " in caught.value.message
    assert len(value) < 3 or value not in caught.value.message


def test_a_missing_database_is_named() -> None:
    """So that nobody searches for it."""
    with pytest.raises(ConfigurationError, match="PLEDGEWATCH_DATABASE_URL is not set"):
        load_settings()
