"""Sensors that say again what they said days before, value for value: somebody plays a record."""

from collections.abc import Sequence
from typing import Final

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.echoes import SLOT_US, VALUES
from backend.collateral.rules.told import is_told, reading
from backend.collateral.types import Fact, FactKind, Json, LotSetup

HOLD_US: Final = 2 * SLOT_US  # A record is met again about once an hour, while it is played.
GRAVE_BITS_MIN: Final = 50  # Beyond doubt: one chance in 2**28 in a month.
_LN_2: Final = 0.693


def judge_echoes(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return a lot's sensors that repeat themselves."""
    facts: list[Fact] = []
    for binding in setup.bindings:
        state = seen.sensors.get(binding.key)
        if state is None:
            continue
        for quantity, echo in state.echoes.items():
            fresh = seen.now_us - echo.arrived_us < HOLD_US
            told = fresh or is_told(echo.arrived_us, seen.since_us, seen.now_us)
            if echo.found is None or not told:
                continue
            name = f"{binding.gateway}/{binding.sensor}"
            grave = echo.bits >= GRAVE_BITS_MIN
            facts.append(
                Fact(
                    key=f"replay:{name}/{quantity.value}",
                    kind=FactKind.TAMPER,
                    grave=grave,
                    text=f"{name} says again what it said before",
                    evidence=(
                        reading(
                            binding.key,
                            quantity,
                            echo.found,
                            f"the last of {VALUES} values that came in this order before",
                            "noise of its own",
                            echo.bits * _LN_2,
                        ),
                    ),
                    probability=0.999 if grave else 0.95,
                    began_us=echo.found.made_us,
                )
            )
    return facts


DETECTOR: Final = Detector(name="replay", judge=judge_echoes)
