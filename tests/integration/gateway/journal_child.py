"""A child process that journals and seals as fast as it can, until it is killed.

Prints after each hand-over how many readings are durable. Values count up from what the outbox
holds, so that a reading lost or doubled shows.
"""

import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.envelope import SealLimits
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import OUTBOX_FILE, open_identity
from gateway.outbox.store import StoreParts
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import Scalar
from schemas.quantities import Quantity

BATCH = 3
BYTES_MAX = 64 * 1024 * 1024
ROUNDS_MAX = 100_000  # Only until it is killed.
GATEWAY = "gw-test"


def main(folder: Path, batch: int = BATCH, bytes_max: int = BYTES_MAX) -> None:
    """Journal for ever into ``folder``, ``batch`` readings at a time."""
    signer, _ = open_identity(folder)
    parts = StoreParts(
        path=folder / OUTBOX_FILE,
        head_file=HeadFile(folder / HEAD_FILE),
        gateway=GATEWAY,
        signer=signer,
        limits=SealLimits(readings_max=max(16, batch)),
        bytes_max=bytes_max,
    )
    clock = SystemClock()
    outbox = Outbox(parts, clock, age_s=0.01, notify=lambda: None)
    value = outbox.stats().result().emitted
    segment = clock.segment()
    for _ in range(ROUNDS_MAX):
        readings = [
            Scalar(
                sensor="count",
                quantity=Quantity.MASS,
                time_unix_us=clock.unix_us(),
                value=float(value + step),
            )
            for step in range(batch)
        ]
        value += batch
        outbox.put(Batch(segment=segment, readings=readings, urgent=value % 7 == 0))
        durable = outbox.stats().result().emitted
        sys.stdout.write(f"{durable}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
