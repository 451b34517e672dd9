"""The commands that make a u-blox receiver send the messages that are read here.

Sent to its working memory only: a receiver that was switched off is as its owner left it. Older
receivers take CFG-MSG, for the port that the command comes in on, and CFG-ITFM; from protocol 27
on they take CFG-VALSET, with a key for each port. Each refuses what it does not know, message by
message, so both are sent.

Source: u-blox 8 / M8 receiver description including protocol specification (UBX-13003221):
CFG-MSG, CFG-ITFM; u-blox F9 HPG 1.32 interface description (UBX-22008968): CFG-VALSET,
CFG-MSGOUT, CFG-ITFM.
"""

from typing import Final

from gateway.decode.ubx import encode_frame

_CFG: Final = 0x06
_CFG_MSG, _CFG_ITFM, _CFG_VALSET = 0x01, 0x39, 0x8A
_EACH_SOLUTION: Final = 1
# NAV-PVT, NAV-STATUS, MON-HW, MON-RF, SEC-SIG.
_MESSAGES: Final = ((0x01, 0x07), (0x01, 0x03), (0x0A, 0x09), (0x0A, 0x38), (0x27, 0x09))
# CFG-MSGOUT keys of NAV-PVT, NAV-STATUS, MON-RF and SEC-SIG on UART1; on USB they are two higher.
_UART1_KEYS: Final = (0x20910007, 0x2091001B, 0x2091035A, 0x20910635)
_USB: Final = 2
_ITFM_ENABLE_KEY: Final = 0x1041000D
# Thresholds and algorithm bits as the description prescribes them, and the monitor turned on.
_ITFM: Final = 0xAD62ACF3.to_bytes(4, "little") + 0x0000031E.to_bytes(4, "little")
_RAM: Final = bytes((0, 1, 0, 0))  # Version 0, layer RAM.


def encode_setup() -> bytes:
    """Return the commands, one after the other; the receiver answers each."""
    commands = [
        encode_frame(_CFG, _CFG_MSG, bytes((*message, _EACH_SOLUTION))) for message in _MESSAGES
    ]
    commands.append(encode_frame(_CFG, _CFG_ITFM, _ITFM))
    for key in _UART1_KEYS:
        commands += [_set_value(key), _set_value(key + _USB)]
    return b"".join([*commands, _set_value(_ITFM_ENABLE_KEY)])


def _set_value(key: int) -> bytes:
    return encode_frame(_CFG, _CFG_VALSET, _RAM + key.to_bytes(4, "little") + b"\x01")
