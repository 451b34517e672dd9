"""Findings: bytes for which something did not hold, kept as files that a test replays."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

FINDINGS: Final = Path(__file__).with_name("findings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Bytes for which ``target`` failed: in which run, and how."""

    target: str
    why: str
    seed: int
    data: str
    cuts: list[int]

    @property
    def name(self) -> str:
        """Its target and its bytes' digest: what tells it from all others."""
        return f"{self.target}-{sha256(bytes.fromhex(self.data)).hexdigest()[:12]}"


def save_finding(folder: Path, finding: Finding) -> Path:
    """Write a finding, once: the file has its name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.name}.json"
    path.write_text(json.dumps(asdict(finding), indent=1) + "\n", encoding="utf-8")
    return path


def load_findings(folder: Path = FINDINGS) -> Iterator[Finding]:
    """Yield all findings in ``folder``."""
    for path in sorted(folder.glob("*.json")):
        yield Finding(**json.loads(path.read_text(encoding="utf-8")))
