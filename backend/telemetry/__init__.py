"""Readings at rest: appended by the worker in columns, read back by channel and time."""
