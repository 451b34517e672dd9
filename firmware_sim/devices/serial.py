"""The devices that talk on their own: weighing indicators, RFID readers, GNSS receivers.

Each is a loop at the device's real rate; what it sends is made from the world of that moment, and
noted with the time just before the bytes leave.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from firmware_sim.clock import ticks
from firmware_sim.devices.gnss_nmea import Fix, encode_second, to_degrees
from firmware_sim.devices.gnss_ubx import Ublox
from firmware_sim.devices.pty import PtyPort
from firmware_sim.devices.rfid import Reader, TagSeen
from firmware_sim.devices.rfid_chafon import Chafon, Model
from firmware_sim.devices.rfid_yr903 import ANTENNAS, Yr903
from firmware_sim.devices.rfid_yrm100 import Yrm100
from firmware_sim.devices.scale_ad import encode_ad
from firmware_sim.devices.scale_lines import Shown, shown
from firmware_sim.devices.scale_ohaus import encode_ohaus
from firmware_sim.devices.scale_sics import encode_sics
from firmware_sim.devices.scale_tscale import encode_tscale
from firmware_sim.hearing import field_of
from firmware_sim.noise import LoadCell, TagReads, Wander
from firmware_sim.plan import (
    GnssForm,
    GnssPlan,
    ReaderForm,
    ReaderPlan,
    ScaleForm,
    ScalePlan,
    Scenario,
)
from firmware_sim.plant import Plant

GNSS_PERIOD_S = 1.0  # the usual rate of NMEA receivers

ENCODERS: Final[Mapping[ScaleForm, Callable[[Shown], bytes]]] = {
    ScaleForm.TSCALE: encode_tscale,
    ScaleForm.AD: encode_ad,
    ScaleForm.OHAUS: encode_ohaus,
    ScaleForm.SICS: encode_sics,
}


def make_reader(plan: ReaderPlan) -> Reader:
    """Return the reader of a plan, as after power-on."""
    match plan.form:
        case ReaderForm.YRM100:
            return Yrm100(autostart=plan.autostart)
        case ReaderForm.YR903:
            return Yr903(antenna=(plan.antenna - 1) % ANTENNAS)
        case ReaderForm.CHAFON_18:
            return Chafon(Model.UHFREADER18)
        case ReaderForm.CHAFON_288:
            return Chafon(Model.UHFREADER288)
        case ReaderForm.LLRP:
            msg = f"{plan.name} is on the network, not on a serial line"
            raise AssertionError(msg)


async def run_scale(plan: ScalePlan, port: PtyPort, plant: Plant, cell: LoadCell) -> None:
    """Stream the indicator's lines until cancelled; silent while its cable is cut."""
    encode = ENCODERS[plan.form]
    async for dt_s in ticks(plant.clock, 1.0 / plan.rate_hz):
        world = plant.world
        mass_g, stable = cell.read(world.load_g(plan.lot), dt_s, busy=world.at_work)
        if plan.name in world.cut_cables:
            continue
        display = shown(
            mass_g, stable=stable, division_g=plan.division_g, capacity_g=plan.capacity_g
        )
        unix_us = plant.clock.unix_us()
        line = encode(display)
        if line and port.write(line):
            plant.wrote(plan.name, world, unix_us=unix_us, value=mass_g)


async def run_reader(plan: ReaderPlan, port: PtyPort, plant: Plant, reads: TagReads) -> None:
    """Answer the host's commands and report each round's tags, until cancelled."""
    module = make_reader(plan)

    def obey(chunk: bytes) -> None:
        if replies := module.feed(chunk):
            port.write(replies)

    port.on_bytes(obey, hung_up=module.power_cycle)
    async for dt_s in ticks(plant.clock, plan.round_s):
        if not (module.polling and port.listening):
            reads.skip(1, dt_s)
            continue
        world = plant.world
        said = reads.one(field_of(world, plan), dt_s)
        if said is None or plan.name in world.cut_cables:
            continue
        seen = [TagSeen(epc=bytes.fromhex(epc), rssi_dbm=rssi_dbm) for epc, rssi_dbm in said]
        unix_us = plant.clock.unix_us()
        if port.write(module.round(seen, plan.round_s)):
            plant.wrote(plan.name, world, unix_us=unix_us)


async def run_tracker(
    plan: GnssPlan,
    scenario: Scenario,
    send: Callable[[Fix], bool],
    plant: Plant,
    wander: Wander,
) -> None:
    """Give each second's fix to ``send`` until cancelled; it tells whether somebody listened."""
    async for dt_s in ticks(plant.clock, GNSS_PERIOD_S):
        world, unix_us = plant.world, plant.clock.unix_us()
        errors = wander.block(1, dt_s)
        x_m, y_m = world.places_m.get(plan.name, (plan.x_m, plan.y_m))
        lat_deg, lon_deg = to_degrees(
            origin_lat_deg=scenario.origin_lat_deg,
            origin_lon_deg=scenario.origin_lon_deg,
            x_m=x_m + float(errors.east_m[0]),
            y_m=y_m + float(errors.north_m[0]),
        )
        whole_s_us = unix_us // 1_000_000 * 1_000_000  # receivers compute on the whole second
        fix = Fix(unix_us=whole_s_us, lat_deg=None, lon_deg=None)
        if errors.fixed[0]:
            hdop = float(errors.hdop[0])
            fix = replace(fix, lat_deg=lat_deg, lon_deg=lon_deg, hdop=hdop)
        if send(fix):
            plant.wrote(plan.name, world, unix_us=unix_us)


def serial_tracker(plan: GnssPlan, port: PtyPort) -> Callable[[Fix], bool]:
    """Return what sends a fix on a serial line, in the plan's form."""
    if plan.form is GnssForm.NMEA:
        return lambda fix: port.write(encode_second(fix))
    receiver = Ublox()

    def obey(chunk: bytes) -> None:
        if answers := receiver.feed(chunk):
            port.write(answers)

    port.on_bytes(obey)
    return lambda fix: port.write(receiver.second(fix))
