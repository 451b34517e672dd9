"""Where messages may go: the form of addresses, and the networks that are not to be called.

A webhook's address is its party's choice, and the caller stands inside: without this, a party
could have the backend call what only the backend reaches (server-side request forgery).
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from backend.errors import InvalidError
from backend.notifications.types import Network, Reach, Target

URL_CHARACTERS_MAX: Final = 2_000  # As much as servers take.
ADDRESS_CHARACTERS_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets.
ADDRESSES_MAX: Final = 4  # Tried of a host in one attempt, which has an end.
_PORTS: Final = {"http": 80, "https": 443}
# Addresses that carry another address inside, by which a private one could be reached.
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1
_PATH: Final = re.compile(r"[!-~]*")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")
# The everyday part of RFC 5322, 3.4.1: no quotes, comments or spaces, so nothing to inject with.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,63}"
)


def check_url(url: str, reach: Reach) -> Target:
    """Return a webhook's address taken apart.

    Raises:
        InvalidError: It is not of the form, or not HTTPS where that is asked for.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise InvalidError("target", url, f"at most {URL_CHARACTERS_MAX} characters")
    schemes = ("https", "http") if reach.http else ("https",)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidError("target", url, "an address such as https://host/path") from error
    host = parts.hostname or ""
    if parts.scheme not in schemes:
        raise InvalidError("target", url, " or ".join(f"{each}://..." for each in schemes))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidError("target", url, "an address without user, password and fragment")
    if not _is_host(host) or _PATH.fullmatch(f"{parts.path}{parts.query}") is None:
        raise InvalidError("target", url, "an address such as https://host/path, in ASCII")
    query = f"?{parts.query}" if parts.query else ""
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=f"{parts.path or '/'}{query}",
    )


def check_address(address: str) -> str:
    """Return an e-mail address.

    Raises:
        InvalidError: It is none, or of a form that is not sent to here.
    """
    if len(address) > ADDRESS_CHARACTERS_MAX or _ADDRESS.fullmatch(address) is None:
        raise InvalidError("target", address, "an e-mail address such as desk@bank.example")
    return address


def choose_addresses(addresses: Sequence[str], reach: Reach) -> tuple[str, ...]:
    """Return a host's addresses to try in turn, if every one of them may be called; else none.

    Every one: a name that leads to a public and a private address is a trick.
    """
    if not all(_may_call(ip_address(each), reach.networks) for each in addresses):
        return ()
    return tuple(dict.fromkeys(addresses))[:ADDRESSES_MAX]


def _may_call(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is not None:
            return _may_call(inner, networks)
        if address.sixtofour is not None or address.teredo is not None or address in _NAT64:
            return False
    if any(address in network for network in networks if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def _is_host(host: str) -> bool:
    if _HOST.fullmatch(host) is not None:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
