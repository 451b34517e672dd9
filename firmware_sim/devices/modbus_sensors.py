"""What the site's Modbus units measure at the moment of a poll."""

from dataclasses import dataclass

from firmware_sim.devices.modbus import Bank
from firmware_sim.devices.modbus_serve import Unit
from firmware_sim.devices.modbus_units import (
    climate_transmitter,
    door_contact,
    leak_sensor,
    shock_transmitter,
    weighing_transmitter,
)
from firmware_sim.life import WeatherPlan
from firmware_sim.noise import Climate, FieldBus, LoadCell, Vibration
from firmware_sim.plan import ClimatePlan, DoorPlan, ShockPlan, WaterPlan, WeigherPlan
from firmware_sim.plant import Plant
from firmware_sim.world import World


@dataclass(slots=True, kw_only=True)
class _Poll:
    """The reading that the reply under way carries."""

    name: str
    plant: Plant
    world: World
    value: float
    asked_s: float

    def begin(self) -> float:
        """Take the world of this moment and return the seconds since the poll before."""
        now_s = self.plant.clock.steady_s()
        dt_s, self.asked_s = now_s - self.asked_s, now_s
        self.world = self.plant.world
        return dt_s

    def sent(self) -> None:
        """Note that the reply left."""
        now_us = self.plant.clock.unix_us()
        self.plant.wrote(self.name, self.world, unix_us=now_us, value=self.value)

    @property
    def cut(self) -> bool:
        """Whether nobody can hear this device."""
        return self.name in self.world.cut_cables


def _poll(name: str, plant: Plant) -> _Poll:
    now_s = plant.clock.steady_s()
    return _Poll(name=name, plant=plant, world=plant.world, value=0.0, asked_s=now_s)


def weigher_unit(plan: WeigherPlan, plant: Plant, cell: LoadCell, bus: FieldBus) -> Unit:
    """Return the slave of a weighing transmitter."""
    poll = _poll(plan.name, plant)

    def sample() -> Bank | None:
        dt_s = poll.begin()
        poll.value, stable = cell.read(poll.world.load_g(plan.lot), dt_s, busy=poll.world.at_work)
        if poll.cut:
            return None
        return weighing_transmitter(mass_g=poll.value, stable=stable, capacity_g=plan.capacity_g)

    return Unit(sample=sample, sent=poll.sent, bus=bus)


def climate_unit(
    plan: ClimatePlan, plant: Plant, noise: Climate, bus: FieldBus, weather: WeatherPlan
) -> Unit:
    """Return the slave of a temperature and humidity transmitter."""
    poll = _poll(plan.name, plant)

    def sample() -> Bank | None:
        poll.begin()
        air = poll.world.air[plan.zone]
        outdoors_c = plan.weather_share * weather.offset_c(plant.clock.unix_us())
        poll.value = noise.temperature_c(air.sensed_c + outdoors_c)
        if poll.cut:
            return None
        humidity_pct = noise.humidity_pct(air.sensed_pct)
        return climate_transmitter(temperature_c=poll.value, humidity_pct=humidity_pct)

    return Unit(sample=sample, sent=poll.sent, bus=bus)


def shock_unit(plan: ShockPlan, plant: Plant, noise: Vibration, bus: FieldBus) -> Unit:
    """Return the slave of a shock transmitter: its register holds the highest recent peak."""
    poll = _poll(plan.name, plant)

    def sample() -> Bank | None:
        quiet_g = noise.peak_g(min(poll.begin(), plan.hold_s), busy=poll.world.at_work)
        poll.value = max(quiet_g, poll.world.peak_g(plan.zone))
        return None if poll.cut else shock_transmitter(peak_g=poll.value, hold_s=plan.hold_s)

    return Unit(sample=sample, sent=poll.sent, bus=bus)


def contact_unit(plan: DoorPlan | WaterPlan, plant: Plant, bus: FieldBus) -> Unit:
    """Return the slave of a door contact or of a leak sensor."""
    poll = _poll(plan.name, plant)

    def sample() -> Bank | None:
        poll.begin()
        if isinstance(plan, DoorPlan):
            poll.value = float(poll.world.doors_open_s[plan.zone] > 0.0)
            bank = door_contact(is_open=bool(poll.value))
        else:
            poll.value = float(plan.zone in poll.world.wet)
            bank = leak_sensor(is_wet=bool(poll.value))
        return None if poll.cut else bank

    return Unit(sample=sample, sent=poll.sent, bus=bus)
