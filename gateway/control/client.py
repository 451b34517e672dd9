"""A command's end of the control socket."""

import os
import socket
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from gateway.control.server import SOCKET_FILE
from gateway.control.status import Reloaded, Renewed, Request, Rotating, Status
from gateway.errors import GatewayError, StateError, UnavailableError

ANSWER_S_MAX: Final = 10.0
RENEWAL_S_MAX: Final = 40.0  # The backend is asked twice.
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024  # A thousand sensors need about a quarter.
CHUNK_BYTES: Final = 65_536

T = TypeVar("T", bound=msgspec.Struct)


class NoDaemonError(UnavailableError):
    """No daemon runs on this state folder."""


def ask_status(state_dir: Path) -> Status:
    """Return how the daemon on ``state_dir`` stands.

    Raises:
        NoDaemonError: None runs there.
        StateError: This user may not ask it.
        UnavailableError: It does not answer.
    """
    return _ask(state_dir, "status", Status)


def ask_reload(state_dir: Path) -> Reloaded:
    """Let the daemon on ``state_dir`` read its configuration again; return what that did.

    Raises:
        NoDaemonError: None runs there.
        GatewayError: It refused, with its reason, or does not answer.
    """
    return _ask(state_dir, "reload", Reloaded)


def ask_rotate(state_dir: Path) -> Rotating:
    """Let the daemon on ``state_dir`` turn to a new key; return which that will be.

    Raises:
        NoDaemonError: None runs there.
        GatewayError: It refused, with its reason, or does not answer.
    """
    return _ask(state_dir, "rotate", Rotating)


def ask_renew(state_dir: Path) -> Renewed:
    """Let the daemon on ``state_dir`` renew its certificate; return until when that holds.

    Raises:
        NoDaemonError: None runs there.
        GatewayError: It refused, with its reason, or does not answer.
    """
    return _ask(state_dir, "renew", Renewed, answer_s_max=RENEWAL_S_MAX)


def _ask(state_dir: Path, what: str, kind: type[T], *, answer_s_max: float = ANSWER_S_MAX) -> T:
    line = _exchange(state_dir, msgspec.json.encode(Request(what)) + b"\n", answer_s_max)
    try:
        reply = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        if "error" in reply:
            raise GatewayError(msgspec.json.decode(reply["error"], type=str))
        return msgspec.json.decode(reply["answer"], type=kind)
    except (msgspec.MsgspecError, KeyError) as error:
        raise UnavailableError(f"the daemon's answer is not understood: {error}") from error


def _exchange(state_dir: Path, request: bytes, answer_s_max: float) -> bytes:
    try:
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NoDaemonError(f"no daemon runs: {state_dir} does not exist") from None
    except PermissionError:
        raise _forbidden(state_dir) from None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(answer_s_max)
            line.connect(f"/proc/self/fd/{folder}/{SOCKET_FILE}")
            line.sendall(request)
            return _read_line(line)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemonError(f"no daemon runs on {state_dir}") from None
    except PermissionError:
        raise _forbidden(state_dir) from None
    except OSError as error:
        raise UnavailableError(f"the daemon does not answer: {error}") from error
    finally:
        os.close(folder)


def _read_line(line: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        chunk = line.recv(CHUNK_BYTES)
        if not chunk:
            raise ConnectionResetError("it closed the connection")
        data += chunk
        if len(data) > ANSWER_BYTES_MAX:
            raise ConnectionAbortedError(f"more than {ANSWER_BYTES_MAX} bytes")
    return bytes(data)


def _forbidden(state_dir: Path) -> StateError:
    return StateError(f"{state_dir}: only root and the gateway's own user may ask; try sudo")
