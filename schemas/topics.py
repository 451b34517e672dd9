"""MQTT topics, as asyncapi.yaml beside this file describes them."""

from hashlib import sha256
from typing import Final

PARTITIONS: Final = 64
_ROOT: Final = "pw/1"


def partition_of(gateway: str) -> int:
    """Return a stream's partition: first byte of the SHA-256 of its gateway's name, modulo 64."""
    return sha256(gateway.encode()).digest()[0] % PARTITIONS


def up_topic(gateway: str) -> str:
    """Return the topic on which ``gateway`` publishes its envelopes."""
    return f"{_ROOT}/up/{partition_of(gateway)}/{gateway}"


def up_filter(partition: int) -> str:
    """Return the filter of all envelopes of one partition."""
    return f"{_ROOT}/up/{partition}/+"


def receipt_topic(gateway: str) -> str:
    """Return the topic of the retained receipt for ``gateway``."""
    return f"{_ROOT}/down/{gateway}/receipt"


def command_topic(gateway: str) -> str:
    """Return the topic of commands to ``gateway``."""
    return f"{_ROOT}/down/{gateway}/command"


def image_topic(gateway: str) -> str:
    """Return the topic of the chunks of images that ``gateway`` was asked for."""
    return f"{_ROOT}/image/{gateway}"


IMAGE_FILTER: Final = f"{_ROOT}/image/+"  # Of all gateways' chunks; they are rare.


def image_gateway(topic: str) -> str | None:
    """Return whose chunks come on ``topic``; None: it is no topic of images."""
    head, _, gateway = topic.rpartition("/")
    return gateway if head == f"{_ROOT}/image" else None


def status_topic(gateway: str) -> str:
    """Return the topic of the last will of ``gateway``."""
    return f"{_ROOT}/status/{gateway}"
