"""A lot that goes through an hour by itself ends where it would with all others."""

import pytest

from deploy.evaluate.cuts import Cuts
from deploy.evaluate.drive import Drive
from deploy.evaluate.permits import Permits
from deploy.evaluate.shares import Heard
from deploy.evaluate.streams import Streams
from tests.unit.deploy.evaluate.stories import BEGINS_MIN, RUN_US, Story, play, story


def driven(told: Story) -> Drive:
    """Return a backend after a story's half hour, taken at once and halved where it finds."""
    whole = told.months.drive
    gaps_s = {key: gap for own in told.months.registered for key, gap in own.gaps_s.items()}
    drive = Drive(
        backend=whole.backend,
        channels=whole.channels,
        tags=whole.tags,
        streams=Streams([part.gateway for part in told.parts]),
        cuts=Cuts(whole.channels, gaps_s),
        steps_us=RUN_US,
        books=whole.backend.books(),
    )
    span = (told.begins_us, told.begins_us + RUN_US)
    Permits((told.run,), told.months.registered).apply(drive.books, span)
    parts = [part.between(*span) for part in told.parts]
    drive.take([own.site for own in told.months.registered], parts, span)
    return drive


@pytest.mark.parametrize("kind", ["take_pallet", "shield_tag", "unplug_gateway"])
def test_lot_by_itself_remembers_what_it_would_with_all_others(kind: str) -> None:
    """Its memory is that of one fold of everything, and what is found has its second."""
    told = story(kind, 3)
    drive = driven(told)
    books, _ = play(told, told.instants(RUN_US // 1_000_000))
    assert drive.tally.finding, "something was found in it"
    assert {lot: kept.memory for lot, kept in drive.books.lots.items()} == {
        lot: kept.memory for lot, kept in books.lots.items()
    }
    assert drive.books.sensors == books.sensors
    assert drive.books.sights == books.sights
    began_us = told.begins_us + BEGINS_MIN * 60_000_000
    first_us = min(alert.opened_us for alert in drive.alerts.every if alert.opened_us >= began_us)
    assert first_us - began_us < 120_000_000


def test_gateways_are_heard_when_their_envelopes_arrive() -> None:
    """Not before, and by the newest of them."""
    (part, *_) = story("take_pallet", 3).parts
    heard = Heard.of(part)
    begins_us = int(part.envelopes.arrival_us[0])
    assert heard.until(begins_us - 1) is None
    later_us = heard.until(begins_us + 60_000_000)
    assert later_us is not None
    assert later_us <= begins_us + 60_000_000
