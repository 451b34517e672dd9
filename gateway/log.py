"""Logging: fixed event names with fields, one JSON object a line on standard error."""

import logging
import sys

import structlog


def configure_logging(level: str = "INFO") -> None:
    """Set up structlog for a program; libraries log warnings and worse through it."""
    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    for chatty in ("pymodbus", "mqtt"):  # They log each retry; we log transitions.
        logging.Logger.manager.getLogger(chatty).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
