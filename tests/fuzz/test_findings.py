"""What fuzzing found stays fixed; and a few cases of each target hold each time."""

from pathlib import Path

import pytest

from tests.fuzz.findings import Finding, load_findings
from tests.fuzz.run import failure, fuzz, shrink
from tests.fuzz.seeds import load_seeds
from tests.fuzz.targets import TARGETS, BrokenError, Target, retained_bytes, target

FINDINGS = list(load_findings())


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.name)
def test_a_finding_stays_fixed(finding: Finding) -> None:
    """Bytes for which something did not hold are read without it."""
    target(finding.target).check(bytes.fromhex(finding.data), finding.cuts)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_holds(name: str) -> None:
    """The bytes that fuzzing begins from are in order themselves."""
    for seed in load_seeds(name):
        data = seed[:4_096]
        target(name).check(data, [len(data) // 3, len(data) // 2])


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_cases_hold(name: str, tmp_path: Path) -> None:
    """Each target stands a short run; ``make fuzz`` runs long ones."""
    summary = fuzz(target(name), seed=7, folder=tmp_path, cases_max=40)

    assert (summary.cases, summary.findings, summary.whys) == (40, 0, [])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_found_shrunk_and_kept(tmp_path: Path) -> None:
    """A reader with a fault is caught; what is kept is the cause and little else."""

    def check(data: bytes, _cuts: object) -> None:
        if b"$G" in data:
            raise BrokenError("a dollar and a G: at fault on purpose")

    broken = Target(name="nmea", check=check)
    summary = fuzz(broken, seed=1, folder=tmp_path, cases_max=20)
    (finding,) = load_findings(tmp_path)

    assert summary.findings == 1
    assert (finding.why, finding.data) == ("a dollar and a G", b"$G".hex())
    assert failure(broken, bytes.fromhex(finding.data), finding.cuts) == finding.why


def test_other_exceptions_are_failures_too() -> None:
    """An exception that nobody documented is named with its place."""

    def check(data: bytes, _cuts: object) -> None:
        data[5]

    crash = Target(name="x", check=check)

    assert failure(crash, b"", []) == "IndexError in test_findings.py, check"
    assert shrink(crash, bytes(4), [1, 3], "IndexError in test_findings.py, check") == (
        b"",
        [0, 0],
    )


def test_what_a_decoder_keeps_is_counted() -> None:
    """Buffers count, wherever they hang; classes and functions do not."""
    small, large = (
        retained_bytes({"a": [bytearray(10)]}),
        retained_bytes({"a": [bytearray(9_999)]}),
    )

    assert large - small > 9_900
    assert retained_bytes([print, dict]) < 200
