"""Reads one TOML table key by key, with errors that name the key, the value and the bound."""

from collections.abc import Collection, Mapping
from typing import Final, cast

from firmware_sim.errors import ScenarioError

_MISSING: Final = object()


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
