"""The software's digest covers every file, by path and contents."""

from pathlib import Path

import pytest

from gateway.control.software import digest_packages, software_sha256

PACKAGES = ("gateway", "schemas")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two small packages."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("", "utf-8")
    (tmp_path / "gateway" / "clock.py").write_text("one\n", "utf-8")
    return tmp_path


def test_digest_is_of_the_files_as_they_are(root: Path) -> None:
    """The same files give the same digest, in whatever order they were made."""
    before = digest_packages(root, PACKAGES)
    (root / "gateway" / "clock.py").unlink()
    (root / "gateway" / "alarm.py").write_text("two\n", "utf-8")
    changed = digest_packages(root, PACKAGES)
    (root / "gateway" / "alarm.py").unlink()
    (root / "gateway" / "clock.py").write_text("one\n", "utf-8")

    assert changed != before
    assert digest_packages(root, PACKAGES) == before


def test_moving_bytes_between_name_and_contents_shows(root: Path) -> None:
    """Lengths lead every part: no two different trees are read as the same bytes."""
    before = digest_packages(root, PACKAGES)
    (root / "gateway" / "clock.py").rename(root / "gateway" / "clock.pyo")
    (root / "gateway" / "clock.pyo").write_text("ne\n", "utf-8")

    assert digest_packages(root, PACKAGES) != before


def test_caches_of_the_interpreter_do_not_count(root: Path) -> None:
    """Running the software does not change its digest."""
    before = digest_packages(root, PACKAGES)
    (root / "gateway" / "__pycache__").mkdir()
    (root / "gateway" / "__pycache__" / "clock.pyc").write_bytes(b"\0")

    assert digest_packages(root, PACKAGES) == before


def test_own_software_has_a_digest() -> None:
    """The running code is found, and is not nothing."""
    assert len(software_sha256()) == 32
    assert software_sha256() != digest_packages(Path("/nonexistent"), PACKAGES)
