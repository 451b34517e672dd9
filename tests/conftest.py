"""Fixtures by topic, for every test."""

pytest_plugins = (
    "tests.fixtures.database",
    "tests.fixtures.api",
    "tests.fixtures.leaks",
    "tests.fixtures.logs",
    "tests.fixtures.order",
    "tests.fixtures.passwords",
    "tests.fixtures.properties",
)
