"""Where the gateway's key is kept: in a file of the state folder, or inside a PKCS#11 token."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.errors import ConfigError

Given = Annotated[str, Meta(min_length=1, max_length=4_096)]


class KeySection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A token's module, label and PIN, given together; none of them: the key is in a file.

    ``label`` begins the labels of the keys that the gateway makes in it.
    """

    module: Given | None = None
    # PKCS #11 2.40, CK_TOKEN_INFO: 32 bytes, padded with blanks.
    token: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    label: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = "pledgewatch"
    pin_file: Given | None = None


def check_key(key: KeySection) -> None:
    """Refuse a token that is described in part.

    Raises:
        ConfigError: One of module, token and PIN file is missing, or a path is relative.
    """
    given = {"module": key.module, "token": key.token, "pin_file": key.pin_file}
    if not any(given.values()):
        return
    for name, value in given.items():
        if value is None:
            raise ConfigError(f"key.{name}", value, "given: module, token and pin_file together")
    for name in ("module", "pin_file"):
        if not str(given[name]).startswith("/"):
            raise ConfigError(f"key.{name}", given[name], "an absolute path")
