"""Key rotation: the text that the new key signs, so that nobody brings a key that is not its own.

The old key's last envelope names the new key (event ``key_rotated``: ``public_key``, ``proof``);
the proof shows that whoever sealed it holds the new key too.
"""

from typing import Final

import cbor2

PURPOSE: Final = "pledgewatch key rotation v1"  # No other text that is signed begins like this.


def proof_text(gateway: str, old_key_id: bytes, public_key: bytes) -> bytes:
    """Return what the new key signs: CBOR of purpose, gateway, old key's id, new raw key."""
    return cbor2.dumps([PURPOSE, gateway, old_key_id, public_key])
