"""From a signed envelope to a lot's state and its alerts, on a real PostgreSQL."""

import pytest

from backend.db import Database
from backend.ingest.types import Accepted
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import NET_G, TARE_G, build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse with three pallets, and the worker's transaction."""
    return Rig(db=db, made=build_warehouse(db_url))


def test_quiet_site_is_sound(rig: Rig) -> None:
    """A lot whose tags are read and whose weight is right is sound, and stored once."""
    rig.quiet(5)
    assert rig.made.state() == {
        "custody": "in_zone",
        "quantity": "whole",
        "condition": "sound",
        "surveillance": "live",
        "tampered": False,
        "evaluated": True,
    }
    assert rig.made.alerts() == {}
    assert rig.made.execute("SELECT count(*) FROM scalar_reading") == [(10,)]
    assert rig.made.execute("SELECT count(*) FROM sighting_reading") == [(15,)]
    assert rig.made.execute("SELECT number, readings FROM stream") == [(5, 25)]


def test_taken_pallet_is_short_at_once_and_named_after_its_time(rig: Rig) -> None:
    """The scale locks with the first reading and alerts with the next; its tag makes it critical.

    Until that tag was silent for long enough the pallet may only hang on a fork. How long that is
    follows from how often it was read before. One cause, one alert.
    """
    rig.quiet(20)
    epc = next(iter(rig.made.items))
    less_g = rig.made.gross_g - NET_G - TARE_G
    rig.quiet(1, gone=frozenset({epc}), gross_g=less_g)
    assert rig.made.state()["quantity"] == "short"
    assert rig.made.alerts() == {}
    rig.quiet(1, gone=frozenset({epc}), gross_g=less_g)
    assert rig.made.alerts() == {"load": ("warning", "open", False)}
    rig.quiet(28, gone=frozenset({epc}), gross_g=less_g)
    assert rig.made.state()["custody"] == "missing"
    assert rig.made.alerts() == {"load": ("critical", "open", False)}


def test_envelopes_of_one_batch_chain_within_it(rig: Rig) -> None:
    """Several envelopes of one gateway in a batch are accepted in their order."""
    messages = [rig.made.gateway.seal(rig.round(), rig.now_us + i * 1_000_000) for i in range(4)]
    verdicts = rig.write(*messages).verdicts
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    assert rig.made.execute("SELECT count(*) FROM envelope") == [(4,)]
