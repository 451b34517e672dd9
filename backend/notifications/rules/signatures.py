"""Signatures of webhooks, and the secrets they are made with. Pure.

Source: Standard Webhooks 1.0.0. Secrets are derived from one master by subscription and
generation: no table holds them, and a stolen database signs nothing.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from nacl.signing import SigningKey

from backend.ids import SubscriptionId

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how a secret begins
PUBLIC_KEY_PREFIX: Final = "whpk_"
_SYMMETRIC: Final = "webhook-hmac-sha256"
_ASYMMETRIC: Final = "webhook-ed25519"


def secret_of(master: bytes, subscription_id: SubscriptionId, generation: int) -> str:
    """Return the secret that a receiver is shown once."""
    key = _derive(master, _SYMMETRIC, subscription_id, generation)
    return SECRET_PREFIX + b64encode(key).decode()


def public_key_of(master: bytes, subscription_id: SubscriptionId, generation: int) -> str:
    """Return the public key with which a receiver may check instead of by the secret."""
    key = SigningKey(_derive(master, _ASYMMETRIC, subscription_id, generation))
    return PUBLIC_KEY_PREFIX + b64encode(bytes(key.verify_key)).decode()


def headers_of(
    master: bytes,
    subscription_id: SubscriptionId,
    generations: Sequence[int],
    message: tuple[str, int, bytes],
) -> dict[str, str]:
    """Return the headers that prove a message: its id, the time of the attempt, signatures.

    Args:
        master: What secrets are derived from.
        subscription_id: Whose they are.
        generations: Which of them sign.
        message: Its id, when it is sent in seconds since 1970, and its body.
    """
    message_id, sent_unix_s, body = message
    content = content_of(message_id, sent_unix_s, body)
    signatures: list[str] = []
    for generation in generations:
        key = _derive(master, _SYMMETRIC, subscription_id, generation)
        signatures.append(sign_symmetric(key, content))
        seed = _derive(master, _ASYMMETRIC, subscription_id, generation)
        signed = SigningKey(seed).sign(content).signature
        signatures.append("v1a," + b64encode(signed).decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_unix_s),
        "webhook-signature": " ".join(signatures),
    }


def content_of(message_id: str, sent_unix_s: int, body: bytes) -> bytes:
    """Return what is signed; neither id nor time has a full stop in it."""
    return f"{message_id}.{sent_unix_s}.".encode() + body


def sign_symmetric(key: bytes, content: bytes) -> str:
    """Return a signature by a shared secret."""
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()


def _derive(master: bytes, kind: str, subscription_id: SubscriptionId, generation: int) -> bytes:
    return hmac.digest(master, f"{kind}:{subscription_id}:{generation}".encode(), "sha256")
