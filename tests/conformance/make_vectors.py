"""Write schemas/vectors anew: ``python -m tests.conformance.make_vectors``.

Run by a person who means to add a vector, never by a test: published vectors stay as they are,
and a changed meaning is a new version of the format. It writes what is not there yet, refuses to
change what is, and extends SHA256SUMS.
"""

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from tests.conformance import (
    command_cases,
    digest_cases,
    envelope_cases,
    envelope_contents,
    receipt_cases,
)
from tests.conformance.forge import Case, Forge
from tests.conformance.vectors import VECTORS, Json

# The neutral element: every signature of (R, S) = (neutral element, 0) fits every message.
SMALL_ORDER_KEY = b"\x01" + bytes(31)


def main() -> int:
    """Write every vector that is missing; 1 if one of the others would change."""
    envelope, receipt = envelope_contents.content(), receipt_cases.content()
    files = {
        **_kind(
            "envelope-v1",
            Forge("envelope-v1, the gateway", envelope_contents.CONTENT_TYPE, envelope),
            envelope_contents.valid_contents(),
            envelope_cases.refused_cases,
        ),
        **_kind(
            "receipt-v1",
            Forge("receipt-v1, the backend", receipt_cases.CONTENT_TYPE, receipt),
            receipt_cases.valid_contents(),
            receipt_cases.refused_cases,
        ),
        **_kind(
            "command-v1",
            Forge("command-v1, the backend", command_cases.CONTENT_TYPE, command_cases.content()),
            command_cases.valid_contents(),
            command_cases.refused_cases,
        ),
        **_kind(
            "digest-v1",
            Forge("digest-v1, the gateway", digest_cases.CONTENT_TYPE, digest_cases.content()),
            digest_cases.valid_contents(),
            digest_cases.refused_cases,
        ),
    }
    changed = [name for name, text in files.items() if not _write(VECTORS / name, text)]
    for name in changed:
        sys.stderr.write(f"{name} exists and says something else; it was left alone\n")
    sums = [
        f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(VECTORS)}\n"
        for path in sorted(VECTORS.rglob("*.json"))
    ]
    (VECTORS / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return 1 if changed else 0


def _kind(
    kind: str,
    forge: Forge,
    valid: dict[str, tuple[str, Json]],
    refused_cases: Callable[[Forge], list[Case]],
) -> dict[str, str]:
    files = {
        f"{kind}/{name}.json": _text(_valid(forge, name, about, content))
        for name, (about, content) in valid.items()
    }
    refused = refused_cases(forge)
    assert len({case.name for case in refused}) == len(refused)
    for case in refused:
        files[f"{kind}/refused/{case.name}.json"] = _text(_refused(forge, case))
    for fields in _unsigned(forge):
        files[f"{kind}/refused/{fields['name']}.json"] = _text(fields)
    return files


def _valid(forge: Forge, name: str, about: str, content: Json) -> Json:
    return {
        "name": name,
        "about": about,
        "key_seed": forge.seed.hex(),
        "public_key": forge.public_key.hex(),
        "signature": True,
        "message": forge.of(content).hex(),
        "content": content,
    }


def _refused(forge: Forge, case: Case) -> Json:
    fields: Json = {
        "name": case.name,
        "about": case.about or case.name.replace("-", " ").capitalize() + ".",
        "public_key": forge.public_key.hex(),
        "signature": True,
        "refused": {"why": case.why, "field": case.field},
        "message": case.message.hex(),
    }
    if case.zero_bytes_appended:
        fields["zero_bytes_appended"] = case.zero_bytes_appended
    return fields


def _unsigned(forge: Forge) -> list[Json]:
    """Return messages of valid form that no honest signature covers."""
    content = forge.content
    good = forge.of(content)
    other = Forge("somebody else", "", content)
    plain = {"signature": False, "content": content}
    weak_signature = SMALL_ORDER_KEY + bytes(32)
    return [
        {
            "name": "bad-signature",
            "about": "Valid form; one bit of the signature is changed.",
            "public_key": forge.public_key.hex(),
            "message": (good[:-1] + bytes([good[-1] ^ 1])).hex(),
            **plain,
        },
        {
            "name": "signature-of-another-key",
            "about": "Valid form; the signature is another key's.",
            "public_key": other.public_key.hex(),
            "message": good.hex(),
            **plain,
        },
        {
            "name": "small-order-key",
            "about": "A signature that fits every message under a public key of small order: some"
            " libraries verify it, so such a key is refused at enrolment.",
            "public_key": SMALL_ORDER_KEY.hex(),
            "key_refused": True,
            "message": (good[:-64] + weak_signature).hex(),
            **plain,
        },
    ]


def _text(fields: Json) -> str:
    return json.dumps(fields, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return path.read_text(encoding="utf-8") == text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main())
