"""Which command was executed last, and the answer: so that each is executed once, answered often.

A command is noted before it is executed. After a power cut in the middle the answer is
"interrupted": executing it again would be worse than not at all.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog

from gateway.errors import StateError
from gateway.signing import save_private
from schemas.command import CommandType
from schemas.quantities import EventType

LEDGER_FILE: Final = "commands.json"
LEDGER_BYTES_MAX: Final = 16_384  # An answer's body is at most 4,096 bytes, twice that in hex.

_log = structlog.get_logger()


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last command: ``answer_type`` None while it is being executed; ``answer`` is hex."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    number: Annotated[int, msgspec.Meta(ge=0)] = 0
    type: CommandType | None = None
    signed_unix_us: Annotated[int, msgspec.Meta(ge=0)] = 0
    answer_type: EventType | None = None
    answer: str = ""


class Ledger:
    """The ledger of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        """Read the ledger; one that is torn is set aside, because the daemon must start.

        Old commands could then be taken for new ones: no older than their own end.

        Raises:
            StateError: It is there and may not be read.
        """
        self._path = state_dir / LEDGER_FILE
        try:
            with self._path.open("rb") as file:
                data = file.read(LEDGER_BYTES_MAX + 1)
            self.last = msgspec.json.decode(data, type=Entry)
        except FileNotFoundError:
            self.last = Entry()
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror or error}") from error
        except msgspec.MsgspecError as error:
            aside = self._path.with_name(f"{LEDGER_FILE}.torn")
            self._path.replace(aside)
            _log.error("command_ledger_torn", file=str(aside), why=str(error))
            self.last = Entry()

    def save(self, entry: Entry) -> None:
        """Make ``entry`` the last one; it then survives a power cut.

        Raises:
            StateError: The disk refuses.
        """
        save_private(self._path, msgspec.json.encode(entry) + b"\n", "ledger of commands")
        self.last = entry
