"""The side file remembers the head, whatever is torn."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.outbox.head import SLOT_BYTES, Head, HeadFile

HEAD = Head(key_id=bytes(16), number=7, sha256=bytes(range(32)), readings=900, receipted=5)


def test_head_survives_the_process(tmp_path: Path) -> None:
    """What was saved last is read first."""
    path = tmp_path / "stream.head"
    with HeadFile(path) as file:
        for number in range(5):
            file.save(replace(HEAD, number=number))

    with HeadFile(path) as file:
        assert file.head(HEAD.key_id) == replace(HEAD, number=4)


def test_new_file_knows_no_head(tmp_path: Path) -> None:
    """No head is not head 0."""
    with HeadFile(tmp_path / "stream.head") as file:
        assert file.head(HEAD.key_id) is None


def test_head_of_another_key_is_none(tmp_path: Path) -> None:
    """A re-enrolled gateway does not go on with its old key's numbers."""
    with HeadFile(tmp_path / "stream.head") as file:
        file.save(HEAD)
        assert file.head(bytes(15) + b"\1") is None


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("cut", [0, 1, 31, 100, SLOT_BYTES - 1])
def test_torn_write_leaves_the_head_before_it(tmp_path: Path, turn: int, cut: int) -> None:
    """A save that power loss cut short does not take the one before with it."""
    path = tmp_path / "stream.head"
    with HeadFile(path) as file:
        for number in range(5 + turn):
            file.save(replace(HEAD, number=number))
    data = bytearray(path.read_bytes())
    last = (4 + turn) % 2 * SLOT_BYTES
    data[last + cut : last + SLOT_BYTES] = bytes(SLOT_BYTES - cut)
    path.write_bytes(data)

    with HeadFile(path) as file:
        assert file.head(HEAD.key_id) == replace(HEAD, number=3 + turn)
        file.save(HEAD)
    with HeadFile(path) as file:
        assert file.head(HEAD.key_id) == HEAD


def test_garbage_is_no_head(tmp_path: Path) -> None:
    """A file of noise is like none, and can be written again."""
    path = tmp_path / "stream.head"
    path.write_bytes(b"\xff" * 3_000)
    with HeadFile(path) as file:
        assert file.head(HEAD.key_id) is None
        file.save(HEAD)
        assert file.head(HEAD.key_id) == HEAD
