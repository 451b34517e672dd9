"""The key's file in the state folder: the private key, or the public half of a token's."""

import os
import stat
from pathlib import Path
from typing import Final

from gateway.errors import StateError
from gateway.signing.ed25519 import PrivateKey, read_pem
from gateway.signing.secret import save_private
from gateway.signing.signer import Signer, new_signer
from gateway.signing.token import Token, TokenHolder

KEY_FILE_BYTES_MAX: Final = 4_096  # PKCS #8 PEM of an Ed25519 key is 119 bytes.


def save_key(signer: Signer, path: Path) -> None:
    """Write the key of ``signer`` to ``path`` with mode 0600, whole or not at all.

    Raises:
        StateError: The file cannot be written.
    """
    save_private(path, signer.holder.file_pem(), "key file")


def make_key(token: Token | None) -> Signer:
    """Return a signer with a new key, made inside ``token`` if there is one; in no file yet.

    Raises:
        GatewayError: The token makes none now.
    """
    return new_signer() if token is None else Signer(TokenHolder(token, token.generate()))


def load_key(path: Path, token: Token | None = None) -> Signer:
    """Return the key kept at ``path``; ``token`` is not asked yet, it may be out.

    Raises:
        StateError: The file is unreadable, open to others, or holds no Ed25519 key; or its key is
            inside a token, and none is configured.
    """
    try:
        key = read_pem(_read(path))
    except ValueError as error:
        raise StateError(f"key file {path}: {error}") from error
    if isinstance(key, PrivateKey):
        return Signer(key)
    if token is None:
        raise StateError(
            f"key file {path}: the private key is inside a token; must be named in [key]"
        )
    return Signer(TokenHolder(token, key))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise StateError(f"key file {path}: mode is {mode:04o}, must be 0600")
            return file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise StateError(f"key file {path}: {error.strerror or error}") from error
