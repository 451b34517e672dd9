"""Lines of an A&D indicator: ``ST,GS,+0012.34kg`` CR LF.

Source: A&D AD-4329A manual (OP-02), 11.1.1, format 1; AD-4403 manual, 8-6: data is 8 digits with
polarity and point, filled with spaces on overflow with the point in its place.
"""

from firmware_sim.devices.scale_lines import Shown, kilograms

_OVERLOAD = b"OL,GS,     .  kg\r\n"


def encode_ad(display: Shown) -> bytes:
    """Return one line for what the display shows, in kilograms, gross."""
    if display.mass_g is None:
        return _OVERLOAD
    text = kilograms(abs(display.mass_g), display.division_g)
    if len(text) > 7:
        return _OVERLOAD
    state = "ST" if display.stable else "US"
    sign = "-" if display.mass_g < 0 else "+"
    return f"{state},GS,{sign}{text:0>7}kg\r\n".encode()
