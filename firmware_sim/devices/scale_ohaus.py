"""Lines of an Ohaus Defender 3000 indicator: ``   0.360 kg    G`` CR LF.

Source: Ohaus Defender 3000 manual, 5.2: polarity, weight right-justified in 7, space, unit in 5,
``?`` when not stable, legend; the spacing is that of the captured stream (18 bytes a line, the
legend not padded).
"""

from firmware_sim.devices.scale_lines import Shown, kilograms


def encode_ohaus(display: Shown) -> bytes:
    """Return one line for what the display shows, in kilograms, gross; nothing on overload.

    An overloaded Defender prints no weight: its display shows an error and output pauses.
    """
    if display.mass_g is None:
        return b""
    text = kilograms(abs(display.mass_g), display.division_g)
    if len(text) > 7:
        return b""
    sign = "-" if display.mass_g < 0 else " "
    motion = " " if display.stable else "?"
    return f"{sign}{text:>7} {'kg':<5}{motion}G\r\n".encode()
