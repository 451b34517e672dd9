"""Readings a second from gateways over the broker into the database, receipts included.

Gateways in one process publish envelopes, signed beforehand, as fast as their windows allow; the
real worker process commits them and answers with receipts. The yardstick takes the same envelopes
through the worker's own examination and batch in this process, without broker and receipts.
"""

import contextlib
import time

from backend.batch import BATCH_MESSAGES_MAX
from backend.clock import SystemClock
from backend.db import Database
from backend.ingest.service import examine_all
from backend.ingest.types import Message
from backend.worker import Writer
from deploy.clock import unix_us
from schemas.topics import up_topic
from tests.bench.load_stream import READINGS, gateway_names, presigned
from tests.bench.results import RUNS_MIN, Measured, Result, summarise
from tests.bench.rig import Rig, count_readings

GATEWAYS = 8
SENSORS = 64
ENVELOPES = 250  # Of each gateway and run: half a million readings.
WHAT = Measured(
    name="ingest_end_to_end",
    unit="readings/s",
    yardstick="the same envelopes through the worker's batch function, without broker",
    goal=">= 0.5",
)


def measure() -> list[Result]:
    """Run both ways in turn; return the one result."""
    names = gateway_names(GATEWAYS * RUNS_MIN)  # A run has its own: receipts are retained.
    values: list[float] = []
    yardsticks: list[float] = []
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(Rig(names, sensors=SENSORS))
        for run in range(RUNS_MIN):
            gateways = names[run * GATEWAYS : (run + 1) * GATEWAYS]
            start_unix_us = unix_us()
            with rig.database() as url:
                yardsticks.append(_in_process(url, gateways, start_unix_us))
            with rig.database() as url, rig.worker(url):
                values.append(_over_broker(rig, url, gateways, start_unix_us))
    return [summarise(WHAT, values, yardsticks)]


def _over_broker(rig: Rig, url: str, gateways: list[str], start_unix_us: int) -> float:
    report = rig.load(gateways, ENVELOPES, start_unix_us)
    stored = count_readings(url)
    assert stored == GATEWAYS * ENVELOPES * READINGS, f"{stored} readings stored"
    return stored / ((report.ended_unix_us - report.began_unix_us) / 1e6)


def _in_process(url: str, gateways: list[str], start_unix_us: int) -> float:
    messages = _messages(gateways, start_unix_us)
    with Database(url) as db:
        writer = Writer(db, SystemClock())
        writer.lease()
        began_s = time.perf_counter()
        for begin in range(0, len(messages), BATCH_MESSAGES_MAX):
            batch = messages[begin : begin + BATCH_MESSAGES_MAX]
            writer.write(examine_all(batch, writer.book))
        took_s = time.perf_counter() - began_s
        writer.close()
    stored = count_readings(url)
    assert stored == GATEWAYS * ENVELOPES * READINGS, f"{stored} readings stored"
    return stored / took_s


def _messages(gateways: list[str], start_unix_us: int) -> list[Message]:
    """Return the gateways' envelopes as they would arrive, one of each in turn."""
    streams = [
        presigned(name, sensors=SENSORS, envelopes=ENVELOPES, start_unix_us=start_unix_us)
        for name in gateways
    ]
    return [
        Message(topic=up_topic(name), data=data, received_unix_us=start_unix_us + 100_000)
        for row in zip(*streams, strict=True)
        for name, data in zip(gateways, row, strict=True)
    ]
