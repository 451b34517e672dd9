"""What keeps sensors from telling the truth: the noise of each kind, from a seed.

The same models serve the wires, where a device asks for one reading at a time, and simulated
months, where it asks for columns: their state goes on between calls, and what they give does not
depend on how the calls are cut.
"""

from firmware_sim.noise.air import Climate, Vibration
from firmware_sim.noise.draws import seeded
from firmware_sim.noise.gnss import Errors, Wander
from firmware_sim.noise.load import STEP_G, LoadCell
from firmware_sim.noise.plant import BusError, CameraLife, FieldBus, Surroundings
from firmware_sim.noise.profile import PROFILES, NoiseProfile
from firmware_sim.noise.rfid import Field, Heard, Reads, TagReads

__all__ = [
    "PROFILES",
    "STEP_G",
    "BusError",
    "CameraLife",
    "Climate",
    "Errors",
    "Field",
    "FieldBus",
    "Heard",
    "LoadCell",
    "NoiseProfile",
    "Reads",
    "Surroundings",
    "TagReads",
    "Vibration",
    "Wander",
    "seeded",
]
