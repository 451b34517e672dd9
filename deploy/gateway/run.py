"""Start the gateway from its own folder of modules; the system's are not seen."""

import sys

sys.path.insert(0, "/usr/lib/pledgewatch-gateway/lib")

from gateway.cli.app import app

app()
