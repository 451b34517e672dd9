"""Surveillance: which of a lot's sensors can not be relied on now, and what was done to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backend.collateral.rules.condition import ranges_of
from backend.collateral.types import (
    CONTACT_OPEN,
    Binding,
    Fact,
    FactKind,
    Health,
    LotSetup,
    Purpose,
    Sample,
    SensorKey,
    SensorState,
    StreamView,
)
from backend.ids import GatewayId
from schemas.quantities import Quantity

LOST_GRAVE_US: Final = 3_600_000_000  # An hour: beyond the outage that a site has each day.
# A scale in motion gives no stable weight, and a forklift is done sooner than this many gaps.
GAPS_WITHOUT_GOOD_MAX: Final = 4
CAMERA_GAP_S_MIN: Final = 30  # A camera that sees nothing says nothing; its gateway does.
OPEN_HOLD_US: Final = 10_000_000  # A door that was opened and shut between two looks was open.

STOPPED: Final = "stream stopped"
UNANSWERED: Final = "its gateway sends and answers no challenge"
_OF_GATEWAY: Final = frozenset({STOPPED, UNANSWERED})  # The gateway has its own alert.

# Without one of these the lot is unwatched; without the others it is watched less well.
_ESSENTIAL: Final = frozenset(
    {Purpose.PRESENCE, Purpose.LOAD, Purpose.CONDITION, Purpose.POSITION}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A sensor that can not be relied on, and why; ``since_us`` None: it was never heard."""

    binding: Binding
    why: str
    since_us: int | None

    @property
    def essential(self) -> bool:
        """Whether the lot is unwatched without it."""
        return self.binding.purpose in _ESSENTIAL


def lost_sensors(
    setup: LotSetup,
    sensors: Mapping[SensorKey, SensorState],
    streams: Mapping[GatewayId, StreamView],
    now_us: int,
) -> list[Lost]:
    """Return the sensors of a lot that can not be relied on at ``now_us``, by our clock."""
    found: list[Lost] = []
    for binding in setup.bindings:
        state = sensors.get(binding.key)
        why = _why_lost(setup, binding, state, streams.get(binding.gateway), now_us)
        if why is not None:
            since_us = None if state is None else state.fresh_us
            found.append(Lost(binding=binding, why=why, since_us=since_us))
    return found


def _why_lost(
    setup: LotSetup,
    binding: Binding,
    state: SensorState | None,
    stream: StreamView | None,
    now_us: int,
) -> str | None:
    if stream is not None and stream.stopped:
        return STOPPED
    if stream is not None and stream.unanswered:
        return UNANSWERED
    if state is None or stream is None:
        return "never heard"
    if state.health is Health.SILENT:
        return "silent, says its gateway"
    gap_us = binding.max_gap_s * 1_000_000
    if binding.purpose is Purpose.CAMERA:
        return _why_camera_lost(state, stream, max(gap_us, CAMERA_GAP_S_MIN * 1_000_000), now_us)
    if state.fresh_us is None:
        return "never heard"
    if now_us - state.fresh_us > gap_us:
        return "silent"
    return _why_useless(setup, binding, state, gap_us, now_us)


def _why_camera_lost(
    state: SensorState, stream: StreamView, gap_us: int, now_us: int
) -> str | None:
    if state.offline is not None:
        return "offline"
    if stream.fresh_us is None or now_us - stream.fresh_us > gap_us:
        return "its gateway is silent"
    return None


def _why_useless(
    setup: LotSetup, binding: Binding, state: SensorState, gap_us: int, now_us: int
) -> str | None:
    """Return why a sensor that talks still does not say what it is bound for."""
    match binding.purpose:
        case Purpose.PRESENCE:
            needed, patience_us = {Quantity.INVENTORY}, gap_us
        case Purpose.LOAD:
            needed, patience_us = {Quantity.MASS}, gap_us * GAPS_WITHOUT_GOOD_MAX
        case Purpose.POSITION:
            needed, patience_us = {Quantity.LATITUDE}, gap_us * GAPS_WITHOUT_GOOD_MAX
        case Purpose.CONDITION:
            needed = ranges_of(setup.limits).keys() & state.values.keys()
            patience_us = gap_us * GAPS_WITHOUT_GOOD_MAX
        case _:
            return None
    for quantity in sorted(needed):
        last = state.values.get(quantity)
        if last is None or now_us - last.made_us > patience_us:
            return f"no good {quantity.value}"
    return None


def lost_fact(lost: Lost, now_us: int) -> Fact | None:
    """Return the finding for a lost sensor; None when it was never there to be lost."""
    if lost.since_us is None or lost.why in _OF_GATEWAY:
        return None
    name = f"{lost.binding.gateway}/{lost.binding.sensor}"
    return Fact(
        key=f"surveillance:{name}",
        kind=FactKind.SENSOR_LOST,
        grave=now_us - lost.since_us > LOST_GRAVE_US,
        text=f"{name} ({lost.binding.purpose.value}): {lost.why}",
    )


def open_since(state: SensorState) -> Sample | None:
    """Return since when a door is open, or was a moment ago; None: it is shut."""
    contact = state.values.get(Quantity.CONTACT)
    if state.opened is None or contact is None:
        return None
    shut = contact.value <= CONTACT_OPEN
    if shut and contact.made_us - state.opened.made_us >= OPEN_HOLD_US:
        return None
    return state.opened
