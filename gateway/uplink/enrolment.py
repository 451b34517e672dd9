"""Enrolment: trade a one-time code for the backend's key and the broker's address and login.

The answer is kept in the state folder; ``run`` uses it for what the configuration leaves out.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from gateway.config.types import Url
from gateway.errors import StateError, UntrustedError
from gateway.signing import check_public_key, sync_folder
from gateway.uplink.backend_api import post_json
from schemas.topics import PARTITIONS, partition_of

ENROLMENT_FILE: Final = "enrolment.json"
# What a backend says that is older than certificates.
_UNKNOWN_TO_OLD: Final = "certificate: Extra inputs are not permitted"


class EnrolledBroker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, and how this gateway logs in."""

    url: Url
    username: str | None = None
    password: str | None = None


class GivenCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A client certificate, and whom it and the broker's are signed by; PEM."""

    certificate: str
    ca: str


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the backend answered; the address that it was asked at is kept with it."""

    backend_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    broker: EnrolledBroker
    partition: Annotated[int, msgspec.Meta(ge=0, lt=PARTITIONS)]
    certificate: GivenCertificate | None = None
    backend_url: str | None = None


def request_enrolment(
    url: str,
    code: str,
    gateway_id: str,
    public_key: bytes,
    *,
    ca_file: str | None = None,
    certificate: Mapping[str, str] | None = None,
) -> Enrolment:
    """Ask the backend at ``url`` to enrol this gateway; ``certificate``: a request for one.

    Raises:
        ConfigError: ``url`` is not a web address.
        UnavailableError: The backend cannot be reached, or failed; try again.
        UntrustedError: It refused, or its answer makes no sense.
    """
    body: dict[str, object] = {
        "code": code,
        "gateway_id": gateway_id,
        "public_key": public_key.hex(),
    }
    if certificate is not None:
        body["certificate"] = certificate
    try:
        answer = post_json(url, "/api/enrol", body, ca_file=ca_file)
    except UntrustedError as error:
        if certificate is None or _UNKNOWN_TO_OLD not in str(error):
            raise
        del body["certificate"]  # The refusal did not use the code up; the password remains.
        answer = post_json(url, "/api/enrol", body, ca_file=ca_file)
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
