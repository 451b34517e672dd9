"""Who holds the private key: this process, out of a file, or a token, which never gives it out."""

from typing import Protocol

from gateway.signing.ed25519 import PrivateKey, private_pem


class KeyHolder(Protocol):
    """Holds one Ed25519 key, and signs with it."""

    @property
    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it is worth asking for a signature now."""
        ...

    @property
    def fault(self) -> str:
        """Why there was no signature the last time; empty: there was."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``, 64 bytes.

        Raises:
            UnavailableError: Not now; later it may.
        """
        ...

    def file_pem(self) -> bytes:
        """Return what the key's file in the state folder says."""
        ...


class FileHolder:
    """A key in this process's memory, as its file has it."""

    ready = True
    fault = ""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``."""
        return self._key.sign(text)

    def file_pem(self) -> bytes:
        """Return the private key as PKCS #8 PEM, for its file only."""
        return private_pem(self._key)
