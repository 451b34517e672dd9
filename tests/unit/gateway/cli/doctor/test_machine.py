"""What would lose the key, the queue or the time on this machine is told, with what to do."""

import os
from pathlib import Path

import pytest

from gateway.cli.doctor.finding import Finding, Verdict
from gateway.cli.doctor.machine import check_clock, check_key, check_state, mount_of
from gateway.cli.doctor.ports import check_ports
from gateway.config.file import Config, parse_config
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.outbox.identity import KEY_FILE, OUTBOX_FILE, open_identity
from schemas.envelope import ClockState
from tests.integration.gateway.lines import Line
from tests.unit.gateway.drivers.test_intake import SteppingClock


def make_config(folder: Path, more: str = "") -> Config:
    """Return the configuration of a gateway that keeps its state in ``folder``."""
    text = f'[gateway]\nid = "gw"\nstate_dir = "{folder}"\n{more}'
    return parse_config(text.encode(), vocabulary())


def of(findings: list[Finding], check: str) -> Finding:
    """Return what was found of ``check``."""
    (found,) = [f for f in findings if f.check == check]
    return found


def test_folder_of_its_own_is_good(tmp_path: Path) -> None:
    """A private folder on a disk with room is fine, and nothing is left in it."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    findings = list(check_state(make_config(folder, "[outbox]\nbytes_max = 1048576\n")))

    assert of(findings, "state folder").verdict is Verdict.OK
    assert of(findings, "disk writes").verdict is Verdict.OK
    assert os.listdir(folder) == []


def test_folder_that_others_may_enter_is_told(tmp_path: Path) -> None:
    """Mode and remedy are named."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    found = of(list(check_state(make_config(folder))), "state folder")

    assert found.verdict is Verdict.WARNING
    assert "0755" in found.what
    assert found.remedy == f"chmod 0700 {folder}"


def test_missing_folder_ends_the_matter(tmp_path: Path) -> None:
    """Of a folder that is not there nothing else can be said."""
    (found,) = check_state(make_config(tmp_path / "absent"))
    assert (found.verdict, found.check) == (Verdict.PROBLEM, "state folder")


def test_queue_that_outgrows_the_disk_is_told(tmp_path: Path) -> None:
    """A bound beyond what is free is a warning before it is a full disk."""
    disk = os.statvfs(tmp_path)
    bound = disk.f_bavail * disk.f_frsize * 2
    found = of(
        list(check_state(make_config(tmp_path, f"[outbox]\nbytes_max = {bound}\n"))), "disk space"
    )
    assert found.verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("folder", "kind", "option"),
    [
        ("/var/lib/pledgewatch", "ext4", "data=writeback"),
        ("/var/log", "tmpfs", "nosuid"),
        ("/variety", "overlay", "rw"),
        ("/media/my disk/state", "vfat", "ro"),
    ],
)
def test_mount_is_the_deepest_that_holds_the_folder(folder: str, kind: str, option: str) -> None:
    """Longest mount point wins; a name that only begins alike is another folder's."""
    mounts = (
        "20 1 0:17 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/x\n"
        "21 20 179:2 / /var rw,noatime shared:2 - ext4 /dev/mmcblk0p2 rw,data=writeback\n"
        "22 21 0:40 / /var/log rw,nosuid - tmpfs tmpfs rw,size=64k\n"
        "23 20 8:1 / /media/my\\040disk ro shared:4 - vfat /dev/sda1 rw\n"
        "torn line\n"
    )
    found, options = mount_of(Path(folder), mounts)
    assert found == kind
    assert option in options


def test_key_is_to_be_there_and_private(tmp_path: Path) -> None:
    """No key, a good key, a key that others can read: each is told apart."""
    config = make_config(tmp_path / "state")
    assert next(check_key(config)).verdict is Verdict.PROBLEM
    open_identity(tmp_path / "state")
    assert next(check_key(config)).verdict is Verdict.OK
    (tmp_path / "state" / KEY_FILE).chmod(0o644)
    found = next(check_key(config))
    assert found.verdict is Verdict.PROBLEM
    assert "0644" in found.what
    assert "chmod 600" in found.remedy


def test_clock_is_judged(tmp_path: Path) -> None:
    """Kept by NTP; by nothing; before the last write; before any gateway was made."""
    config, clock = make_config(tmp_path), SteppingClock()
    assert next(check_clock(config, clock)).verdict is Verdict.OK
    clock.discipline = ClockState.FREE_RUNNING
    assert next(check_clock(config, clock)).verdict is Verdict.WARNING
    path = tmp_path / OUTBOX_FILE
    path.touch()
    later_s = clock.unix_us() // 1_000_000 + 14 * 86_400
    os.utime(path, (later_s, later_s))
    found = next(check_clock(config, clock))
    assert found.verdict is Verdict.PROBLEM
    assert "before the last write" in found.what
    clock.wall_us = 0
    found = next(check_clock(config, clock))
    assert found.verdict is Verdict.PROBLEM
    assert "1970" in found.what


def test_ports_are_looked_at(tmp_path: Path) -> None:
    """A terminal is a port; a missing one, a file, and one that is named twice are not good."""
    (tmp_path / "file").touch()
    with Line() as line:
        ports = [line.path, "/dev/absent", str(tmp_path / "file"), line.path]
        sections = "".join(
            f'[[serial]]\nsensor = "s{n}"\nfamily = "nmea"\nport = "{port}"\n'
            for n, port in enumerate(ports)
        )
        findings = list(check_ports(make_config(tmp_path, sections)))

    assert [f.verdict for f in findings] == [
        Verdict.OK,
        Verdict.PROBLEM,
        Verdict.PROBLEM,
        Verdict.PROBLEM,
    ]
    assert "does not exist" in findings[1].what
    assert "no serial port" in findings[2].what
    assert "named twice" in findings[3].what
