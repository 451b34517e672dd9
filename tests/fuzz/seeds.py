"""The bytes that mutation begins from."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = Path(__file__).with_name("seeds")
VECTORS: Final = ROOT / "schemas" / "vectors"
SEED_BYTES_MAX: Final = 1 << 20  # A longer capture is cut: windows are drawn from it anyway.


def load_seeds(name: str) -> list[bytes]:
    """Return the seeds of the target called ``name``: shipped ones, vectors, captures."""
    found = [*_shipped(name), *_vectors(name), *_captures(name)]
    if not found:
        msg = f"seeds: none for {name}; write {SEEDS / name}.hex, a frame a line"
        raise ValueError(msg)
    return [seed[:SEED_BYTES_MAX] for seed in found]


def _shipped(name: str) -> Iterator[bytes]:
    path = SEEDS / f"{name}.hex"
    if path.is_file():
        lines = path.read_text(encoding="ascii").splitlines()
        yield from (bytes.fromhex(line) for line in lines if line and not line.startswith("#"))


def _vectors(name: str) -> Iterator[bytes]:
    for path in sorted(VECTORS.glob(f"{name}-v*/**/*.json")):
        yield bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))["message"])


def _captures(name: str) -> Iterator[bytes]:
    default = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("PLEDGEWATCH_CAPTURES", default))
    for prefix, load in _CAPTURES.items():
        if name.startswith(prefix) and folder.is_dir():
            yield from load(folder)


def _files(pattern: str) -> Callable[[Path], Iterator[bytes]]:
    return lambda folder: (path.read_bytes() for path in sorted(folder.glob(pattern)))


def _hex_of(pattern: str) -> Callable[[Path], Iterator[bytes]]:
    def load(folder: Path) -> Iterator[bytes]:
        for path in sorted(folder.glob(pattern)):
            entries = cast("list[dict[str, Any]]", json.loads(path.read_text(encoding="utf-8")))
            yield from (bytes.fromhex(entry["hex"]) for entry in entries)

    return load


def _reports(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("gps/*.chk")):
        lines = path.read_bytes().splitlines(keepends=True)
        yield b"".join(line for line in lines if line.startswith(b"{"))


_CAPTURES: Final[dict[str, Callable[[Path], Iterator[bytes]]]] = {
    "nmea": _files("gps/*.log"),
    "ubx": _files("gps/*.log"),
    "gpsd": _reports,
    "scale-": _files("weight/*.bin"),
    "rfid-": _hex_of("rfid/serial_frames.json"),
    "llrp": _hex_of("rfid/llrp_frames.json"),
    "epc": _hex_of("rfid/epc_vectors.json"),
    "frigate": _files("camera/*.json"),
    "onvif": _files("camera/*.json"),
}
