"""The configuration is checked whole; what is wrong is told by key, value and bound."""

import tomllib
from pathlib import Path

import pytest

from gateway.config.file import load_config, parse_config
from gateway.config.uplink import read_password
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError

GOOD = """
[gateway]
id = "gw-north"
state_dir = "var/gw-north"
[uplink]
url = "mqtt://127.0.0.1:1883"
username = "gw-north"
password = "secret"
backend_key = "{key}"
window = 32
receipt_timeout_s = 5
[seal]
count = 256
bytes = 65536
age_s = 0.2
[outbox]
bytes_max = 1073741824
[[serial]]
sensor = "scale-1"
family = "scale-tscale"
port = "/dev/serial/by-id/scale"
baud = 9600
late_s = 3.0
heartbeat_s = 5.0
deadband = 100.0
min = -100.0
max = 3e6
[[serial]]
sensor = "rfid-1"
family = "rfid-yrm100"
port = "/dev/serial/by-id/rfid"
inventory_s = 1.0
[[modbus]]
name = "bus-1"
url = "tcp://127.0.0.1:5020"
[[modbus.unit]]
unit = 1
poll_s = 0.5
[[modbus.unit.register]]
sensor = "load-2"
quantity = "mass"
table = "holding"
address = 7
type = "int32"
order = "CDAB"
scale = 1000.0
[[modbus.unit.register]]
sensor = "load-2"
quantity = "temperature"
address = 9
type = "float32"
[[camera]]
sensor = "cam-1"
family = "frigate"
url = "mqtt://127.0.0.1:1883"
camera = "dock"
""".format(key="ab" * 32)


def complaint(text: str) -> str:
    """Return what is said about a configuration that is wrong."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), vocabulary())
    return str(caught.value)


def test_good_configuration_is_read_with_its_defaults() -> None:
    """What the file leaves out has the documented value."""
    config = parse_config(GOOD.encode(), vocabulary())

    assert config.gateway.id == "gw-north"
    assert config.serial[1].baud == 9_600
    assert config.uplink.receipt_timeout_s == 5.0
    assert config.modbus[0].unit[0].register[1].order == "ABCD"
    assert config.camera[0].late_s == 30.0


def test_smallest_configuration_is_enough() -> None:
    """A gateway needs a name and a place; the rest comes with enrolment and wiring."""
    config = parse_config(b'[gateway]\nid = "g"\nstate_dir = "s"\n', vocabulary())

    assert config.seal.age_s == 0.2
    assert config.serial == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "gw-north"', 'id = "GW north"', "gateway.id is 'GW north', must be"),
        ('id = "gw-north"', "", "gateway.id is None, must be given"),
        ("window = 32", "window = 0", "uplink.window is 0, must be `int` >= 1"),
        ("window = 32", "windows = 32", "uplink.windows is 32, must be no key of this table"),
        ("window = 32", 'window = "32"', "uplink.window is '32', must be `int`"),
        ("age_s = 0.2", "age_s = 1e9", "seal.age_s is 1000000000.0, must be"),
        ("bytes = 65536", "bytes = 1", "seal.bytes is 1, must be `int` >= 8192"),
        ("bytes_max = 1073741824", "bytes_max = 5", "outbox.bytes_max is 5, must be"),
        ('"scale-tscale"', '"scale-x"', "serial[0].family is 'scale-x', must be one of nmea,"),
        ('"scale-tscale"', '"frigate"', "serial[0].family is 'frigate', must be one of nmea,"),
        ('"frigate"', '"nmea"', "camera[0].family is 'nmea', must be one of frigate, onvif"),
        (
            'sensor = "rfid-1"',
            'sensor = "scale-1"',
            "serial[1].sensor is 'scale-1', must be of one",
        ),
        ('sensor = "cam-1"', 'sensor = "load-2"', "'load-2', must be of one device only"),
        ('sensor = "cam-1"', 'sensor = "gateway"', "the gateway itself has it"),
        ('"temperature"', '"mass"', "'load-2', must be with one mass only"),
        ('"temperature"', '"heat"', "modbus[0].unit[0].register[1].quantity is 'heat'"),
        ("min = -100.0", "min = 4e6", "serial[0].min is 4000000.0, must be below max"),
        (
            "inventory_s = 1.0",
            "inventory_s = 5.0",
            "serial[1].inventory_s is 5.0, must be at most",
        ),
        ('type = "int32"', 'type = "int33"', "register[0].type is 'int33', must be one of"),
        ('order = "CDAB"', 'order = "XYZ"', "register[0].order is 'XYZ', must be one of ABCD"),
        ('table = "holding"', 'table = "coil"', "register[0].type is 'int32', must be one of bit"),
        ("scale = 1000.0", "scale = 0", "register[0].scale is 0.0, must be other than 0"),
        ("poll_s = 0.5", "poll_s = 5", "register[0].late_s is 3.0, must be at least poll_s"),
        ("tcp://127.0.0.1:5020", "udp://127.0.0.1", "modbus[0].url is 'udp://127.0.0.1', must be"),
        (
            "mqtt://127.0.0.1:1883",
            "mqtt://127.0.0.1:99999",
            "must be mqtt or mqtts or https or http://HOST:PORT",
        ),
        ('name = "bus-1"', 'name = "bus-1"\nport = "/dev/x"', "must be given either url or port"),
        ("ab" * 32, "ab" * 31, "uplink.backend_key is"),
        ("baud = 9600", "baud = true", "serial[0].baud is True, must be `int`"),
        ("[seal]", "[seals]", "seals is"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, told: str) -> None:
    """The message holds the key, the value that was given and what it must be."""
    assert old in GOOD
    assert told in complaint(GOOD.replace(old, new, 1))


def test_password_is_never_shown() -> None:
    """A password of the wrong type is not repeated on the terminal."""
    told = complaint(GOOD.replace('password = "secret"', "password = 12345"))

    assert "12345" not in told
    assert "uplink.password is '***'" in told


def test_bus_without_units_is_refused() -> None:
    """A bus that polls nothing would be silence without a reason."""
    text = '[gateway]\nid="g"\nstate_dir="s"\n[[modbus]]\nname="b"\nurl="tcp://h:1"\nunit=[]\n'

    assert "modbus[0].unit is [], must be at least one unit" in complaint(text)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[gateway", b"a = 1\na = 2"])
def test_what_is_no_toml_is_named(text: bytes) -> None:
    """A file that is no TOML is one clear error."""
    with pytest.raises(ConfigError, match="must be TOML in UTF-8"):
        parse_config(text, vocabulary())


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path that does not exist is told with the path."""
    with pytest.raises(ConfigError, match=r"none\.toml is 'No such file"):
        load_config(tmp_path / "none.toml", vocabulary())


