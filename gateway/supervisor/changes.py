"""What a new configuration asks of a running gateway. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.config.file import Config
from gateway.drivers.plan.device import DriverPlan
from gateway.errors import ConfigError

# Sections that are read once, at the start.
_FIXED: Final = ("key", "seal", "outbox", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Drivers to stop, by name, and to start; those in both are restarted."""

    stop: Sequence[DriverPlan]
    start: Sequence[DriverPlan]

    @property
    def added(self) -> list[str]:
        """Names of drivers that did not run before."""
        return sorted({p.name for p in self.start} - {p.name for p in self.stop})

    @property
    def restarted(self) -> list[str]:
        """Names of drivers whose section has changed."""
        return sorted({p.name for p in self.start} & {p.name for p in self.stop})

    @property
    def removed(self) -> list[str]:
        """Names of drivers that are no longer configured."""
        return sorted({p.name for p in self.stop} - {p.name for p in self.start})


def compare_plans(running: Mapping[str, DriverPlan], wanted: Iterable[DriverPlan]) -> Changes:
    """Return which drivers to stop and start; one whose section is equal goes on untouched."""
    wanted = list(wanted)
    kept = {
        plan.name
        for plan in wanted
        if plan.name in running and running[plan.name].section == plan.section
    }
    return Changes(
        stop=[plan for name, plan in running.items() if name not in kept],
        start=[plan for plan in wanted if plan.name not in kept],
    )


def check_same_gateway(present: Config, wanted: Config) -> None:
    """Refuse a configuration that is another gateway's: it needs its own key and stream.

    Raises:
        ConfigError: Id or state folder differ.
    """
    for key in ("id", "state_dir"):
        old, new = getattr(present.gateway, key), getattr(wanted.gateway, key)
        if old != new:
            raise ConfigError(f"gateway.{key}", new, f"{old!r} while this gateway runs")


def fix_sections(present: Config, wanted: Config) -> tuple[Config, list[str]]:
    """Return ``wanted`` with the sections that only a restart changes as they are in force.

    Also the keys of these, such as ``outbox.bytes_max``.
    """
    waiting: list[str] = []
    for name in _FIXED:
        old, new = getattr(present, name), getattr(wanted, name)
        fields = msgspec.structs.asdict(new)
        waiting += [f"{name}.{key}" for key in fields if getattr(old, key) != fields[key]]
    fixed = {name: getattr(present, name) for name in _FIXED}
    return msgspec.structs.replace(wanted, **fixed), waiting
