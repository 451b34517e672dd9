"""Holds the gateway's modules and forks daemons on request, so that a kill costs no start.

``python -m tests.integration.gateway.faults.zygote``: a line on standard input is a configuration
file, for which a daemon is forked and its process id printed; an empty line waits until the last
one has ended and prints how.
"""

import os
import sys

from gateway.cli.app import app


def main() -> None:
    """Serve until standard input ends."""
    child = 0
    for line in sys.stdin:
        config = line.strip()
        if not config:
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
            sys.stdout.flush()
            continue
        child = os.fork()
        if child == 0:
            os.close(0)
            app(["run", "--config", config, "--log-level", "error"])
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
