"""Register maps of the site's Modbus devices, filled with what they measure.

Addresses are zero-based as they travel; the manuals' 40001 is address 0.
"""

from typing import Final

from firmware_sim.devices.modbus import Bank, signed32

_TLU_REGISTERS_MAX = 32  # Laumas TLU manual p. 34: registers a query
TLU_DIVISION_G = 1_000  # 40014 says: kilograms, division 1


def weighing_transmitter(*, mass_g: float, stable: bool, capacity_g: int) -> Bank:
    """Return the registers of a weighing transmitter of the Laumas TLU family, in kilograms.

    Source: Laumas TLU manual p. 34 (register list; gross, net and peak as 32 bit, high word
    first); status bits: Laumas LCB fieldbus manual p. 3, status register 1.
    """
    gross = round(mass_g / TLU_DIVISION_G)
    full = capacity_g // TLU_DIVISION_G
    status = (
        (gross > full + 9) << 2
        | (gross * 10 > full * 11) << 3
        | (gross < 0) << 7
        | (gross < 0) << 8
        | stable << 11
        | (abs(mass_g) * 4 <= TLU_DIVISION_G) << 12
    )
    high, low = signed32(max(-999_999, min(999_999, gross)))  # the display's range
    holding = {
        0: 0x0104,  # firmware version
        1: 5,  # instrument type
        2: 2024,  # year of manufacture
        3: 1_001,  # serial number
        4: 1,  # program type
        5: 0,  # command register, reads as idle
        6: status,
        7: high,
        8: low,
        9: high,  # net: no tare is set
        10: low,
        11: high,  # peak follows gross until a peak command is given
        12: low,
        13: 0x0006,  # high byte unit 0 = kg, low byte division 6 = 1
        14: 0,
        15: 0,
        16: 0,
        17: 0,
    }
    identity = ("Laumas", "TLU", "1.04")
    return Bank(holding=holding, registers_max=_TLU_REGISTERS_MAX, identity=identity)


def climate_transmitter(*, temperature_c: float, humidity_pct: float) -> Bank:
    """Return the registers of a temperature and humidity transmitter of the XY-MD02 form.

    Input register 1 is the temperature in 0.1 degC, signed; 2 is the humidity in 0.1 %RH.
    Source: XY-MD02 SHT20 transmitter manual, register table.
    """
    temperature = max(-400, min(1_250, round(temperature_c * 10)))  # the element's range
    humidity = max(0, min(1_000, round(humidity_pct * 10)))
    return Bank(inputs={1: temperature & 0xFFFF, 2: humidity})


def shock_transmitter(*, peak_g: float, hold_s: float) -> Bank:
    """Return the registers of a shock transmitter that latches its peak.

    Input register 0 is the highest acceleration of the last ``hold_s`` seconds in 0.001 g;
    holding register 0 is that hold time in 0.1 s. The layout is this simulator's own: such
    transmitters follow no common map.
    """
    peak = max(0, min(0xFFFF, round(peak_g * 1_000)))
    return Bank(inputs={0: peak}, holding={0: round(hold_s * 10)})


_CONTACT_ADDRESS: Final = 0


def door_contact(*, is_open: bool) -> Bank:
    """Return the one discrete input of a door contact: 1 while the door is open."""
    return Bank(discrete={_CONTACT_ADDRESS: is_open})


def leak_sensor(*, is_wet: bool) -> Bank:
    """Return the one discrete input of a leak sensor: 1 while its floor is wet."""
    return Bank(discrete={_CONTACT_ADDRESS: is_wet})
