"""The configuration of receivers behind gpsd."""

import pytest

from gateway.config.file import Config, parse_config
from gateway.config.gpsd import GpsdSection
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError

HEAD = '[gateway]\nid = "gw"\nstate_dir = "var"\n'


def parse(body: str) -> Config:
    """Return the configuration with ``body`` behind the gateway's own section."""
    return parse_config(f"{HEAD}{body}".encode(), vocabulary())


def test_a_receiver_on_this_machine_needs_no_more_than_a_name() -> None:
    """The address at which gpsd listens is the default."""
    config = parse('[[gpsd]]\nsensor = "gnss-1"\n')

    assert config.gpsd == [GpsdSection(sensor="gnss-1", url="tcp://127.0.0.1:2947")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[[gpsd]]\nsensor = "g"\nurl = "mqtt://h:1"\n', r"gpsd\[0\]\.url is 'mqtt://h:1'"),
        ('[[gpsd]]\nsensor = "g"\nurl = "tcp://h:0"\n', r"gpsd\[0\]\.url is 'tcp://h:0'"),
        ('[[gpsd]]\nsensor = "g"\nport = 5\n', r"gpsd\[0\]\.port is 5"),
        ('[[gpsd]]\nsensor = "g"\n[[gpsd]]\nsensor = "g"\n', r"gpsd\[1\]\.sensor is 'g'"),
        (
            '[[serial]]\nsensor = "g"\nfamily = "gpsd"\nport = "/dev/ttyS0"\n',
            r"serial\[0\]\.family is 'gpsd'",
        ),
    ],
)
def test_mistakes_name_key_and_value(body: str, message: str) -> None:
    """Another scheme, no port, unknown keys, one name twice; gpsd is no device on a port."""
    with pytest.raises(ConfigError, match=message):
        parse(body)
