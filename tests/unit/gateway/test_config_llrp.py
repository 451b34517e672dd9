"""The section of a network reader: what it may say, and what is wrong with it."""

import pytest

from gateway.config.file import parse_config
from gateway.config.llrp import LlrpSection
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError

GOOD = """
[gateway]
id = "gw"
state_dir = "var"
[[llrp]]
sensor = "portal"
url = "tcp://192.0.2.7:5084"
antennas = [1, 2]
report_ms = 500
keepalive_s = 5.0
late_s = 3.0
heartbeat_s = 5.0
[[llrp.antenna]]
number = 3
sensor = "cold"
[[llrp.antenna]]
number = 4
sensor = "cold"
"""


def parse(text: str) -> LlrpSection:
    """Return the one reader of ``text``."""
    (section,) = parse_config(text.encode(), vocabulary()).llrp
    return section


def test_antennas_belong_to_sensors() -> None:
    """The reader's own sensor has the antennas that have none; several may share one."""
    section = parse(GOOD)

    assert section.sensors == ["portal", "cold"]
    assert section.numbers == [1, 2, 3, 4]
    assert section.round_ms == 500


def test_a_reader_needs_only_its_name_and_address() -> None:
    """Everything else has a default: all antennas, a round each second."""
    section = parse(GOOD[: GOOD.index("antennas")])

    assert (section.numbers, section.sensors, section.round_ms) == ([], ["portal"], 1_000)


def test_all_antennas_though_one_has_its_own_sensor() -> None:
    """Naming an antenna's sensor does not narrow the reader to that antenna."""
    assert parse(GOOD.replace("antennas = [1, 2]", "")).numbers == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tcp://192.0.2.7:5084", "mqtt://192.0.2.7", "llrp[0].url is 'mqtt://192.0.2.7', must be"),
        ("tcp://192.0.2.7:5084", "tcp://192.0.2.7:x", "llrp[0].url is 'tcp://192.0.2.7:x'"),
        ("[1, 2]", "[1, 1]", "llrp[0].antennas is [1, 1], must be without a number twice"),
        ("[1, 2]", "[0]", "llrp[0].antennas[0] is 0, must be `int` >= 1"),
        ("[1, 2]", "[256]", "llrp[0].antennas[0] is 256, must be `int` <= 255"),
        ("number = 4", "number = 3", "llrp[0].antenna[1].number is 3, must be given once"),
        ("report_ms = 500", "report_ms = 99", "llrp[0].report_ms is 99, must be 0 (each tag"),
        ("report_ms = 500", "report_ms = 3001", "llrp[0].report_ms is 3001, must be at most late"),
        ("report_ms = 500", "report_ms = 60001", "llrp[0].report_ms is 60001, must be `int` <= "),
        ("keepalive_s = 5.0", "keepalive_s = 0", "llrp[0].keepalive_s is 0, must be `float` >= 0"),
        ("late_s = 3.0", "late_s = 0", "llrp[0].late_s is 0, must be `float` >= 0.01"),
        ("late_s = 3.0", 'ca_file = "x"', "llrp[0].ca_file is 'x', must be given only with a tls"),
        ("late_s = 3.0", 'key_file = "x"', "llrp[0].cert_file is None, must be given together"),
        ('sensor = "portal"', 'sensor = "gateway"', "llrp[0].sensor is 'gateway', must be of one"),
        ("heartbeat_s", "heartbeet_s", "llrp[0].heartbeet_s is 5.0, must be no key of this table"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, complaint: str) -> None:
    """Every complaint names the key, its value and the bound."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(old, new, 1))

    assert str(caught.value).startswith(complaint)


def test_the_family_of_captures_is_no_serial_device() -> None:
    """A serial section cannot name the network protocol."""
    text = GOOD + '[[serial]]\nsensor = "s"\nfamily = "llrp"\nport = "/dev/ttyUSB0"\n'
    with pytest.raises(ConfigError, match=r"serial\[0\].family is 'llrp', must be one of"):
        parse(text)


def test_tls_may_name_its_files() -> None:
    """Authority, client certificate and the name in the reader's certificate."""
    text = GOOD.replace("tcp://", "tls://").replace(
        "late_s = 3.0", 'ca_file = "ca"\ncert_file = "c"\nkey_file = "k"\nserver_name = "reader"'
    )

    assert parse(text).server_name == "reader"
