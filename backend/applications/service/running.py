"""What a kind needs to run: its declaration, and the functions behind the names in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backend.applications.types.machine import Kind, Step, Values
from backend.applications.types.record import Application, Document
from backend.db import Conn
from backend.facility.types import Reason
from backend.parties.types import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """A step that is being done: by whom, with what, when; ``id`` is the caller's."""

    conn: Conn
    actor: Actor
    id: UUID
    application: Application
    values: Values
    now: datetime


Effect = Callable[[Doing], Application]
Asked = Callable[[Conn, Application, Step, Values | None, datetime], Sequence[Reason]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A kind with what it does.

    ``ask`` loads what a step's guards look at and returns what they found. ``to_sign`` returns
    the document that a step signs.
    """

    kind: Kind
    effects: Mapping[str, Effect]
    ask: Asked
    to_sign: Callable[[Conn, Application, str], Document | None]
