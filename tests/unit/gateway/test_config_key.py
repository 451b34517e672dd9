"""The configuration of a token for the gateway's key."""

import pytest

from gateway.config.file import Config, parse_config
from gateway.config.key import KeySection
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError

HEAD = '[gateway]\nid = "gw"\nstate_dir = "var"\n'
MODULE = 'module = "/usr/lib/libtoken.so"\n'
TOKEN = 'token = "gw-north"\n'
PIN = 'pin_file = "/etc/pin"\n'


def parse(body: str) -> Config:
    """Return the configuration with ``body`` behind the gateway's own section."""
    return parse_config(f"{HEAD}{body}".encode(), vocabulary())


def test_without_a_section_the_key_is_in_a_file() -> None:
    """Nothing has to be said for that."""
    assert parse("").key == KeySection()


def test_a_token_has_a_module_a_label_and_a_pin() -> None:
    """The keys' own label has a default."""
    key = parse(f"[key]\n{MODULE}{TOKEN}{PIN}").key

    assert (key.module, key.token, key.pin_file) == (
        "/usr/lib/libtoken.so",
        "gw-north",
        "/etc/pin",
    )
    assert key.label == "pledgewatch"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TOKEN + PIN, r"key\.module is None, must be given"),
        (MODULE + PIN, r"key\.token is None, must be given"),
        (MODULE + TOKEN, r"key\.pin_file is None, must be given"),
        ('module = "lib.so"\n' + TOKEN + PIN, r"key\.module is 'lib\.so', must be an absolute"),
        (MODULE + TOKEN + 'pin_file = "pin"\n', r"key\.pin_file is 'pin', must be an absolute"),
        (MODULE + PIN + f'token = "{"t" * 33}"\n', r"key\.token is 't{33}'"),
        (MODULE + TOKEN + PIN + 'label = "a b"\n', r"key\.label is 'a b'"),
        (MODULE + TOKEN + PIN + 'pin = "1234"\n', r"key\.pin is '\*\*\*', must be no key"),
    ],
)
def test_mistakes_name_key_value_and_bound(body: str, message: str) -> None:
    """A part that is missing, a relative path, a label too long; a PIN is not shown."""
    with pytest.raises(ConfigError, match=message):
        parse(f"[key]\n{body}")
