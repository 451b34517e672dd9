"""Every kind of incident that a simulated month may hold, by name, with how long it lasts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firmware_sim.months import incidents_condition as condition
from firmware_sim.months import incidents_goods as goods
from firmware_sim.months import incidents_harmless as harmless
from firmware_sim.months import incidents_sensors as sensors
from firmware_sim.months.acts import Act, Stage

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3_600.0


class Touch(StrEnum):
    """Whose sensors an incident disturbs: those of one lot, or of all lots that share them."""

    LOT = "lot"
    ZONE = "zone"
    CAMERA = "camera"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: what it does, and how many seconds it usually lasts.

    ``weighed`` and ``read``: it befalls only lots on a scale, or in a reader's zone, because no
    sensor could tell it from something else, or could tell it at all. ``at_start``: it holds
    when the run begins. ``at_work``: only in a shift; ``at_night``: only outside.
    """

    act: Callable[[Stage], Act | None]
    lasts_s: tuple[float, float]
    weighed: bool = False
    read: bool = False
    at_start: bool = False
    at_work: bool = False
    at_night: bool = False
    lead_s: float = 0.0  # Before it begins, its lot must be quiet for a permit.
    touches: Touch = Touch.LOT
    needs_neighbour: bool = False


_FOUND: Final = (1.0 * _HOUR_S, 4.0 * _HOUR_S)  # Until stolen goods are back.
_SHORT: Final = (10.0 * _MINUTE_S, 60.0 * _MINUTE_S)

KINDS: Final[Mapping[str, Kind]] = {
    "take_pallet": Kind(act=goods.take_pallet, lasts_s=_FOUND, read=True),
    "take_several": Kind(act=goods.take_several, lasts_s=_FOUND, read=True),
    "take_goods_leave_tags": Kind(act=goods.take_goods_leave_tags, lasts_s=_FOUND, weighed=True),
    "pilfer": Kind(act=goods.pilfer, lasts_s=(4.0 * _HOUR_S, 36.0 * _HOUR_S), weighed=True),
    "swap_lighter": Kind(act=goods.swap_lighter, lasts_s=_FOUND, weighed=True),
    "swap_heavier": Kind(act=goods.swap_heavier, lasts_s=_FOUND, weighed=True),
    "move_inside": Kind(act=goods.move_inside, lasts_s=_FOUND, read=True),
    "move_pallet": Kind(act=goods.move_pallet, lasts_s=_FOUND, read=True),
    "leave_by_dock": Kind(act=goods.leave_by_dock, lasts_s=_FOUND, read=True),
    "drive_off": Kind(act=goods.drive_off, lasts_s=_FOUND),
    "goods_never_there": Kind(
        act=goods.goods_never_there,
        lasts_s=(24.0 * _HOUR_S, 48.0 * _HOUR_S),
        weighed=True,
        at_start=True,
    ),
    "items_never_there": Kind(
        act=goods.items_never_there,
        lasts_s=(24.0 * _HOUR_S, 48.0 * _HOUR_S),
        read=True,
        at_start=True,
    ),
    "take_too_many": Kind(
        act=goods.take_too_many, lasts_s=_FOUND, read=True, at_work=True, lead_s=2.0 * _HOUR_S
    ),
    "take_too_late": Kind(act=goods.take_too_late, lasts_s=_FOUND, read=True, lead_s=3 * _HOUR_S),
    "shield_tag": Kind(act=sensors.shield_tag, lasts_s=_FOUND, weighed=True, read=True),
    "shield_tags": Kind(act=sensors.shield_tags, lasts_s=_FOUND, read=True),
    "clone_tag": Kind(act=sensors.clone_tag, lasts_s=_FOUND, read=True, needs_neighbour=True),
    "many_receipts": Kind(
        act=sensors.many_receipts, lasts_s=_FOUND, read=True, needs_neighbour=True
    ),
    "rezero_scale": Kind(act=sensors.rezero_scale, lasts_s=_FOUND, weighed=True),
    "prop_scale": Kind(act=sensors.prop_scale, lasts_s=_FOUND, weighed=True, read=True),
    "replay_readings": Kind(act=sensors.replay_readings, lasts_s=_FOUND, weighed=True, read=True),
    "unplug_gateway": Kind(
        act=sensors.unplug_gateway, lasts_s=(0.5 * _HOUR_S, 3.0 * _HOUR_S), touches=Touch.GATEWAY
    ),
    "cut_scale_cable": Kind(act=sensors.cut_scale_cable, lasts_s=_FOUND, weighed=True),
    "cut_reader_cable": Kind(
        act=sensors.cut_reader_cable, lasts_s=_FOUND, read=True, touches=Touch.ZONE
    ),
    "overheat": Kind(
        act=condition.overheat, lasts_s=(2.0 * _HOUR_S, 4.0 * _HOUR_S), touches=Touch.ZONE
    ),
    "freeze": Kind(
        act=condition.freeze, lasts_s=(2.0 * _HOUR_S, 4.0 * _HOUR_S), touches=Touch.ZONE
    ),
    "damp": Kind(
        act=condition.damp,
        lasts_s=(1.0 * _HOUR_S, 4.0 * _HOUR_S),
        touches=Touch.ZONE,
    ),
    "drop": Kind(
        act=condition.drop, lasts_s=(5.0 * _MINUTE_S, 10.0 * _MINUTE_S), touches=Touch.ZONE
    ),
    "water": Kind(
        act=condition.water,
        lasts_s=(0.5 * _HOUR_S, 3.0 * _HOUR_S),
        touches=Touch.ZONE,
    ),
    "cover_camera": Kind(act=sensors.cover_camera, lasts_s=_SHORT, touches=Touch.CAMERA),
    "move_camera": Kind(act=sensors.move_camera, lasts_s=_SHORT, touches=Touch.CAMERA),
    "defocus_camera": Kind(act=sensors.defocus_camera, lasts_s=_SHORT, touches=Touch.CAMERA),
    "freeze_camera": Kind(act=sensors.freeze_camera, lasts_s=_SHORT, touches=Touch.CAMERA),
    "tag_dies": Kind(
        act=harmless.tag_dies,
        lasts_s=(4.0 * _HOUR_S, 12.0 * _HOUR_S),
        weighed=True,
        read=True,
    ),
    "forklift_on_scale": Kind(
        act=harmless.forklift_on_scale,
        lasts_s=(5.0 * _MINUTE_S, 20.0 * _MINUTE_S),
        weighed=True,
        at_work=True,
    ),
    "door_left_open": Kind(
        act=harmless.door_left_open, lasts_s=_SHORT, at_work=True, touches=Touch.ZONE
    ),
    "rearrange": Kind(act=harmless.rearrange, lasts_s=_FOUND, read=True, at_work=True),
    "lift_and_put_back": Kind(
        act=harmless.lift_and_put_back,
        lasts_s=(2.0 * _MINUTE_S, 4.0 * _MINUTE_S),
        weighed=True,
        at_work=True,
    ),
    "truck_in_view": Kind(
        act=harmless.truck_in_view,
        lasts_s=(1.0 * _MINUTE_S, 10.0 * _MINUTE_S),
        touches=Touch.CAMERA,
        at_work=True,
    ),
    "lights_out": Kind(
        act=harmless.lights_out,
        lasts_s=(1.0 * _HOUR_S, 6.0 * _HOUR_S),
        touches=Touch.CAMERA,
        at_night=True,
    ),
    "light_step": Kind(act=harmless.light_step, lasts_s=_SHORT, touches=Touch.CAMERA),
}
