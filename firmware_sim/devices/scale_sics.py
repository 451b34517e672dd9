"""Replies of a Mettler-Toledo balance to ``SIR`` (send immediately and repeat).

Source: Mettler-Toledo, MT-SICS reference manual, command SI / SIR: ``S S     100.00 g`` stable,
``S D`` dynamic, weight right-justified in 10; ``S +`` overload, ``S -`` underload.
"""

from firmware_sim.devices.scale_lines import Shown, kilograms


def encode_sics(display: Shown) -> bytes:
    """Return one reply for what the display shows, in kilograms."""
    if display.mass_g is None:
        return b"S +\r\n"
    text = kilograms(display.mass_g, display.division_g)
    if len(text) > 10:
        return b"S +\r\n"
    state = "S" if display.stable else "D"
    return f"S {state} {text:>10} kg\r\n".encode()
