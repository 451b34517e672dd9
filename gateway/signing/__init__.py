"""Keys: the gateway's own, which seals, and the backend's, which was pinned at enrolment.

* ``pinned``: whose receipts and commands are believed, and which keys are never pinned.
* ``signer``: the gateway's Ed25519 key; what it signs.
* ``files``: secrets on disk, whole or not at all, for their owner only.
"""

from gateway.signing.files import load_key, save_key, save_private, sync_folder
from gateway.signing.pinned import CommandVerifier, ReceiptVerifier, check_public_key
from gateway.signing.signer import Signer, new_signer

__all__ = [
    "CommandVerifier",
    "ReceiptVerifier",
    "Signer",
    "check_public_key",
    "load_key",
    "new_signer",
    "save_key",
    "save_private",
    "sync_folder",
]
