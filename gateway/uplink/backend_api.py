"""One question to the backend's API, for what happens once in a while: enrolment, certificates."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import ConfigError, UnavailableError, UntrustedError

ANSWER_BYTES_MAX: Final = 65_536  # An answer with certificates needs about 3,000.
REQUEST_S_MAX: Final = 15.0
DETAIL_BYTES_MAX: Final = 500
TOO_MANY: Final = 429


def post_json(
    url: str, path: str, body: Mapping[str, object], *, ca_file: Path | str | None = None
) -> bytes:
    """Return the backend's answer to ``body``, posted to ``path`` below ``url``.

    Raises:
        ConfigError: ``url`` is not a web address.
        UnavailableError: The backend cannot be reached, or failed; try again.
        UntrustedError: It refused.
    """
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ConfigError("URL", url, "http://HOST:PORT or https://HOST")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        f"{url.rstrip('/')}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        context = ssl.create_default_context(cafile=ca_file) if address.scheme == "https" else None
        with urllib.request.urlopen(  # noqa: S310 - the scheme was checked above
            request, timeout=REQUEST_S_MAX, context=context
        ) as response:
            answer: bytes = response.read(ANSWER_BYTES_MAX)
            return answer
    except urllib.error.HTTPError as error:
        detail = error.read(DETAIL_BYTES_MAX).decode("utf-8", "replace")
        if error.code >= 500 or error.code == TOO_MANY:
            raise UnavailableError(f"{url}: answered {error.code}: {detail}") from error
        raise UntrustedError(f"{url}: refused with {error.code}: {detail}") from error
    except OSError as error:
        raise UnavailableError(f"{url}: {getattr(error, 'reason', error)}") from error
