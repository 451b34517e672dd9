"""How a kind of application goes, declared as data: states, and the steps between them.

Nothing of a kind is in the engine: another kind is another value of ``Kind``, with guards and
effects by the names that it uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Values = Mapping[str, object]


class Seat(StrEnum):
    """A part that a party plays in an application; by the name of its role, or the platform."""

    BORROWER = "borrower"
    LENDER = "lender"
    LOGISTICS = "logistics"
    CORE_ENTERPRISE = "core_enterprise"
    SUPPLIER = "supplier"
    LICENSEE = "licensee"
    APPRAISER = "appraiser"
    PLATFORM = "platform"


class FieldKind(StrEnum):
    """What a field of a step holds: whole numbers by their unit, text, or a list."""

    TEXT = "text"
    CURRENCY = "currency"
    MONEY = "money"
    BPS = "bps"
    COUNT = "count"
    LOTS = "lots"
    GOODS = "goods"


NUMBERS: Final = frozenset({FieldKind.MONEY, FieldKind.BPS, FieldKind.COUNT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a step asks for. Bounds are of the number, the characters, or the list's length.

    ``offered`` is what a form proposes; ``unit`` what a person reads behind the number.
    """

    name: str
    label: str
    kind: FieldKind
    at_least: int
    at_most: int
    offered: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the way that people count; it may take several steps."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act of one actor that leads from a state to a state.

    ``begins`` are the states that wait for it, ``also`` those where it may be done though nobody
    waits for it; both are empty for the step that opens an application. ``signs``: which
    document's bytes the actor signs with its own key. ``does``: which effect it has besides.
    ``side``: it leads off the way, as withdrawing does. ``timed``: it is done by the platform
    when the deadline of the application is over, and nothing else may be done then in the states
    where it begins.
    """

    name: str
    title: str
    stage: str
    actor: Seat
    begins: tuple[str, ...]
    becomes: str
    also: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    signs: str | None = None
    does: str | None = None
    side: bool = False
    timed: bool = False

    @property
    def leaves(self) -> tuple[str, ...]:
        """The states where it may be done."""
        return (*self.begins, *self.also)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of application: who takes part, and how it goes. ``ends``: states that are final."""

    name: str
    title: str
    seats: frozenset[Seat]
    stages: tuple[Stage, ...]
    states: tuple[str, ...]
    ends: frozenset[str]
    steps: tuple[Step, ...]

    @property
    def opening(self) -> Step:
        """The step that opens an application."""
        return next(step for step in self.steps if not step.leaves)

    def step(self, name: str) -> Step | None:
        """Return the step of a name, if there is one."""
        return next((step for step in self.steps if step.name == name), None)

    def steps_from(self, state: str) -> Sequence[Step]:
        """Return the steps that begin in a state."""
        return [step for step in self.steps if state in step.leaves]
