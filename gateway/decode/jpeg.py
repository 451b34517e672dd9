"""How large the picture in a JPEG file is, before anybody spends memory on decoding it.

Source: ITU-T T.81, B.1.1.3 and B.2.2: markers, and the frame header.
"""

from typing import Final

_START: Final = b"\xff\xd8"
# SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC), which are no frames.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # Markers without a length.
_SCAN: Final = 0xDA
MARKERS_MAX: Final = 256  # A camera's file has about ten before its frame.


def frame_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height as the frame header says; None: no JPEG with a frame."""
    if not data.startswith(_START):
        return None
    at = len(_START)
    for _ in range(MARKERS_MAX):
        while data[at : at + 2] == b"\xff\xff":
            at += 1  # Fill bytes.
        if len(data) < at + 4 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in _BARE:
            at += 2
            continue
        if marker in _FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7])
            width = int.from_bytes(data[at + 7 : at + 9])
            return (width, height) if len(data) >= at + 9 and width and height else None
        if marker == _SCAN:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
