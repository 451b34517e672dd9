"""Items that fell silent at once bear each other out; one that did long before speaks for none."""

from uuid import UUID

from backend.collateral.rules.presence_group import PRIOR_LOG_ODDS, Home, together_of
from backend.collateral.rules.presence_rates import Rate
from backend.collateral.types import ItemSetup, Sight
from backend.ids import ItemId
from tests.unit.backend.collateral.rfid import GATEWAY

SECOND_US = 1_000_000
GOOD = Rate(looks=3_000_000, span_us=3_600 * SECOND_US, dead_us=0, level_cdbm=None)
POOR = Rate(looks=400_000, span_us=3_600 * SECOND_US, dead_us=0, level_cdbm=None)
LOT = 16


def home(number: int, silent_s: float, rate: Rate = GOOD) -> Home:
    """Return an item whose tag has been silent for so long."""
    silent_us = int(silent_s * SECOND_US)
    item = ItemId(UUID(int=number))
    return Home(
        item=ItemSetup(id=item, name=f"p{number}", epc=b"", net_mass_g=1, tare_mass_g=0),
        nats=rate.silence_nats(silent_us),
        due=silent_s >= 10,
        silent_us=silent_us,
        last=Sight(
            item_id=item,
            reader=(GATEWAY, "rfid"),
            seen_us=0,
            made_us=0,
            listened_us=0,
            streak_us=0,
            streak_reads=1,
            rssi_cdbm=0,
            envelope_number=1,
        ),
        rate=rate,
    )


def odds(*silent: Home) -> dict[int, float]:
    """Return the log odds of items that went together, of a lot of so many, by their numbers."""
    rest = [home(100 + number, 0.0) for number in range(LOT - len(silent))]
    found = together_of([*silent, *rest])
    return {item.int: round(each, 1) for item, each in found.items()}


def test_two_that_fell_silent_at_once_are_surer_together() -> None:
    """Each alone would be in doubt."""
    alone = PRIOR_LOG_ODDS + home(1, 13.0).nats
    assert alone < 0.0
    assert all(each > alone for each in odds(home(1, 13.0), home(2, 13.0)).values())


def test_dead_tag_speaks_for_no_other() -> None:
    """Whether it died an hour ago or just now: another that is silent by chance stays in doubt."""
    for dead_s in (40.0, 3_600.0):
        found = odds(home(1, dead_s), home(2, 25.0, POOR))
        assert found.get(2, PRIOR_LOG_ODDS) < 2.0


def test_dead_tag_does_not_hide_that_others_went_together() -> None:
    """Two that are taken an hour later are found as if it were not there."""
    without = odds(home(2, 15.0), home(3, 15.0))
    found = odds(home(1, 3_600.0), home(2, 15.0), home(3, 15.0))
    assert set(found) == set(without) == {2, 3}
    assert abs(found[2] - without[2]) < 0.5
