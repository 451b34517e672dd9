"""The folder of a camera's images: bounded, whole or not at all, never in the way."""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.images.store import ImageStore, Rank, find_image

SIZE = 1_000


def image(number: int, size: int = SIZE) -> bytes:
    """Return an image that differs by its number."""
    return number.to_bytes(8) + bytes(size - 8)


def opened(folder: Path, bytes_max: int = 10 * SIZE, sensor: str = "cam") -> ImageStore:
    """Return the store in a folder."""
    store = ImageStore(folder, sensor, bytes_max)
    store.open()
    return store


def kept(folder: Path, number: int) -> bool:
    """Tell whether an image is found by its digest."""
    data = image(number)
    try:
        return find_image(folder, sha256(data).digest()) == data
    except StateError:
        return False


def test_image_is_found_by_its_digest(tmp_path: Path) -> None:
    """Whichever camera it is of; for its owner's eyes only."""
    opened(tmp_path, sensor="one").put(image(1), Rank.HEARTBEAT)
    opened(tmp_path, sensor="two").put(image(2), Rank.TAMPER)

    assert kept(tmp_path, 1)
    assert kept(tmp_path, 2)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*.jpg")} == {0}


def test_unknown_image_is_said_to_be_not_kept(tmp_path: Path) -> None:
    """By its digest, with or without a folder."""
    with pytest.raises(StateError, match="00000000"):
        find_image(tmp_path, bytes(32))


def test_heartbeats_go_first_and_tampering_last(tmp_path: Path) -> None:
    """The oldest of the lowest rank makes room, whatever came when."""
    store = opened(tmp_path, 4 * SIZE)
    for number, rank in enumerate((Rank.TAMPER, Rank.CHALLENGE, Rank.HEARTBEAT, Rank.HEARTBEAT)):
        store.put(image(number), rank)

    gone: list[list[int]] = []
    for number in range(10, 14):
        store.put(image(number), Rank.TAMPER)
        gone.append([n for n in range(4) if not kept(tmp_path, n)])

    assert gone == [[2], [2, 3], [1, 2, 3], [0, 1, 2, 3]]


def test_repeated_image_takes_its_place_once(tmp_path: Path) -> None:
    """Under the highest rank that it ever had."""
    store = opened(tmp_path, 2 * SIZE)
    store.put(image(1), Rank.HEARTBEAT)
    store.put(image(1), Rank.TAMPER)
    store.put(image(1), Rank.HEARTBEAT)
    assert store.kept_bytes == SIZE

    store.put(image(2), Rank.HEARTBEAT)
    store.put(image(3), Rank.HEARTBEAT)

    assert kept(tmp_path, 1)
    assert not kept(tmp_path, 2)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(Rank), st.integers(8, 3_000)), max_size=40
    )
)
def test_bound_holds_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[int, Rank, int]]
) -> None:
    """What lies on the disk is what is counted, and never more than allowed."""
    folder = tmp_path_factory.mktemp("store")
    store = opened(folder, 5_000)
    for number, rank, size in puts:
        data = image(number, size)
        store.put(data, rank)
        assert find_image(folder, sha256(data).digest()) == data
    on_disk = sum(path.stat().st_size for path in folder.rglob("*.jpg"))

    assert on_disk == store.kept_bytes <= 5_000
    assert opened(folder, 5_000).kept_bytes == on_disk


def test_power_cut_leaves_no_half_image(tmp_path: Path) -> None:
    """What was being written is taken away at the next start; the rest is there."""
    store = opened(tmp_path)
    store.put(image(1), Rank.TAMPER)
    partial = next(tmp_path.rglob("*.jpg")).with_suffix(".jpg.partial")
    partial.write_bytes(image(2)[:100])

    again = opened(tmp_path)

    assert not partial.exists()
    assert again.kept_bytes == SIZE
    assert kept(tmp_path, 1)


def test_order_survives_a_restart(tmp_path: Path) -> None:
    """The oldest goes first then too."""
    store = opened(tmp_path, 3 * SIZE)
    for number in (5, 3, 4):
        store.put(image(number), Rank.HEARTBEAT)
        path = tmp_path / "images/cam/heartbeat" / f"{sha256(image(number)).hexdigest()}.jpg"
        os.utime(path, ns=(0, (10 - number if number == 5 else 10 + number) * 10**9))

    opened(tmp_path, 3 * SIZE).put(image(6), Rank.HEARTBEAT)

    assert [number for number in (3, 4, 5, 6) if not kept(tmp_path, number)] == [5]


def test_image_that_the_disk_changed_is_not_given(tmp_path: Path) -> None:
    """A torn file is said to be one; nothing else goes out under that digest."""
    opened(tmp_path).put(image(1), Rank.HEARTBEAT)
    next(tmp_path.rglob("*.jpg")).write_bytes(image(1)[:500])

    with pytest.raises(StateError, match="changed"):
        find_image(tmp_path, sha256(image(1)).digest())


def test_disk_that_refuses_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """As a full disk does: here the folder is gone."""
    store = opened(tmp_path)
    for folder in (tmp_path / "images/cam").iterdir():
        folder.rmdir()

    with pytest.raises(StateError, match="images"):
        store.put(image(1), Rank.HEARTBEAT)

    assert store.kept_bytes == 0


def test_view_is_kept_beside_the_images(tmp_path: Path) -> None:
    """It is there after a restart, and is no image."""
    store = opened(tmp_path)
    assert store.load_view() == b""
    store.save_view(b"background")

    again = opened(tmp_path)

    assert again.load_view() == b"background"
    assert again.kept_bytes == 0
