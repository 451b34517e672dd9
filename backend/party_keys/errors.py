"""Why a signature, or a key, is not taken."""

from backend.errors import RefusedError


class SignatureRefusedError(RefusedError):
    """Bytes that no key of the party has signed, or none that signs for it now."""

    status = 422

    def __init__(self, why: str, **detail: object) -> None:
        super().__init__("bad_signature", why, **detail)


class KeyTakenError(RefusedError):
    """A key signs for one party, once."""

    def __init__(self, key_id: bytes) -> None:
        super().__init__("key_in_use", f"key {key_id.hex()} was registered before: make a new one")
