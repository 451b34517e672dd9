"""Keys: the gateway's own, which seals, and the backend's, which was pinned at enrolment.

* ``pinned``: whose receipts and commands are believed, and which keys are never pinned.
* ``signer``: the gateway's Ed25519 key; what it signs.
* ``holder``: who holds the private key; ``token`` and ``cryptoki``: a PKCS #11 token does.
* ``files``: the key's file; ``secret``: files for their owner only, written whole or not at all.
"""

from gateway.signing.files import load_key, make_key, save_key
from gateway.signing.holder import FileHolder, KeyHolder
from gateway.signing.pinned import CommandVerifier, ReceiptVerifier, check_public_key
from gateway.signing.secret import save_private, sync_folder
from gateway.signing.signer import Signer, new_signer
from gateway.signing.token import Token, TokenHolder, open_token

__all__ = [
    "CommandVerifier",
    "FileHolder",
    "KeyHolder",
    "ReceiptVerifier",
    "Signer",
    "Token",
    "TokenHolder",
    "check_public_key",
    "load_key",
    "make_key",
    "new_signer",
    "open_token",
    "save_key",
    "save_private",
    "sync_folder",
]
