"""Enrolment: trade a one-time code for the backend's key and the broker's address and login.

The answer is kept in the state folder; ``run`` uses it for what the configuration leaves out.
"""

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from gateway.config.types import Url
from gateway.errors import ConfigError, StateError, UnavailableError, UntrustedError
from gateway.signing import check_public_key, sync_folder
from schemas.topics import PARTITIONS, partition_of

ENROLMENT_FILE: Final = "enrolment.json"
ANSWER_BYTES_MAX: Final = 65_536  # The answer needs about 300.
REQUEST_S_MAX: Final = 15.0


class EnrolledBroker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, and how this gateway logs in."""

    url: Url
    username: str | None = None
    password: str | None = None


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend answered."""

    backend_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    broker: EnrolledBroker
    partition: Annotated[int, msgspec.Meta(ge=0, lt=PARTITIONS)]


def request_enrolment(
    url: str, code: str, gateway_id: str, public_key: bytes, *, ca_file: str | None = None
) -> Enrolment:
    """Ask the backend at ``url`` to enrol this gateway.

    Raises:
        ConfigError: ``url`` is not a web address.
        UnavailableError: The backend cannot be reached, or failed; try again.
        UntrustedError: It refused, or its answer makes no sense.
    """
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ConfigError("URL", url, "http://HOST:PORT or https://HOST")
    body = json.dumps(
        {"code": code, "gateway_id": gateway_id, "public_key": public_key.hex()}
    ).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        f"{url.rstrip('/')}/api/enrol",
        data=body,
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    context = ssl.create_default_context(cafile=ca_file) if address.scheme == "https" else None
    try:
        with urllib.request.urlopen(  # noqa: S310 - the scheme was checked above
            request, timeout=REQUEST_S_MAX, context=context
        ) as response:
            answer = response.read(ANSWER_BYTES_MAX)
    except urllib.error.HTTPError as error:
        detail = error.read(500).decode("utf-8", "replace")
        if error.code >= 500:
            raise UnavailableError(f"{url}: answered {error.code}: {detail}") from error
        raise UntrustedError(f"{url}: refused with {error.code}: {detail}") from error
    except OSError as error:
        raise UnavailableError(f"{url}: {getattr(error, 'reason', error)}") from error
    return decode_enrolment(answer, gateway_id)


def decode_enrolment(answer: bytes, gateway_id: str) -> Enrolment:
    """Return the enrolment in a JSON answer.

    Raises:
        UntrustedError: It is malformed, or not for this gateway.
    """
    try:
        enrolment = msgspec.json.decode(answer, type=Enrolment)
    except msgspec.MsgspecError as error:
        raise UntrustedError(f"enrolment: {error}") from error
    check_public_key(bytes.fromhex(enrolment.backend_key))
    if enrolment.partition != partition_of(gateway_id):
        raise UntrustedError(
            f"enrolment: partition is {enrolment.partition}, "
            f"must be {partition_of(gateway_id)} for {gateway_id!r}"
        )
    return enrolment


def save_enrolment(state_dir: Path, enrolment: Enrolment) -> None:
    """Keep ``enrolment`` in the state folder, readable by its owner only.

    Raises:
        StateError: The folder cannot be written.
    """
    path = state_dir / ENROLMENT_FILE
    partial = path.with_suffix(".partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(enrolment), indent=2))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(state_dir)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}") from error


def load_enrolment(state_dir: Path, gateway_id: str) -> Enrolment | None:
    """Return the enrolment kept in the state folder; None when there is none.

    Raises:
        StateError: The file is unreadable.
        UntrustedError: It is not for this gateway.
    """
    path = state_dir / ENROLMENT_FILE
    try:
        return decode_enrolment(path.read_bytes(), gateway_id)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}") from error
