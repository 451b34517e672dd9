"""Readings a second through the worker in isolation, against raw binary COPY of the same rows.

Verified, chained, folded into the state of their sensors and lots, alerts followed, committed.
As the worker does it, one thread examines the next batch while another writes. The yardstick
copies rows that were laid out beforehand, in as many transactions, into the same table. The
database syncs each commit to disk.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np

from backend.batch import BATCH_MESSAGES_MAX
from backend.clock import SystemClock
from backend.db import Database
from backend.ingest.rules.columns import batch_of
from backend.ingest.service import examine_all
from backend.ingest.types import Accepted, Examined, Message
from backend.migrate import migrate
from backend.telemetry.rules import COPY_HEADER, COPY_TRAILER, scalar_rows
from backend.telemetry.types import Int32s
from backend.worker import SWITCH_S, Writer
from deploy.clock import unix_us
from deploy.database import DatabaseServer
from deploy.postgres import EmbeddedPostgres
from schemas.keys import key_id_of
from schemas.topics import up_topic
from tests.bench.load_stream import READINGS, SPAN_US, LoadStream, gateway_names, presigned
from tests.bench.results import RUNS_MIN, Measured, Result, summarise
from tests.bench.rig import count_readings
from tests.warehouse import Warehouse, bind, build_warehouse

GATEWAYS = 8
SENSORS = 64  # Thermometers of each gateway, each watching a lot.
ENVELOPES = 512  # Of each gateway and run: a million readings.
NOTHING: Sequence[Message] = ()  # After the last batch.
TEMPLATE = "bench_template"
COPY = (
    "COPY scalar_reading (at, channel_id, envelope_number, value, quality)"
    " FROM STDIN (FORMAT binary)"
)
WHAT = Measured(
    name="ingest_worker",
    unit="readings/s",
    yardstick="raw binary COPY of the same rows into the same table",
    goal=">= 0.75, and >= 300,000 readings/s on 2 cores",
)


def measure() -> list[Result]:
    """Run both in turn on fresh databases; return the one result."""
    names = gateway_names(GATEWAYS)
    sys.setswitchinterval(SWITCH_S)
    values: list[float] = []
    yardsticks: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pledgewatch-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            with postgres:
                server = DatabaseServer(url=postgres.url)
                _prepare(server.create_database(TEMPLATE), names)
                for run in range(RUNS_MIN):
                    batches = _batches(names, unix_us())
                    for measured, way in ((yardsticks, _copied), (values, _ingested)):
                        name = f"bench_{run}_{way.__name__.strip('_')}"
                        url = server.create_database(name, TEMPLATE)
                        measured.append(way(url, batches))
                        server.drop_database(name)
        finally:
            postgres.remove()
    return [summarise(WHAT, values, yardsticks)]


def _ingested(url: str, batches: Sequence[Sequence[Message]]) -> float:
    """Return readings a second through the worker's writer."""
    with Database(url) as db, ThreadPoolExecutor(1) as examiner:
        writer = Writer(db, SystemClock())
        writer.book.learn_keys(writer.lease())
        began_s = time.perf_counter()
        coming = examiner.submit(examine_all, batches[0], writer.book)
        for following in (*batches[1:], NOTHING):
            examined = coming.result()
            coming = examiner.submit(examine_all, following, writer.book)
            writer.write(examined)
        took_s = time.perf_counter() - began_s
        writer.close()
    return _stored(url, batches) / took_s


def _copied(url: str, batches: Sequence[Sequence[Message]]) -> float:
    """Return readings a second by COPY alone, in as many transactions."""
    laid_out = [_rows(url, batch) for batch in batches]
    with Database(url) as db:
        db.check()
        began_s = time.perf_counter()
        for rows in laid_out:
            with db.working() as conn, conn.cursor().copy(COPY) as copy:
                copy.write(COPY_HEADER)
                copy.write(rows)
                copy.write(COPY_TRAILER)
        took_s = time.perf_counter() - began_s
    return _stored(url, batches) / took_s


def _rows(url: str, batch: Sequence[Message]) -> bytes:
    """Return a batch's rows as the worker would copy them."""
    with Database(url) as db:
        writer = Writer(db, SystemClock())
        writer.book.learn_keys(writer.lease())
        examined = [e for e in examine_all(batch, writer.book) if isinstance(e, Examined)]
        writer.close()
    tables = [_numbers(each) for each in examined]
    return scalar_rows(batch_of([Accepted(each, 0) for each in examined], tables, {}).scalars)


def _stored(url: str, batches: Sequence[Sequence[Message]]) -> int:
    stored, sent = count_readings(url), READINGS * sum(len(batch) for batch in batches)
    assert stored == sent, f"{stored} readings stored of {sent}"
    return stored


def _batches(names: Sequence[str], start_unix_us: int) -> list[list[Message]]:
    """Return full batches of envelopes as they would arrive, one of each gateway in turn."""
    streams = [
        presigned(name, sensors=SENSORS, envelopes=ENVELOPES, start_unix_us=start_unix_us)
        for name in names
    ]
    messages = [
        Message(
            topic=up_topic(name),
            data=data,
            received_unix_us=start_unix_us + (number + 1) * SPAN_US,
        )
        for number, row in enumerate(zip(*streams, strict=True))
        for name, data in zip(names, row, strict=True)
    ]
    size = BATCH_MESSAGES_MAX
    return [messages[begin : begin + size] for begin in range(0, len(messages), size)]


def _prepare(url: str, names: Sequence[str]) -> None:
    """Enrol the gateways; let every sensor of each watch a lot of its own."""
    migrate(url)
    made = build_warehouse(url)
    for name in names:
        stream = LoadStream(name, sensors=SENSORS)
        _add_stream(made, name, stream.public_key)
        lot = uuid4()
        made.execute(
            "INSERT INTO lot (id, name, site_id, zone_id, owner_party, commodity_id,"
            " instrument_id, pledged_mass_g) VALUES (%s, %s, %s, %s, %s, 'fish', 'FISH', 1000)",
            lot,
            name,
            made.site,
            made.dock,
            made.owner,
        )
        for number in range(SENSORS):
            sensor = f"thermometer-{number:03d}"
            bind(made, sensor, "condition", gateway_id=name, zone_id=made.dock, lot_id=lot)


def _add_stream(made: Warehouse, name: str, public_key: bytes) -> None:
    made.execute(
        "INSERT INTO gateway (id, site_id, public_key, key_id, enrolled_at)"
        " VALUES (%s, %s, %s, %s, now())",
        name,
        made.site,
        public_key,
        key_id_of(public_key),
    )
    made.execute("INSERT INTO stream (gateway_id) VALUES (%s)", name)


def _numbers(examined: Examined) -> Int32s:
    return np.arange(len(examined.envelope.sensors), dtype=np.int32)
