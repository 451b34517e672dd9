"""How values, ages and sizes are written for a person. Pure."""

from collections.abc import Sequence
from typing import Final

from gateway.control.status import ChannelStatus

_KILO: Final = 1_000.0
_FIX: Final = {0.0: "no fix", 2.0: "2d fix", 3.0: "3d fix"}


def age_text(age_s: float | None) -> str:
    """Return an age or a span in its largest sensible unit."""
    if age_s is None:
        return "never"
    for limit_s, unit_s, unit in ((100, 1, "s"), (6_000, 60, "min"), (172_800, 3_600, "h")):
        if age_s < limit_s:
            value = age_s / unit_s
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{age_s / 86_400:.0f} d"


def ago_text(age_s: float | None) -> str:
    """Return how long ago something was; that it never was, where nothing is known of it."""
    return "never" if age_s is None else f"{age_text(age_s)} ago"


def bytes_text(size: float) -> str:
    """Return a size in bytes with a decimal prefix."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < _KILO:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:.1f} TB"


def channels_text(channels: Sequence[ChannelStatus]) -> str:
    """Return the newest readings of one sensor in one line, measured values first."""
    measured = [c for c in channels if c.value is not None]
    parts = [value_text(c) for c in measured]
    if not measured or any(c.channel == "inventory" for c in measured):
        parts += [f"{c.channel} {c.text}" for c in channels if c.value is None]
    return "  ".join(parts)


def value_text(channel: ChannelStatus) -> str:
    """Return one value with its unit, and its quality unless it is good."""
    suffix = "" if channel.quality in ("", "good") else f" ({channel.quality})"
    return _plain(channel.channel, channel.value or 0.0, channel.unit) + suffix


def _plain(channel: str, value: float, unit: str) -> str:
    match channel:
        case "mass":
            return f"{_trimmed(value / _KILO, 3)} kg"
        case "temperature":
            return f"{value:.1f} °C"
        case "humidity":
            return f"{value:.0f} %RH"
        case "contact":
            return "open" if value else "closed"
        case "water":
            return "wet" if value else "dry"
        case "latitude" | "longitude":
            return f"{value:.5f}°"
        case "fix":
            return _FIX.get(value, f"fix {value:g}")
        case "inventory":
            return f"{value:.0f} tag{'' if value == 1 else 's'}"
        case "shock":
            return f"{value:.3f} g peak"
        case _:
            return f"{channel} {_trimmed(value, 3)}{'' if unit == '1' else f' {unit}'}"


def _trimmed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
