"""Tells the backend when the gateway's key cannot sign, and when it can again.

The reading that says so is journalled at once, and travels when the key is back: until then the
backend knows by silence.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.health import HealthState
from gateway.signing import Signer
from schemas.quantities import EventType

WHY_CHARS_MAX: Final = 200  # What a token's module says may be long.


class KeyWatch:
    """Looks at the key's holder at every tick; a token that is out is told once, and once back."""

    def __init__(
        self, signer: Signer, announce: Callable[[EventType, Mapping[str, object]], None]
    ) -> None:
        self._signer = signer
        self._announce = announce
        self._away = False

    def look(self) -> None:
        """Journal a change; costs nothing else."""
        fault = self._signer.fault
        if bool(fault) == self._away:
            return
        self._away = bool(fault)
        state = HealthState.SILENT if fault else HealthState.UP
        why = f"key: {fault}"[:WHY_CHARS_MAX] if fault else "key: signs again"
        self._announce(EventType.HEALTH, {"state": state.value, "why": why})
