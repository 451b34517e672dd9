"""The kinds that run; another one is added here."""

from typing import Final

from backend.applications.service.movable import RUNNING_MOVABLE
from backend.applications.service.running import Running

RUNNING: Final[dict[str, Running]] = {RUNNING_MOVABLE.kind.name: RUNNING_MOVABLE}
