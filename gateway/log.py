"""Logging: fixed event names with fields; JSON lines, or plain text on a terminal.

Secrets never appear: fields that would hold one are masked whoever logs them, and a traceback
shows no local variables.
"""

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, Final, TextIO

import structlog

_SECRETS: Final = frozenset({"password", "secret", "token", "pin", "code", "private_key"})
_CHATTY: Final = ("mqtt",)  # It logs each retry; we log transitions.


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"  # Changes of state.
    WARNING = "warning"  # What somebody should look at.
    ERROR = "error"


def configure_logging(level: LogLevel = LogLevel.INFO, stream: TextIO = sys.stderr) -> None:
    """Set up structlog for a program; libraries log warnings and worse beside it."""
    number = logging.getLevelNamesMapping()[level.name]
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(name)s: %(message)s")
    for chatty in _CHATTY:
        logging.Logger.manager.getLogger(chatty).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            mask_secrets,
            *_renderers(stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
    )


def mask_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Return ``event`` with the values masked of fields that are named like a secret."""
    for name in event:
        if name in _SECRETS:
            event[name] = "***"
    return event


def _renderers(stream: TextIO) -> list[structlog.typing.Processor]:
    if stream.isatty():
        # The default would print the variables of every frame, passwords among them.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
