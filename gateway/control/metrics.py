"""The state of a running gateway in Prometheus' text format 0.0.4. Pure.

Written out by hand: the figures exist already, and a client library would keep them twice.
Labels are sensors, drivers and names of states: the configuration bounds them; texts never are.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.control.status import CertificateStatus, OutboxStatus, Status, UplinkStatus
from gateway.health import HealthState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "pledgewatch_gateway"

Sample = tuple[Mapping[str, str], float]


def metrics_text(status: Status) -> str:
    """Return ``status`` as metrics."""
    blocks = [*_sensors(status), *_drivers(status)]
    if status.outbox is not None:
        blocks += _outbox(status.outbox)
    blocks += _uplink(status.uplink)
    if status.certificate is not None:
        blocks += _certificate(status.certificate)
    blocks += _process(status)
    return "".join(blocks)


def _sensors(status: Status) -> Iterable[str]:
    yield _block(
        "readings_total",
        "counter",
        "Readings taken from devices, reported or not.",
        (
            ({"sensor": sensor.name, "quality": quality}, count)
            for sensor in status.sensors
            for quality, count in sorted(sensor.counts.items())
        ),
    )
    yield _block(
        "sensor_health",
        "gauge",
        "1 for the state that a sensor is in.",
        (
            ({"sensor": sensor.name, "state": state.value}, float(sensor.health == state.value))
            for sensor in status.sensors
            for state in HealthState
        ),
    )
    yield _block(
        "sensor_age_seconds",
        "gauge",
        "Time since the last sign of life of a sensor.",
        (
            ({"sensor": sensor.name}, sensor.age_s)
            for sensor in status.sensors
            if sensor.age_s is not None
        ),
    )


def _drivers(status: Status) -> Iterable[str]:
    yield _block(
        "driver_restarts_total",
        "counter",
        "Times that a port or bus was opened anew.",
        (({"driver": driver.name}, driver.restarts) for driver in status.drivers),
    )
    yield _block(
        "driver_running",
        "gauge",
        "1 while a driver reads its port or bus.",
        (({"driver": d.name}, float(d.state == "running")) for d in status.drivers),
    )


def _outbox(outbox: OutboxStatus) -> Iterable[str]:
    yield _one("outbox_readings_emitted_total", "counter", "Readings journalled.", outbox.emitted)
    yield _one("outbox_readings_sealed_total", "counter", "Readings in envelopes.", outbox.sealed)
    yield _one("outbox_readings_thinned_total", "counter", "Readings thinned out.", outbox.thinned)
    yield _one("outbox_readings_dropped_total", "counter", "Readings dropped.", outbox.dropped)
    yield _one(
        "outbox_envelopes_unreceipted",
        "gauge",
        "Envelopes that the backend has not confirmed.",
        outbox.unreceipted,
    )
    if outbox.oldest_age_s is not None:
        yield _one(
            "outbox_oldest_age_seconds",
            "gauge",
            "Age of the oldest of them.",
            outbox.oldest_age_s,
        )
    yield _one("outbox_bytes", "gauge", "Size of the queue's file.", outbox.bytes)
    yield _one("outbox_bytes_max", "gauge", "The bound of that size.", outbox.bytes_max)
    yield _one("outbox_head_number", "gauge", "Number of the last envelope.", outbox.head_number)


def _uplink(uplink: UplinkStatus) -> Iterable[str]:
    yield _block(
        "uplink_state",
        "gauge",
        "1 for the state that the uplink is in.",
        (
            ({"state": state}, float(uplink.state == state))
            for state in ("connecting", "open", "waiting", "stopped")
        ),
    )
    if uplink.receipt_number is not None and uplink.receipt_age_s is not None:
        yield _one("receipt_number", "gauge", "Number of the last receipt.", uplink.receipt_number)
        yield _one(
            "receipt_age_seconds", "gauge", "Time since the last receipt.", uplink.receipt_age_s
        )
    yield _one(
        "receipts_forged_total", "counter", "Receipts that were not the backend's.", uplink.forged
    )


def _certificate(certificate: CertificateStatus) -> Iterable[str]:
    yield _one("certificate_age_seconds", "gauge", "Since it was issued.", certificate.age_s)
    yield _one("certificate_ends_seconds", "gauge", "Until it ends.", certificate.ends_in_s)
    yield _one(
        "certificate_renewal_failures",
        "gauge",
        "Failed renewals since the last that succeeded.",
        certificate.failures,
    )


def _process(status: Status) -> Iterable[str]:
    yield _one("key_available", "gauge", "1 while the key signs.", float(not status.key_fault))
    yield _one(
        "clock_disciplined",
        "gauge",
        "1 while something disciplines the wall clock.",
        float(status.clock.state != "FREE_RUNNING"),
    )
    yield _one("clock_steps_total", "counter", "Steps of the wall clock.", status.clock.steps)
    yield _one("uptime_seconds", "gauge", "Time since the start.", status.process.uptime_s)
    yield _one("memory_bytes", "gauge", "Resident memory.", status.process.rss_bytes)
    yield _one("cpu_seconds_total", "counter", "Processor time used.", status.process.cpu_s)
    labels = {"software": status.software, "software_sha256": status.software_sha256}
    yield _block("info", "gauge", "Which software this is.", [(labels, 1)])


def _one(name: str, kind: str, text: str, value: float) -> str:
    return _block(name, kind, text, [({}, value)])


def _block(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    full = f"{_PREFIX}_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{_labels(labels)} {value:.15g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
