"""Reads one TOML table key by key, with errors that name the key, the value and the bound."""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final, cast

from firmware_sim.errors import ScenarioError

_MISSING: Final = object()
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


class Table:
    """One TOML table; call ``finish`` at its end, so that a misspelt key is refused."""

    def __init__(self, raw: Mapping[str, object], path: str) -> None:
        """Wrap ``raw``, found at ``path`` of the file (for error texts)."""
        self._raw = dict(raw)
        self._path = path
        self._asked: set[str] = set()

    def path(self, key: str) -> str:
        """Return the full name of ``key`` in the file."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Return whether the table holds ``key``."""
        return key in self._raw

    def _take(self, key: str, default: object) -> object:
        self._asked.add(key)
        value = self._raw.get(key, default)
        if value is _MISSING:
            raise ScenarioError(key=self.path(key), value=None, bound="is missing")
        return value

    def text(
        self, key: str, *, among: Collection[str] | None = None, default: object = _MISSING
    ) -> str:
        """Return a non-empty text, one of ``among`` if that is given.

        Raises:
            ScenarioError: it is missing, not a text, empty, or not one of ``among``.
        """
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            raise ScenarioError(key=self.path(key), value=value, bound="must be a text")
        if among is not None and value not in among:
            known = ", ".join(sorted(among)) or "none is defined"
            raise ScenarioError(key=self.path(key), value=value, bound=f"must be one of: {known}")
        return value

    def number(self, key: str, *, low: float, high: float, default: object = _MISSING) -> float:
        """Return a number within ``low`` to ``high``, both allowed.

        Raises:
            ScenarioError: it is missing, no number, or out of bounds.
        """
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScenarioError(key=self.path(key), value=value, bound="must be a number")
        if not low <= value <= high:
            bound = f"must be within {low:g} to {high:g}"
            raise ScenarioError(key=self.path(key), value=value, bound=bound)
        return float(value)

    def integer(self, key: str, *, low: int, high: int, default: object = _MISSING) -> int:
        """Return a whole number within ``low`` to ``high``, both allowed.

        Raises:
            ScenarioError: it is missing, not whole, or out of bounds.
        """
        value = self.number(key, low=low, high=high, default=default)
        if not value.is_integer():
            raise ScenarioError(key=self.path(key), value=value, bound="must be a whole number")
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false.

        Raises:
            ScenarioError: it is anything else.
        """
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise ScenarioError(key=self.path(key), value=value, bound="must be true or false")
        return value

    def numbers(self, key: str, *, low: float, high: float) -> tuple[float, ...]:
        """Return a non-empty list of numbers within ``low`` to ``high``.

        Raises:
            ScenarioError: it is missing, empty, or one of them is no such number.
        """
        value = self._take(key, _MISSING)
        entries = cast("list[object]", value) if isinstance(value, list) else []
        if not entries:
            raise ScenarioError(
                key=self.path(key), value=entries, bound="must be a list of numbers"
            )
        return tuple(
            Table({"": entry}, self.path(f"{key}[{place}]")).number("", low=low, high=high)
            for place, entry in enumerate(entries)
        )

    def span(
        self, key: str, *, low: float, high: float, default: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Return a range: ``[least, most]`` within ``low`` to ``high``, or one number for both.

        Raises:
            ScenarioError: it is missing without a default, no such range, or runs backwards.
        """
        if default is not None and not self.has(key):
            self._asked.add(key)
            return default
        if not isinstance(self._raw.get(key), list):
            value = self.number(key, low=low, high=high)
            return value, value
        found = self.numbers(key, low=low, high=high)
        if len(found) != 2 or found[0] > found[1]:
            bound = "must be [least, most] or one number"
            raise ScenarioError(key=self.path(key), value=list(found), bound=bound)
        return found[0], found[1]

    def whole_span(
        self, key: str, *, low: int, high: int, default: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Return a range of whole numbers, as ``span`` does.

        Raises:
            ScenarioError: as for ``span``, or it is not whole.
        """
        least, most = self.span(key, low=low, high=high, default=default)
        if least != int(least) or most != int(most):
            value = [least, most]
            raise ScenarioError(key=self.path(key), value=value, bound="must be whole numbers")
        return int(least), int(most)

    def time_s(self, key: str, *, default: object = _MISSING) -> int:
        """Return a time of the day, ``"HH:MM"`` or ``"HH:MM:SS"``, in seconds since midnight.

        Raises:
            ScenarioError: it is missing or no such time.
        """
        text = self.text(key, default=default)
        found = _TIME.fullmatch(text)
        if found is None:
            raise ScenarioError(key=self.path(key), value=text, bound="must be a time as 14:30")
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return hours * 3_600 + minutes * 60 + seconds

    def day(self, key: str, *, default: date) -> date:
        """Return a date, written without quotes as ``2026-03-02``.

        Raises:
            ScenarioError: it is anything else.
        """
        value = self._take(key, default)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise ScenarioError(key=self.path(key), value=value, bound="must be a date")
        return value

    def keys(self) -> tuple[str, ...]:
        """Return the keys that the table holds."""
        return tuple(self._raw)

    def texts(self, key: str, *, among: Collection[str] | None = None) -> tuple[str, ...]:
        """Return a non-empty list of texts.

        Raises:
            ScenarioError: it is missing, empty, or holds anything else.
        """
        value = self._take(key, _MISSING)
        entries = cast("list[object]", value) if isinstance(value, list) else []
        if not entries:
            raise ScenarioError(key=self.path(key), value=entries, bound="must be a list of texts")
        found: list[str] = []
        for number, entry in enumerate(entries):
            one = Table({"": entry}, self.path(f"{key}[{number}]"))
            found.append(one.text("", among=among))
        return tuple(found)

    def points(self, key: str) -> tuple[tuple[float, float], ...]:
        """Return a polygon: three or more ``[x, y]`` pairs in metres.

        Raises:
            ScenarioError: it is missing or is no such list.
        """
        value = self._take(key, _MISSING)
        bound = "must be a list of three or more [x, y] pairs in metres"
        found: list[tuple[float, float]] = []
        for corner in cast("list[object]", value) if isinstance(value, list) else ():
            match corner:
                case [int() | float() as x, int() | float() as y]:
                    found.append((float(x), float(y)))
                case _:
                    raise ScenarioError(key=self.path(key), value=corner, bound=bound)
        if len(found) < 3:
            raise ScenarioError(key=self.path(key), value=found, bound=bound)
        return tuple(found)

    def table(self, key: str) -> "Table":
        """Return the table below ``key``; an empty one if it is absent.

        Raises:
            ScenarioError: the key holds something else.
        """
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise ScenarioError(key=self.path(key), value=value, bound="must be a table")
        return Table(cast("dict[str, object]", value), self.path(key))

    def tables(self, key: str) -> list["Table"]:
        """Return the tables of the array ``[[key]]``; none if it is absent.

        Raises:
            ScenarioError: the key holds something else.
        """
        value = self._take(key, [])
        entries = cast("list[object]", value) if isinstance(value, list) else [value]
        found: list[Table] = []
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise ScenarioError(key=self.path(key), value=entry, bound="must be [[tables]]")
            found.append(Table(cast("dict[str, object]", entry), self.path(f"{key}[{number}]")))
        return found

    def finish(self) -> None:
        """Refuse the keys that nobody asked for.

        Raises:
            ScenarioError: the table holds an unknown key.
        """
        for key, value in self._raw.items():
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                raise ScenarioError(
                    key=self.path(key), value=value, bound=f"unknown key; known here: {known}"
                )
