"""Scenario files: what a site needs, and clear words when it lacks it."""

from importlib import resources
from pathlib import Path

import pytest

from firmware_sim.errors import ScenarioError
from firmware_sim.noise import PROFILES
from firmware_sim.scenario import load_scenario, parse_scenario, scenario_names

TEXT = resources.files("firmware_sim.scenarios").joinpath("harbour.toml").read_text()


def test_every_shipped_scenario_loads() -> None:
    """The scenarios that come with the simulator are correct."""
    assert "harbour" in scenario_names()
    for name in scenario_names():
        assert load_scenario(name).name == name


def test_harbour_is_the_agreed_site() -> None:
    """The harbour has the lots, sensors and gateways that the other programs expect."""
    harbour = load_scenario("harbour")

    assert {lot.name: len(lot.epcs) for lot in harbour.lots} == {
        "copper": 10,
        "aluminium": 8,
        "fish": 6,
        "lubricant": 4,
    }
    north = {plan.name for plan in harbour.readers if plan.gateway == "gw-north"}
    assert north == {"rfid-a", "rfid-c", "rfid-d"}
    assert harbour.gateways() == ("gw-north", "gw-south")


def test_a_file_elsewhere_loads(tmp_path: Path) -> None:
    """A path that ends in .toml is read as a file."""
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace('name = "harbour"', 'name = "mine"', 1))

    assert load_scenario(str(path)).name == "mine"


def test_noise_can_be_chosen_and_tuned() -> None:
    """A profile is named in the file or given over it; single figures override it."""
    tuned = TEXT.replace('profile = "demo"', 'profile = "demo"\ncross_read = 0.25')

    assert parse_scenario(TEXT.encode()).noise == PROFILES["demo"]
    assert parse_scenario(TEXT.encode(), profile="site").noise == PROFILES["site"]
    assert parse_scenario(tuned.encode()).noise.cross_read == 0.25


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'zone = "hall-a"',
            'zone = "hall-z"',
            r"lot\[0\]\.zone = 'hall-z': must be one of: cold,",
        ),
        ("rate_hz = 5.0", "rate_hz = 500", r"scale\[0\]\.rate_hz = 500: must be within 0.1 to 50"),
        ("rate_hz = 5.0", "rate_hx = 5.0", r"scale\[0\]\.rate_hx = 5.0: unknown key"),
        ("net_g = 1_000_000", 'net_g = "1 t"', r"lot\[0\]\.net_g = '1 t': must be a number"),
        ("net_g = 1_000_000", "net_g = 1.5", r"lot\[0\]\.net_g = 1.5: must be a whole number"),
        ("site = ", "place = ", r"site = None: is missing"),
        ("[60, 0], [60, 20]", "60, 0", r"zone\[1\]\.polygon = 60: must be a list of three"),
        ('"3074257BF461A84000000001"', '"30742Z"', "must be hexadecimal"),
        ('"3074257BF461A84000000001"', '"3074257BF461A84000000002"', "occurs twice"),
        ('name = "rfid-c"', 'name = "rfid-a"', "sensor = 'rfid-a': occurs twice"),
        ("unit = 3", "unit = 2", "unit on Modbus TCP = '2': occurs twice"),
        ('name = "scale-a"', 'name = "../etc"', r"scale\[0\]\.name = '../etc': must be 1 to 32"),
        ("limit_c = -15.0", "limit_c = -30.0", r"climate\[0\]\.limit_c = -30.0: must lie between"),
        ('profile = "demo"', 'profile = "loud"', r"noise\.profile = 'loud': must be one of: demo"),
        ('dock = "dock"', "dock = [", "must be TOML"),
        ("hold_s = 3.0", "hold_s = 0.5", r"shock\[0\]\.hold_s = 0.5: must be within 2 to 600"),
        ("[noise]", "[[noise]]", "noise = .*must be a table"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    """An error says which key holds which value and what it may be."""
    assert old in TEXT
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(TEXT.replace(old, new, 1).encode())


def test_unknown_scenario_lists_the_known() -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(ScenarioError, match="there is evaluation, harbour"):
        load_scenario("habour")
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario("nowhere.toml")
    with pytest.raises(ScenarioError, match="must be one of: demo, site"):
        load_scenario("harbour", profile="loud")


def test_oversized_scenario_is_refused() -> None:
    """A file beyond the limit is not even parsed."""
    with pytest.raises(ScenarioError, match="at most"):
        parse_scenario(b"#" * (2 << 20))


LLRP = """
[[reader]]
name = "net-a"
gateway = "gw-north"
zone = "hall-a"
form = "llrp"
device = "portal"
antenna = 1
[[reader]]
name = "net-b"
gateway = "gw-north"
zone = "hall-b"
form = "llrp"
device = "portal"
antenna = 2
"""


def test_antennas_share_a_network_reader() -> None:
    """Readers of the form llrp name the device that they are antennas of."""
    readers = parse_scenario((TEXT + LLRP).encode()).readers

    assert [(r.name, r.device, r.antenna) for r in readers[-2:]] == [
        ("net-a", "portal", 1),
        ("net-b", "portal", 2),
    ]
    assert readers[0].device == readers[0].name


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("antenna = 2", "antenna = 1", "antenna of an LLRP reader = 'portal 1': occurs twice"),
        ('form = "llrp"', 'form = "yrm100"', "device = 'portal': must be absent: a yrm100 has"),
        ('"gw-north"', '"gw-south"', "device of an LLRP reader = 'portal': occurs twice"),
    ],
)
def test_network_readers_that_cannot_be(old: str, new: str, complaint: str) -> None:
    """Two antennas of one number, two gateways for one reader, a serial reader with antennas."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario((TEXT + LLRP.replace(old, new, 1)).encode())

    assert complaint in str(caught.value)
