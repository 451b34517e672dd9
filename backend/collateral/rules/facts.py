"""What is wrong with a lot's doors and cameras, in words and with the readings behind it."""

from backend.collateral.rules.surveillance import TAMPER_GRAVE_US, tampers
from backend.collateral.rules.told import reading
from backend.collateral.types import Binding, Fact, FactKind, Purpose, SensorState


def tamper_facts(binding: Binding, state: SensorState | None, now_us: int) -> list[Fact]:
    """Return what was done to a door or camera."""
    done = tampers(binding, state)
    if not done:
        return []
    return [
        Fact(
            key=f"tamper:{binding.gateway}/{binding.sensor}:{what}",
            kind=FactKind.TAMPER,
            grave=binding.purpose is Purpose.CAMERA and now_us - sample.made_us > TAMPER_GRAVE_US,
            text=f"{binding.gateway}/{binding.sensor} ({binding.purpose.value}): {what}",
            evidence=(reading(binding.key, None, sample, what),),
            began_us=sample.made_us,
        )
        for what, sample in sorted(done.items())
    ]
