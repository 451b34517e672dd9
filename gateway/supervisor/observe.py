"""How a running gateway stands, as one value: for the control socket and for metrics."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import cbor2

from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.control.machine import cpu_s, rss_bytes
from gateway.control.software import software_sha256, software_version
from gateway.control.status import (
    ChannelStatus,
    ClockStatus,
    DriverStatus,
    OutboxStatus,
    ProcessStatus,
    SensorStatus,
    Status,
    UplinkStatus,
)
from gateway.drivers.intake import Intake
from gateway.drivers.latest import Newest
from gateway.errors import UnavailableError
from gateway.outbox.database import OutboxStats
from gateway.outbox.store import OutboxStore
from gateway.outbox.writer import Outbox
from gateway.reading import EventReading, Scalar, Sighting
from gateway.signing import Signer
from gateway.supervisor.crew import Crew, Driver
from gateway.supervisor.renewal import Renewal
from gateway.uplink.line import Transport
from gateway.uplink.session import Uplink
from schemas.cose import decode_sign1
from schemas.digest import decode_digest, is_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, RSSI_UNKNOWN, decode_envelope
from schemas.errors import MalformedError
from schemas.quantities import UNITS

OUTBOX_S_MAX: Final = 2.0  # A disk that hangs must not keep the installer from seeing the rest.
TEXT_CHARS_MAX: Final = 80
# Of an event's body, what tells a person what happened; bytes and times do not.
_TELLING: Final = ("why", "status", "what", "label", "phase", "role", "state", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is looked at."""

    config: Config
    config_file: Path
    config_sha256: bytes
    clock: SystemClock
    began_s: float
    intake: Intake
    crew: Crew
    outbox: Outbox
    uplink: Uplink
    signer: Signer
    transport: Transport
    renewal: Renewal


async def observe(parts: Observed) -> Status:
    """Return how the gateway stands now; changes nothing and reports nothing."""
    outbox = await _outbox(parts)  # First: everything else is of the moment after it.
    now_s = parts.clock.monotonic_s()
    return Status(
        gateway=parts.config.gateway.id,
        software=software_version(),
        software_sha256=software_sha256().hex(),
        config_file=str(parts.config_file),
        config_sha256=parts.config_sha256.hex(),
        sensors=_sensors(parts, now_s),
        drivers=[_driver(driver, now_s) for driver in parts.crew.drivers.values()],
        outbox=outbox,
        key_fault=parts.signer.fault,
        uplink=_uplink(parts.uplink, parts.transport, now_s),
        certificate=parts.renewal.status(),
        clock=ClockStatus(
            state=parts.intake.segment.state.name,
            unix_us=parts.clock.unix_us(),
            boot_id=str(UUID(bytes=parts.clock.boot_id)),
            steps=parts.intake.clock_steps,
        ),
        process=ProcessStatus(
            pid=os.getpid(),
            uptime_s=now_s - parts.began_s,
            rss_bytes=rss_bytes(),
            cpu_s=cpu_s(),
        ),
    )


def one_line(status: Status) -> str:
    """Return ``status`` in one line, for the service manager."""
    states = Counter(sensor.health for sensor in status.sensors)
    waiting = "outbox does not answer"
    if status.outbox is not None:
        waiting = f"{status.outbox.unreceipted} envelopes wait"
    if status.key_fault:
        waiting = f"{waiting}; the key does not sign"
    up = f"{states['up']} of {len(status.sensors)} sensors up"
    return f"{up}; uplink {status.uplink.state}; {waiting}"


def _sensors(parts: Observed, now_s: float) -> list[SensorStatus]:
    driver_of = {
        sensor: driver.plan.name
        for driver in parts.crew.drivers.values()
        for sensor in driver.sensors
    }
    latest = parts.intake.latest
    newest = latest.by_sensor()
    counts: dict[str, dict[str, int]] = {}
    for (sensor, quality), count in latest.counts.items():
        counts.setdefault(sensor, {})[quality.value] = count
    return [
        SensorStatus(
            name=health.sensor,
            driver=driver_of.get(health.sensor, ""),
            health=health.state.value,
            why=health.why,
            age_s=health.age_s,
            channels=[channel_status(one, now_s) for one in newest.get(health.sensor, ())],
            counts=counts.get(health.sensor, {}),
        )
        for health in parts.intake.health()
    ]