def test_password_comes_from_its_file(tmp_path: Path) -> None:
    """A secret may be kept apart from the configuration; the newline is not part of it."""
    path = tmp_path / "password"
    path.write_text("hidden\n", encoding="utf-8")

    assert read_password(None, str(path)) == "hidden"
    with pytest.raises(ConfigError, match="password_file"):
        read_password(None, str(tmp_path / "none"))


def test_example_of_the_installers_guide_is_good() -> None:
    """What docs/gateway-configuration.md shows can be copied."""
    guide = (Path(__file__).parents[3] / "docs" / "gateway-configuration.md").read_text(
        encoding="utf-8"
    )
    example = guide.split("```toml\n")[1].split("```")[0]

    assert tomllib.loads(example)
    parse_config(example.encode(), vocabulary())


def metrics_at(address: str) -> bytes:
    """Return a configuration that serves metrics at ``address``."""
    return f'[gateway]\nid = "g"\nstate_dir = "s"\n[metrics]\nlisten = "{address}"\n'.encode()


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "127.0.0.1", "example.org:80", "[::1]:0"])
def test_metrics_stay_on_the_loopback(address: str) -> None:
    """Metrics name sensors and their states; an address that others can reach is refused."""
    with pytest.raises(ConfigError, match=r"metrics\.listen is .* loopback address"):
        parse_config(metrics_at(address), vocabulary())


@pytest.mark.parametrize("address", ["127.0.0.1:9464", "[::1]:9464"])
def test_metrics_may_be_served_to_this_machine(address: str) -> None:
    """Both loopbacks will do."""
    assert parse_config(metrics_at(address), vocabulary()).metrics.listen == address
