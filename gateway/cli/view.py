"""One frame of the live view, made for 80 columns; what is wrong comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.words import age_text, bytes_text, channels_text
from gateway.control.status import DriverStatus, OutboxStatus, SensorStatus, Status, UplinkStatus

_STYLES: Final = {
    "up": "green",
    "open": "green",
    "late": "yellow",
    "connecting": "yellow",
    "waiting": "yellow",
    "implausible": "magenta",
    "silent": "bold red",
    "stopped": "bold red",
}
_HEAD_LINES: Final = 7  # Around the sensors: three of state, blank, the table's head, rest, foot.
WIDE_MIN: Final = 120  # Below this the reason has a line of its own.
DRIVERS_MAX: Final = 3
_HEALTH_CHARS: Final = len("implausible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """How much room there is, in characters."""

    width: int
    height: int


def frame(status: Status, screen: Screen, *, cpu_share: float) -> RenderableType:
    """Return ``status`` as a frame that fits ``screen``; ``cpu_share`` is of one core."""
    drivers = [d for d in status.drivers if d.error][:DRIVERS_MAX]
    room = screen.height - _HEAD_LINES - len(drivers)
    ordered = sorted(status.sensors, key=lambda s: (s.health == "up", s.name))
    narrow = screen.width < WIDE_MIN
    shown: list[SensorStatus] = []
    for sensor in ordered:
        room -= 2 if narrow and sensor.why else 1
        if room < 0:
            break
        shown.append(sensor)
    lines: list[RenderableType] = [
        _head(status, cpu_share),
        _uplink(status.uplink),
        _outbox(status.outbox),
        Text(),
        _sensors(shown, narrow=narrow),
    ]
    if left := ordered[len(shown) :]:
        worse = sum(sensor.health != "up" for sensor in left)
        lines.append(Text(f" ... {len(left)} more, {worse} of them not up", style="dim"))
    lines += [_driver(driver) for driver in drivers]
    return Group(*lines)


def _head(status: Status, cpu_share: float) -> Text:
    process = status.process
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(status.gateway, style="bold")
    text.append(
        f"  {status.software}  up {age_text(process.uptime_s)}"
        f"  {bytes_text(process.rss_bytes)}  {cpu_share * 100:.1f} % of a core  clock "
    )
    good = status.clock.state != "FREE_RUNNING"
    text.append(status.clock.state.lower(), style="green" if good else "yellow")
    if status.clock.steps:
        text.append(f", stepped {status.clock.steps} times", style="yellow")
    return text


def _uplink(uplink: UplinkStatus) -> Text:
    text = Text("uplink  ", no_wrap=True, overflow="ellipsis")
    text.append(uplink.state, style=_STYLES.get(uplink.state, ""))
    text.append(f" for {age_text(uplink.for_s)}, {uplink.address}")
    if uplink.retry_in_s is not None:
        text.append(f", again in {age_text(uplink.retry_in_s)}")
    if uplink.receipt_number is not None:
        text.append(f", receipt {uplink.receipt_number} {age_text(uplink.receipt_age_s)} ago")
    else:
        text.append(", no receipt yet")
    if uplink.forged:
        text.append(f", {uplink.forged} forged", style="bold red")
    trouble = uplink.stopped or (uplink.error if uplink.state != "open" else "")
    if trouble:
        text.append(f": {trouble}", style="red")
    return text


def _outbox(outbox: OutboxStatus | None) -> Text:
    text = Text("outbox  ", no_wrap=True, overflow="ellipsis")
    if outbox is None:
        return text.append("does not answer: look at the disk", style="bold red")
    text.append(f"{outbox.emitted:,} readings, {outbox.unreceipted:,} envelopes wait")
    if outbox.oldest_age_s is not None and outbox.unreceipted:
        text.append(f" (oldest {age_text(outbox.oldest_age_s)})")
    full = outbox.bytes / outbox.bytes_max
    text.append(f", {bytes_text(outbox.bytes)} of {bytes_text(outbox.bytes_max)}")
    if full > 0.8:
        text.append(f", {full * 100:.0f} % full", style="yellow")
    if outbox.thinned or outbox.dropped:
        text.append(f", {outbox.thinned:,} thinned, {outbox.dropped:,} dropped", style="red")
    if not outbox.head_known:
        text.append(", waits for a receipt to know its head", style="yellow")
    return text


def _sensors(sensors: Sequence[SensorStatus], *, narrow: bool) -> Table:
    table = Table(box=None, padding=(0, 1), expand=True, header_style="dim", show_edge=False)
    table.add_column("sensor", no_wrap=True, max_width=20)
    table.add_column("last reading", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("age", justify="right", no_wrap=True, min_width=7)
    if narrow:
        table.add_column("health", no_wrap=True, width=_HEALTH_CHARS)
    else:
        table.add_column("health", no_wrap=True, overflow="ellipsis", ratio=2)
    for sensor in sensors:
        health = Text(sensor.health, style=_STYLES.get(sensor.health, ""))
        if sensor.why and not narrow:
            health.append(f" {sensor.why}", style="dim")
        style = "" if sensor.health == "up" else "dim"
        reading = Text(channels_text(sensor.channels) or "none", style=style)
        table.add_row(sensor.name, reading, age_text(sensor.age_s), health)
        if sensor.why and narrow:
            table.add_row("", Text(sensor.why, style="dim"), "", "")
    return table


def _driver(driver: DriverStatus) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{driver.kind} {driver.name} {driver.state}", style="red")
    if driver.retry_in_s is not None:
        text.append(f", again in {age_text(driver.retry_in_s)}")
    return text.append(f": {driver.error.removeprefix(f'{driver.name}: ')}")