def channel_status(newest: Newest, now_s: float) -> ChannelStatus:
    """Return the newest reading of a channel as it is shown."""
    age_s = max(now_s - newest.heard_s, 0.0)
    match newest.reading:
        case Scalar() as scalar:
            return ChannelStatus(
                channel=scalar.quantity.value,
                age_s=age_s,
                value=scalar.value,
                unit=UNITS[scalar.quantity],
                quality=scalar.quality.value,
            )
        case Sighting() as seen:
            rssi = "" if seen.rssi_cdbm == RSSI_UNKNOWN else f" {seen.rssi_cdbm / 100:.0f} dBm"
            text = f"{seen.epc.hex()} antenna {seen.antenna}{rssi}"
            return ChannelStatus(channel="tag", age_s=age_s, text=text)
        case EventReading() as event:
            return ChannelStatus(channel=event.type.value, age_s=age_s, text=_event_text(event))


def _event_text(event: EventReading) -> str:
    body = cast("Mapping[str, Any]", cbor2.loads(event.body))
    told = [str(body[key]) for key in _TELLING if body.get(key) is not None]
    return " ".join(told)[:TEXT_CHARS_MAX]


def _driver(driver: Driver, now_s: float) -> DriverStatus:
    return DriverStatus(
        name=driver.plan.name,
        kind=type(driver.plan.section).__name__.removesuffix("Section").lower(),
        state=driver.state.value,
        for_s=now_s - driver.since_s,
        restarts=driver.restarts,
        error=driver.error,
        retry_in_s=None if driver.retry_s is None else max(driver.retry_s - now_s, 0.0),
    )


async def _outbox(parts: Observed) -> OutboxStatus | None:
    try:
        async with asyncio.timeout(OUTBOX_S_MAX):
            stats, oldest = await asyncio.wrap_future(parts.outbox.run(_look))
    except (TimeoutError, UnavailableError):
        return None
    began_us = None if oldest is None else _began_us(oldest)
    age_s = None if began_us is None else max(parts.clock.unix_us() - began_us, 0) / 1_000_000
    return OutboxStatus(
        emitted=stats.emitted,
        sealed=stats.sealed_readings,
        unreceipted=stats.unreceipted,
        bytes=stats.bytes,
        bytes_max=parts.config.outbox.bytes_max,
        head_number=stats.head_number,
        receipted_number=stats.receipted_number,
        head_known=stats.head_known,
        oldest_age_s=age_s,
        thinned=stats.thinned_readings,
        dropped=parts.outbox.dropped,
    )


def _look(store: OutboxStore) -> tuple[OutboxStats, bytes | None]:
    """Return the counts, and the oldest envelope without a receipt."""
    stats = store.stats()
    waiting = store.envelopes_after(stats.receipted_number, 1)
    return stats, waiting[0].message if waiting else None


def _began_us(message: bytes) -> int | None:
    """Return when the oldest reading in an envelope, or in a run's digest, was taken."""
    try:
        sign1 = decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX)
        decode = decode_digest if is_digest(sign1) else decode_envelope
        return decode(sign1).base_unix_us
    except MalformedError:
        return None


def _uplink(uplink: Uplink, transport: Transport, now_s: float) -> UplinkStatus:
    link = uplink.link
    return UplinkStatus(
        address=f"{transport.host}:{transport.port}",
        state=link.state.value,
        for_s=now_s - link.since_s,
        error=link.error,
        stopped=link.stopped,
        retry_in_s=None if link.retry_s is None else max(link.retry_s - now_s, 0.0),
        receipt_number=link.receipt_number,
        receipt_age_s=None if link.receipt_s is None else now_s - link.receipt_s,
        forged=link.forged,
    )
