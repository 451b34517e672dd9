"""The gateway on a machine whose wall clock can be stepped while it runs.

``python -m tests.integration.gateway.faults.stepped FILE COMMAND...``: the wall clock is the true
one plus the days in ``FILE``, read at each call; the time since boot is the kernel's. Only this
process sees the step: the machine's clock is everybody's.
"""

import sys
import time
from pathlib import Path

DAY_NS = 86_400 * 1_000_000_000


def main(file: Path, command: list[str]) -> None:
    """Run a command of the gateway under the stepped clock."""
    true_ns = time.time_ns
    time.time_ns = lambda: true_ns() + int(file.read_text()) * DAY_NS

    from gateway.cli.app import app

    app(command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
