"""An application as one actor sees it: where it stands, what was done, what it may do now."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.applications.rules.machine import Decision
from backend.applications.types.machine import Kind, Seat, Step
from backend.applications.types.record import Application, Document, DoneStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """A step that begins where the application stands, of the viewer's seat; and what is said."""

    step: Step
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """All of an application; ``awaited`` are the steps that it waits for.

    ``seat`` is the viewer's, and ``chances`` its own steps now, allowed or not.
    """

    application: Application
    kind: Kind
    seat: Seat | None
    awaited: Sequence[Step]
    chances: Sequence[Chance]
    steps: Sequence[DoneStep]
    documents: Sequence[Document]

    @property
    def waits_for_viewer(self) -> bool:
        """Whether one of the steps that it waits for is the viewer's."""
        return any(step.actor is self.seat for step in self.awaited)
