"""One function for each of the gateway's types, with keyword overrides."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

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
from gateway.envelope import SealLimits
from gateway.outbox.head import HEAD_FILE, Head, HeadFile
from gateway.outbox.store import StoreParts
from gateway.reading import (
    Channels,
    ClockSegment,
    Entry,
    EventReading,
    Reading,
    Scalar,
    Sighting,
    Sweep,
)
from gateway.signing import Signer, new_signer
from schemas.bodies import encode_body
from schemas.envelope import ClockState
from schemas.quantities import QUALITY_CODES, EventType, Quality, Quantity
from schemas.receipt import Receipt, StreamState

GATEWAY = "gw-test"
T0_UNIX_US = 1_760_000_000_000_000


def make_random() -> Random:
    """Return a source of jitter that is the same in every run."""
    return Random(1)


def make_scalar(**overrides: Any) -> Scalar:  # noqa: ANN401 - any of the fields
    """Return a weight."""
    values: dict[str, Any] = {
        "sensor": "scale-1",
        "quantity": Quantity.MASS,
        "time_unix_us": T0_UNIX_US,
        "value": 1_000.0,
    }
    return Scalar(**(values | overrides))


def make_sighting(**overrides: Any) -> Sighting:  # noqa: ANN401 - any of the fields
    """Return one read of a tag."""
    values: dict[str, Any] = {
        "sensor": "rfid-1",
        "time_unix_us": T0_UNIX_US,
        "epc": bytes.fromhex("3074257bf7194e4000001a85"),
        "rssi_cdbm": -5_500,
    }
    return Sighting(**(values | overrides))


def make_event(
    kind: EventType = EventType.FAULT,
    body: dict[str, object] | None = None,
    **overrides: Any,  # noqa: ANN401 - any of the fields
) -> EventReading:
    """Return an event, a fault by default."""
    values: dict[str, Any] = {
        "sensor": "scale-1",
        "time_unix_us": T0_UNIX_US,
        "type": kind,
        "body": encode_body(body or {"why": "noise", "bytes": b"\xff"}),
    }
    return EventReading(**(values | overrides))


def make_channels(count: int, prefix: str = "m") -> Channels:
    """Return the channels of a block of ``count`` registers, each a sensor of its own."""
    return Channels((f"{prefix}-{i}", Quantity.TEMPERATURE) for i in range(count))


def make_sweep(values: Sequence[float], **overrides: Any) -> Sweep:  # noqa: ANN401
    """Return a sweep of all channels of a block."""
    fields: dict[str, Any] = {"time_unix_us": T0_UNIX_US, "values": array("d", values)}
    if "channels" not in overrides:
        fields["channels"] = make_channels(len(values))
    return Sweep(**(fields | overrides))


def unfold(entries: Sequence[Entry]) -> list[Reading]:
    """Return the readings of ``entries`` one by one."""
    qualities = {code: quality for quality, code in QUALITY_CODES.items()}
    readings: list[Reading] = []
    for entry in entries:
        if not isinstance(entry, Sweep):
            readings.append(entry)
            continue
        index = range(len(entry)) if entry.index is None else entry.index
        codes = entry.quality or bytes(len(entry))
        readings += [
            Scalar(
                sensor=entry.channels.rows[i][0],
                quantity=entry.channels.rows[i][1],
                time_unix_us=entry.time_unix_us,
                value=value,
                quality=qualities[code],
            )
            for i, value, code in zip(index, entry.values, codes, strict=True)
        ]
    return readings


def make_segment(**overrides: Any) -> ClockSegment:  # noqa: ANN401 - any of the fields
    """Return a clock segment of a machine that booted an hour ago."""
    values: dict[str, Any] = {
        "boot_id": bytes(range(16)),
        "offset_us": T0_UNIX_US - 3_600_000_000,
        "state": ClockState.NTP,
    }
    return ClockSegment(**(values | overrides))


def make_parts(folder: Path, signer: Signer | None = None, **overrides: Any) -> StoreParts:  # noqa: ANN401
    """Return what a store in ``folder`` needs; a key that is not given is new."""
    head_file = HeadFile(folder / HEAD_FILE)
    if signer is None:
        signer = new_signer()
        head_file.save(Head(key_id=signer.key_id))
    values: dict[str, Any] = {
        "path": folder / "outbox.sqlite3",
        "head_file": head_file,
        "gateway": GATEWAY,
        "signer": signer,
        "limits": SealLimits(readings_max=4),
        "bytes_max": 16 * 1024 * 1024,
        "window": 100_000,  # All may be sent, so nothing is thinned.
    }
    return StoreParts(**(values | overrides))


def make_receipt(number: int, sha256: bytes, **overrides: Any) -> Receipt:  # noqa: ANN401
    """Return a receipt for the envelope ``number``."""
    values: dict[str, Any] = {
        "gateway": GATEWAY,
        "number": number,
        "sha256": sha256,
        "readings": number,
        "state": StreamState.OPEN,
        "issued_unix_us": T0_UNIX_US,
    }
    return Receipt(**(values | overrides))


_SENSORS = st.sampled_from(["a", "b-1", "c.2", "gateway"])
_TIMES = st.integers(T0_UNIX_US, T0_UNIX_US + 60_000_000)
SCALARS = st.builds(
    Scalar,
    sensor=_SENSORS,
    quantity=st.sampled_from(Quantity),
    time_unix_us=_TIMES,
    value=st.floats(allow_nan=False, allow_infinity=False),
    quality=st.sampled_from(Quality),
)
SIGHTINGS = st.builds(
    Sighting,
    sensor=_SENSORS,
    time_unix_us=_TIMES,
    epc=st.binary(max_size=62),
    antenna=st.integers(0, 255),
    rssi_cdbm=st.integers(-32_768, 32_767),
    count=st.integers(1, 65_535),
)
EVENTS = st.builds(
    EventReading,
    sensor=_SENSORS,
    time_unix_us=_TIMES,
    type=st.sampled_from(EventType),
    body=st.dictionaries(st.text("abc", max_size=3), st.integers(0, 9), max_size=3).map(
        encode_body
    ),
    image_sha256=st.none() | st.binary(min_size=32, max_size=32),
)
READINGS: st.SearchStrategy[Reading] = SCALARS | SIGHTINGS | EVENTS
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_BLOCKS = st.sampled_from([make_channels(count, f"block-{count}") for count in (1, 7, 60)])


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """Draw a whole sweep, or some readings of one, with qualities or all of them good."""
    channels = draw(_BLOCKS)
    size = len(channels.rows)
    values = draw(st.lists(_FINITE, min_size=size, max_size=size))
    codes = st.binary(min_size=size, max_size=size).map(lambda b: bytes(c % 4 for c in b))
    quality = draw(st.just(b"") | codes)
    time_unix_us = draw(_TIMES)
    sweep = make_sweep(values, channels=channels, quality=quality, time_unix_us=time_unix_us)
    chosen = draw(st.none() | st.lists(st.booleans(), min_size=size, max_size=size))
    return sweep if chosen is None or not any(chosen) else sweep.select(chosen)


ENTRIES: st.SearchStrategy[Entry] = READINGS | sweeps()


def make_sensor_status(**overrides: Any) -> SensorStatus:  # noqa: ANN401 - any of the fields
    """Return a scale that is up."""
    values: dict[str, Any] = {
        "name": "scale-1",
        "driver": "scale-1",
        "health": "up",
        "why": "",
        "age_s": 0.5,
        "channels": [
            ChannelStatus(channel="mass", age_s=0.5, value=12_340.0, unit="g", quality="good")
        ],
        "counts": {"good": 7},
    }
    return SensorStatus(**(values | overrides))


def make_status(**overrides: Any) -> Status:  # noqa: ANN401 - any of the fields
    """Return how a gateway with one scale stands, connected and receipted."""
    values: dict[str, Any] = {
        "gateway": GATEWAY,
        "software": "0.1.0",
        "software_sha256": "ab" * 32,
        "config_file": "/etc/pledgewatch/gateway.toml",
        "config_sha256": "cd" * 32,
        "sensors": [make_sensor_status()],
        "drivers": [
            DriverStatus(
                name="scale-1",
                kind="serial",
                state="running",
                for_s=60.0,
                restarts=2,
                error="",
                retry_in_s=None,
            )
        ],
        "outbox": OutboxStatus(
            emitted=100,
            sealed=99,
            unreceipted=3,
            bytes=4_096,
            bytes_max=1 << 30,
            head_number=12,
            receipted_number=9,
            head_known=True,
        ),
        "uplink": UplinkStatus(
            address="broker.example:8883",
            state="open",
            for_s=60.0,
            error="",
            stopped="",
            retry_in_s=None,
            receipt_number=9,
            receipt_age_s=0.2,
            forged=1,
        ),
        "clock": ClockStatus(state="NTP", unix_us=T0_UNIX_US, boot_id="b" * 8, steps=0),
        "process": ProcessStatus(pid=7, uptime_s=100.0, rss_bytes=50_000_000, cpu_s=1.0),
    }
    return Status(**(values | overrides))
