"""Where the gateway's TLS files are in its state folder; what is in them: ``certificate``."""

from hashlib import sha256
from pathlib import Path
from typing import Final

BUNDLE_FILE: Final = "broker.pem"  # Certificate and key in one: a rename changes both at once.
BROKER_CA_FILE: Final = "broker-ca.crt"
BACKEND_CA_FILE: Final = "backend-ca.crt"  # Who signed the API's key, if the installer said so.


def bundle_sha256(state_dir: Path) -> bytes | None:
    """Return the digest of the certificate and key that are kept; None: none are."""
    try:
        return sha256((state_dir / BUNDLE_FILE).read_bytes()).digest()
    except OSError:
        return None


def backend_ca(state_dir: Path) -> Path | None:
    """Return whom to believe to be the backend's API; None: whom the machine believes."""
    path = state_dir / BACKEND_CA_FILE
    return path if path.exists() else None
