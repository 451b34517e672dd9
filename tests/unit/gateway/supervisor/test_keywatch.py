"""What the gateway says of its own key."""

from collections.abc import Mapping

from gateway.signing import FileHolder, Signer
from gateway.signing.ed25519 import generate
from gateway.supervisor.keywatch import WHY_CHARS_MAX, KeyWatch
from schemas.quantities import EventType


class Faulty(FileHolder):
    """A holder whose fault is the test's."""

    fault = ""


def test_a_fault_is_told_once_and_its_end_once() -> None:
    """Another fault in between is no news; a long one is cut."""
    holder = Faulty(generate())
    said: list[tuple[EventType, Mapping[str, object]]] = []
    watch = KeyWatch(Signer(holder), lambda kind, body: said.append((kind, body)))
    for fault in ("", "no token", "no answer" * 100, "", ""):
        holder.fault = fault
        watch.look()
        watch.look()

    assert said == [
        (EventType.HEALTH, {"state": "silent", "why": "key: no token"}),
        (EventType.HEALTH, {"state": "up", "why": "key: signs again"}),
    ]
    holder.fault = "x" * 1_000
    watch.look()
    assert len(str(said[-1][1]["why"])) == WHY_CHARS_MAX
