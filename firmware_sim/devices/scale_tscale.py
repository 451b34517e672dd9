"""Lines of a T-Scale indicator in continuous mode: ``ST,GS    20.7g  `` CR LF.

Source: the captured stream of a T-Scale NHB (weight captures, 18 bytes a line: two-letter state,
comma, two-letter mode, weight right-justified in 8, unit left-justified in 3); the first of the 8
is the sign, as in the vendor-compatible format of Tiger TI-02-P manual, 7.1.
"""

from firmware_sim.devices.scale_lines import Shown, kilograms


def encode_tscale(display: Shown) -> bytes:
    """Return one line for what the display shows, in kilograms, gross."""
    if display.mass_g is None:
        return b"OL,GS" + b" " * 8 + b"kg \r\n"  # overload: the weight is blank
    text = kilograms(abs(display.mass_g), display.division_g)
    if len(text) > 7:
        return b"OL,GS" + b" " * 8 + b"kg \r\n"
    state = "ST" if display.stable else "US"
    sign = "-" if display.mass_g < 0 else " "
    return f"{state},GS{sign}{text:>7}kg \r\n".encode()
