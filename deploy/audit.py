"""Counts both ends of every stream and recomputes the chain: what was lost, twice, or altered.

Trusts no counter of the programs: envelopes are decoded from the bytes that travelled, hashed and
chained again, and the rows of each are counted in the tables of readings. A digest stands for the
run of envelopes that it names: what it does not keep of their readings is accounted as thinned.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg

from deploy.errors import DeployError
from deploy.stack import ROOT, Stack, child_env
from schemas.cose import decode_sign1
from schemas.digest import decode_digest, is_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, decode_envelope

DRAINS_MAX = 6  # Each time the backlog of a kill is sent for so long again.
CATCH_UP_S = 10.0
OUTBOX_S_MAX = 30.0  # A new Python process on a busy machine, and a SQLite file being written.


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAudit:
    """One gateway's stream: readings journalled there, stored here, and what does not fit.

    ``thinned`` are those that the gateway says, under its signature, it did not keep.
    """

    gateway: str
    emitted: int
    stored: int
    thinned: int
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every reading is stored once, in order, unaltered, or accounted as thinned."""
        return self.emitted == self.stored + self.thinned and not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAudit:
    """What the database holds of one stream: rows of readings, those thinned, what is wrong."""

    rows: int
    thinned: int
    problems: tuple[str, ...]


def audit_stream(url: str, gateway: str, config: Path) -> StreamAudit:
    """Return the audit of one gateway's stream; ``config`` is the gateway's own file."""
    held = audit_stored(url, gateway)
    return StreamAudit(
        gateway=gateway,
        emitted=emitted_readings(config),
        stored=held.rows,
        thinned=held.thinned,
        problems=held.problems,
    )


def audit_stored(url: str, gateway: str) -> StoredAudit:
    """Return the audit of what is stored of one gateway's stream."""
    with psycopg.connect(url) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SET ROLE pledgewatch_worker")
        stored, thinned, problems = _walk(conn, gateway)
        rows = _rows_by_envelope(conn, gateway)
        told = _thinned(conn, gateway)
    if told != thinned:
        problems.append(f"{told} readings are shown as thinned, the digests say {thinned}")
    for number, expected in stored.items():
        if rows.get(number, 0) != expected:
            problems.append(f"envelope {number}: {rows.get(number, 0)} rows of {expected}")
    problems += [
        f"rows of no envelope: {number}" for number in sorted(rows.keys() - stored.keys())
    ]
    return StoredAudit(rows=sum(rows.values()), thinned=thinned, problems=tuple(problems))


def _walk(conn: psycopg.Connection, gateway: str) -> tuple[dict[int, int], int, list[str]]:
    """Return readings kept by envelope number, those thinned, and each break of the chain."""
    problems: list[str] = []
    stored: dict[int, int] = {}
    previous, before, last, thinned = GENESIS_HASH, 0, 0, 0
    with conn.cursor(name="envelopes") as cursor:
        cursor.execute(
            "SELECT number, bytes FROM envelope WHERE gateway_id = %s ORDER BY number", (gateway,)
        )
        for number, data in cursor:
            sign1 = decode_sign1(data, bytes_max=ENVELOPE_BYTES_MAX)
            if is_digest(sign1):
                envelope = decode_digest(sign1)
                first, kept, names = envelope.first_number, envelope.kept, envelope.last_sha256
            else:
                envelope = decode_envelope(sign1)
                first, kept, names = number, envelope.readings, sha256(data).digest()
            if envelope.number != number or first != last + 1:
                problems.append(f"envelope {number} stands where {last + 1} should")
            if envelope.previous_sha256 != previous:
                problems.append(f"envelope {number} does not follow the one before")
            if envelope.readings_before != before:
                problems.append(f"envelope {number} says {envelope.readings_before}, not {before}")
            previous, before, last = names, before + envelope.readings, number
            stored[number] = kept
            thinned += envelope.readings - kept
    return stored, thinned, problems


def _thinned(conn: psycopg.Connection, gateway: str) -> int:
    row = conn.execute(
        "SELECT coalesce(sum(readings - kept), 0) FROM thinning WHERE gateway_id = %s", (gateway,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _rows_by_envelope(conn: psycopg.Connection, gateway: str) -> dict[int, int]:
    rows = conn.execute(
        "SELECT envelope_number, count(*) FROM ("
        " SELECT channel_id, envelope_number FROM scalar_reading"
        " UNION ALL SELECT channel_id, envelope_number FROM sighting_reading"
        " UNION ALL SELECT channel_id, envelope_number FROM event_reading) AS reading"
        " JOIN channel ON channel.id = channel_id WHERE gateway_id = %s GROUP BY 1",
        (gateway,),
    )
    return {int(number): int(count) for number, count in rows}


def emitted_readings(config: Path) -> int:
    """Return how many readings the gateway of ``config`` has journalled since it was enrolled.

    Raises:
        DeployError: The gateway's program could not say.
    """
    argv = [sys.executable, "-m", "gateway", "outbox", "--config", str(config)]
    done = subprocess.run(  # noqa: S603 - our own program
        argv,
        cwd=ROOT,
        env=child_env(),
        capture_output=True,
        text=True,
        timeout=OUTBOX_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        message = f"gateway outbox: {done.stderr.strip()}"
        raise DeployError(message)
    return int(json.loads(done.stdout)["emitted"])


def problems_of(audits: Iterable[StreamAudit]) -> list[str]:
    """Return what does not fit, a line each; empty when every stream is whole."""
    lines: list[str] = []
    for audit in audits:
        if audit.emitted != audit.stored + audit.thinned:
            thinned = f", thinned {audit.thinned}" if audit.thinned else ""
            lines.append(
                f"{audit.gateway}: journalled {audit.emitted}, stored {audit.stored}{thinned}"
            )
        lines += [f"{audit.gateway}: {problem}" for problem in audit.problems[:10]]
    return lines


def drain(stack: Stack) -> list[StreamAudit]:
    """Stop the gateways; return the audits once all is stored, or after a bounded wait.

    A gateway that is stopped sends what is left, for a moment. One that had more is started
    again, with the backend and the way there still up, and stopped later.
    """
    gateways = stack.scenario.gateways()
    audits: list[StreamAudit] = []
    for attempt in range(DRAINS_MAX):
        if attempt:
            for name in gateways:
                stack.daemons[name].start()
            time.sleep(CATCH_UP_S)
        for name in gateways:
            stack.daemons[name].stop()
        url = stack.postgres.url
        audits = [audit_stream(url, name, stack.gateway_file(name)) for name in gateways]
        if all(audit.whole for audit in audits):
            break
    return audits
