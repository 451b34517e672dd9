"""Logs are JSON lines for machines, text for people, and hold no secrets."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from gateway.log import LogLevel, configure_logging


class Terminal(io.StringIO):
    """A stream on which somebody looks."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    """Leave structlog as it was."""
    yield
    structlog.reset_defaults()


def log_failure(password: str) -> None:
    """Log an error from a frame that holds a secret."""
    try:
        raise ValueError("torn")
    except ValueError:
        structlog.get_logger().exception("broken", sensor="s-1", password=password)


def test_lines_are_json_where_nobody_looks() -> None:
    """Each line is one object with event, level, time and fields."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("sensor_health", sensor="scale-1", state="up")
    structlog.get_logger().debug("not_shown")

    (line,) = stream.getvalue().splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["level"], logged["sensor"]) == (
        "sensor_health",
        "info",
        "scale-1",
    )
    assert logged["timestamp"].endswith("Z")


def test_people_read_text_on_a_terminal() -> None:
    """On a terminal a line is no JSON, and debug shows when it is asked for."""
    stream = Terminal()
    configure_logging(LogLevel.DEBUG, stream)
    structlog.get_logger().debug("looked_up", sensor="scale-1")

    assert "looked_up" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_secrets_are_masked(stream: io.StringIO) -> None:
    """Neither a field nor the variables of a traceback's frames show a password."""
    configure_logging(stream=stream)
    log_failure("open-sesame")

    assert "torn" in stream.getvalue()
    assert "***" in stream.getvalue()
    assert "open-sesame" not in stream.getvalue()
