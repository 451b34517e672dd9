"""The check of a configuration counts the sensors of every kind of device."""

from pathlib import Path

from typer.testing import CliRunner

from gateway.__main__ import app
from tests.unit.gateway.test_config_llrp import GOOD


def test_every_sensor_is_counted_once(tmp_path: Path) -> None:
    """Antennas that share a sensor are one; sensors on the network count like others."""
    path = tmp_path / "gateway.toml"
    gpsd = '[[gpsd]]\nsensor = "gnss"\n'
    path.write_text(GOOD.replace('"var"', f'"{tmp_path}"') + gpsd, encoding="utf-8")

    result = CliRunner().invoke(app, ["check", "--config", str(path)])

    assert result.exit_code == 0
    assert "good; gateway gw, 3 sensors" in result.output
