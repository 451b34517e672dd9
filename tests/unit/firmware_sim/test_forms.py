"""Devices of other makers in a scenario, and the gateway's configuration that fits them."""

import re
from importlib import resources
from pathlib import Path

import pytest

from deploy.gateway_files import LocalBroker, SitePorts, write_gateway_file
from firmware_sim.errors import ScenarioError
from firmware_sim.plan import GnssForm, ReaderForm
from firmware_sim.scenario import parse_scenario
from gateway.config.file import parse_config
from gateway.drivers.plan.vocabulary import vocabulary

TEXT = resources.files("firmware_sim.scenarios").joinpath("harbour.toml").read_text()


def with_forms(reader: str, gnss: str) -> bytes:
    """Return the harbour with a form in every reader and tracker."""
    text = re.sub(r"^\[\[reader\]\]$", f'[[reader]]\nform = "{reader}"', TEXT, flags=re.MULTILINE)
    return re.sub(
        r"^\[\[gnss\]\]$", f'[[gnss]]\nform = "{gnss}"', text, flags=re.MULTILINE
    ).encode()


@pytest.mark.parametrize("gnss", GnssForm)
@pytest.mark.parametrize("reader", ReaderForm)
def test_every_form_has_a_configuration(
    tmp_path: Path, reader: ReaderForm, gnss: GnssForm
) -> None:
    """Whatever a scenario names, the gateway's file says how to read it, and is right."""
    scenario = parse_scenario(with_forms(reader, gnss))
    assert {plan.form for plan in scenario.readers} == {reader}
    assert {plan.form for plan in scenario.trackers} == {gnss}
    ports = SitePorts(
        device_dir=tmp_path,
        modbus_tcp=5_020,
        gpsd={plan.name: 2_947 for plan in scenario.trackers},
        llrp={plan.device: 5_084 for plan in scenario.readers if plan.form is ReaderForm.LLRP},
        snapshots={plan.name: 8_080 for plan in scenario.cameras},
        links=dict.fromkeys(scenario.gateways(), 1_883),
        broker=1_884,
    )
    for name in scenario.gateways():
        path = tmp_path / f"{name}.toml"
        write_gateway_file(path, name, scenario, ports, LocalBroker(username="u", password="p"))
        config = parse_config(path.read_bytes(), vocabulary())
        sensors = {section.sensor for section in (*config.serial, *config.gpsd)}
        sensors |= {antenna.sensor for section in config.llrp for antenna in section.antenna}
        assert sensors >= {
            plan.name for plan in (*scenario.readers, *scenario.trackers) if plan.gateway == name
        }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            with_forms("yrm200", "nmea"),
            r"reader\[0\]\.form = 'yrm200': must be one of: chaf",
        ),
        (with_forms("yrm100", "sirf"), r"gnss\[0\]\.form = 'sirf': must be one of: gpsd, nmea,"),
        (
            with_forms("yr903", "nmea").replace(b"antenna = 1", b"antenna = 1\nautostart = 1"),
            r"reader\[0\]\.autostart = 1: must be 0: a yr903 answers one inventory",
        ),
    ],
)
def test_a_wrong_form_is_refused(text: bytes, message: str) -> None:
    """The error names the key, the value and what there is."""
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(text)
