"""Of a running daemon, what an installer must do something about is told."""

import msgspec
import pytest

from gateway.cli.doctor.daemon import check_daemon
from gateway.cli.doctor.devices import ask_daemon
from gateway.cli.doctor.finding import Finding, Verdict
from gateway.control.software import software_sha256
from gateway.control.status import Status
from tests.unit.gateway.builders import make_sensor_status, make_status

CONFIG = bytes.fromhex("cd" * 32)


def healthy() -> Status:
    """Return a daemon with which nothing is wrong."""
    status = make_status(software_sha256=software_sha256().hex())
    uplink = msgspec.structs.replace(status.uplink, forged=0)
    return msgspec.structs.replace(status, uplink=uplink)


def bad(status: Status) -> list[Finding]:
    """Return what is wrong with ``status``."""
    findings = [*check_daemon(status, CONFIG), *ask_daemon(status)]
    return [f for f in findings if f.verdict is not Verdict.OK]


def test_healthy_daemon_is_good() -> None:
    """Everything is ok, and everything is told."""
    assert bad(healthy()) == []


@pytest.mark.parametrize(
    ("change", "check", "verdict"),
    [
        ({"software_sha256": "00" * 32}, "software", Verdict.WARNING),
        ({"config_sha256": "00" * 32}, "configuration", Verdict.WARNING),
        ({"outbox": None}, "outbox", Verdict.PROBLEM),
        ({"sensors": [make_sensor_status(health="late", why="w")]}, "sensor", Verdict.WARNING),
        ({"sensors": [make_sensor_status(health="silent", why="w")]}, "sensor", Verdict.PROBLEM),
    ],
)
def test_each_trouble_is_told(change: dict[str, object], check: str, verdict: Verdict) -> None:
    """One thing wrong is one finding, with what to do."""
    (found,) = bad(msgspec.structs.replace(healthy(), **change))
    assert (found.check, found.verdict) == (check, verdict)
    assert found.remedy


@pytest.mark.parametrize(
    ("change", "check", "verdict"),
    [
        ({"stopped": "fork"}, "uplink", Verdict.PROBLEM),
        ({"state": "waiting", "error": "refused"}, "uplink", Verdict.PROBLEM),
        ({"forged": 3}, "receipts", Verdict.WARNING),
        ({"receipt_age_s": 600.0}, "receipts", Verdict.PROBLEM),
        ({"receipt_age_s": None, "for_s": 600.0}, "receipts", Verdict.PROBLEM),
    ],
)
def test_trouble_on_the_way_to_the_backend_is_told(
    change: dict[str, object], check: str, verdict: Verdict
) -> None:
    """A stopped stream, a lost link, forged and missing receipts."""
    status = healthy()
    uplink = msgspec.structs.replace(status.uplink, **change)
    (found,) = bad(msgspec.structs.replace(status, uplink=uplink))
    assert (found.check, found.verdict) == (check, verdict)
    assert found.remedy
