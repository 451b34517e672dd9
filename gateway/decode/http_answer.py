"""HTTP/1.1 as a client that fetches one small thing needs it: request, head, chunks, login.

Pure: bytes in, bytes out. Deliberately absent: redirects, compression, cookies, trailers, reuse of
connections. A camera that asks for more is refused by name.

Source: RFC 9112 (messages), RFC 7617 (Basic), RFC 7616 (Digest).
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5, sha256
from typing import Final

HEAD_BYTES_MAX: Final = 16_384
LENGTH_DIGITS_MAX: Final = 12
CHUNK_LINE_BYTES_MAX: Final = 256
_PARAMETER: Final = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_HASHES: Final = {"": md5, "MD5": md5, "SHA-256": sha256}


class HttpFaultError(ValueError):
    """An answer that is none, or asks for what is not done here; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of an answer; names are in lower case, the last of equal ones counts.

    ``challenges`` are the values of WWW-Authenticate, in their order.
    """

    status: int
    fields: Mapping[str, str]
    challenges: tuple[str, ...]

    @property
    def length(self) -> int | None:
        """How long the body is; None: until the connection ends, or in chunks.

        Raises:
            HttpFaultError: The length is no number.
        """
        text = self.fields.get("content-length")
        if text is None or self.is_chunked:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > LENGTH_DIGITS_MAX:
            raise HttpFaultError(f"content-length {text[:40]!r} is no number")
        return int(text)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks.

        Raises:
            HttpFaultError: In another coding.
        """
        coding = self.fields.get("transfer-encoding", "identity").lower()
        if coding not in ("identity", "chunked"):
            raise HttpFaultError(f"transfer-encoding {coding[:40]!r} is not understood")
        return coding == "chunked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks."""

    username: str
    password: str


def encode_request(host: str, target: str, authorization: str | None) -> bytes:
    """Return the request for ``target``, after which the connection is closed."""
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Accept: image/jpeg",
        "Accept-Encoding: identity",
        "User-Agent: pledgewatch-gateway",
        "Connection: close",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1", "replace")


def decode_head(data: bytes) -> Head:
    """Return the head in ``data``, which ends with an empty line.

    Raises:
        HttpFaultError: It is none of HTTP/1.
    """
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", first)
    if status is None:
        raise HttpFaultError(f"the answer begins with {first[:40]!r}, not with HTTP/1.1")
    fields: dict[str, str] = {}
    challenges: list[str] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise HttpFaultError(f"header line {line[:40]!r} has no colon")
        fields[name.strip().lower()] = value.strip()
        if name.strip().lower() == "www-authenticate":
            challenges.append(value.strip())
    return Head(status=int(status[1]), fields=fields, challenges=tuple(challenges))


def decode_chunk_size(line: bytes) -> int:
    """Return the size that a chunk's first line says; extensions are passed over.

    Raises:
        HttpFaultError: It says none.
    """
    size = line.partition(b";")[0].strip()
    if re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size) is None:
        raise HttpFaultError(f"chunk size {size[:20]!r} is no number")
    return int(size, 16)


def authorize(
    login: Login, challenges: tuple[str, ...], target: str, nonce_of_client: str
) -> str | None:
    """Return the Authorization that meets one of ``challenges``; None: none can be met.

    Digest is taken before Basic, and SHA-256 before MD5.
    """
    digests = [_parameters(each) for each in challenges if each.lower().startswith("digest ")]
    known = [d for d in digests if d.get("algorithm", "").upper() in _HASHES and _qop_fits(d)]
    if known:
        best = max(known, key=lambda d: d.get("algorithm", "").upper() == "SHA-256")
        return _digest(login, best, target, nonce_of_client)
    if any(each.lower().split(" ")[0] == "basic" for each in challenges):
        text = f"{login.username}:{login.password}".encode()
        return f"Basic {b64encode(text).decode()}"
    return None


def _parameters(challenge: str) -> dict[str, str]:
    """Return the parameters of a challenge; quoted values without their backslashes."""
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token
        for name, quoted, token in _PARAMETER.findall(challenge.partition(" ")[2])
    }


def _qop_fits(parameters: Mapping[str, str]) -> bool:
    qop = parameters.get("qop")
    return qop is None or "auth" in [word.strip() for word in qop.split(",")]


def _digest(login: Login, asked: Mapping[str, str], target: str, cnonce: str) -> str:
    """Return the answer to a Digest challenge, RFC 7616 3.4."""
    algorithm = asked.get("algorithm", "")
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret = _hash(algorithm, f"{login.username}:{realm}:{login.password}")
    what = _hash(algorithm, f"GET:{target}")
    fields = {"username": login.username, "realm": realm, "nonce": nonce, "uri": target}
    plain: dict[str, str] = {}
    if "qop" in asked:
        fields["cnonce"] = cnonce
        plain |= {"qop": "auth", "nc": "00000001"}  # A challenge is met once.
        proof = _hash(algorithm, f"{secret}:{nonce}:00000001:{cnonce}:auth:{what}")
    else:
        proof = _hash(algorithm, f"{secret}:{nonce}:{what}")  # RFC 2069, as old cameras ask.
    fields["response"] = proof
    if "opaque" in asked:
        fields["opaque"] = asked["opaque"]
    if algorithm:
        plain["algorithm"] = algorithm
    quoted = [f'{name}="{_escape(value)}"' for name, value in fields.items()]
    return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in plain.items())])


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _hash(algorithm: str, text: str) -> str:
    return _HASHES[algorithm.upper()](text.encode(), usedforsecurity=False).hexdigest()
