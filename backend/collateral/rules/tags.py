"""What is wrong with a lot's items by their tags, its scale considered, in words.

Source: domain.md, the table of corroboration. Items whose mass is missing are the scale's finding
(see ``load_facts``): one cause is one alert.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.collateral.rules.fusion import Fused, probability_of
from backend.collateral.rules.presence import GRAVE_LOG_ODDS, PRIOR_LOG_ODDS, Whereabouts
from backend.collateral.rules.weigh import Load
from backend.collateral.types import Evidence, Fact, FactKind, ItemCustody
from backend.ids import ItemId, ZoneId
from backend.telemetry.types import datetime_of
from schemas.envelope import RSSI_UNKNOWN

SEVERAL: Final = 2  # One silent tag may have failed; two at once have not.
AT_ONCE_US: Final = 600_000_000
# One false finding in a hundred million rounds of a tag, against a theft between as many.
GONE_PROBABILITY: Final = probability_of(GRAVE_LOG_ODDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a lot's scale last said, and whether it can be relied on now."""

    load: Load
    relied: bool

    def bears_out(self, where: Whereabouts) -> bool:
        """Return whether it says that a missing item is there, or was when its tag had failed.

        A scale that falls silent itself, or is covered, takes back nothing: a tag whose silence
        was as good as certain while the scale still missed nothing did not leave after that.
        """
        if not self.load.sees(where.item):
            return False
        failed = where.missed_us is not None and where.missed_us <= self.load.vouched_us
        return self.relied or failed


def excused(items: Sequence[Whereabouts], scale: Scale | None, fused: Fused) -> set[ItemId]:
    """Return the missing items that the scale says are there: their tags failed, or fell off.

    Not when several fell silent at once: then they are shielded, or the scale is deceived.
    """
    if scale is None:
        return set()
    silent = [
        where
        for where in items
        if where.custody is ItemCustody.MISSING and not fused.is_taken(where)
    ]
    return {
        where.item.id
        for where in silent
        if scale.bears_out(where)
        and sum(abs(_last_us(each) - _last_us(where)) <= AT_ONCE_US for each in silent) < SEVERAL
    }


def item_facts(items: Sequence[Whereabouts], scale: Scale | None, fused: Fused) -> list[Fact]:
    """Return what is wrong with a lot's items, but for those that the scale's finding names.

    Args:
        items: where each is.
        scale: what the lot stands on; None: it never gave a weight.
        fused: tags and weight together.
    """
    there = excused(items, scale, fused)
    facts: list[Fact] = []
    for where in items:
        if where.custody is ItemCustody.MISSING and not fused.is_taken(where):
            facts.append(_missing(where, doubtful=where.item.id in there))
        elif where.custody is ItemCustody.RELOCATED:
            facts.append(_relocated(where))
    return facts


def _missing(where: Whereabouts, *, doubtful: bool) -> Fact:
    text = f"{where.item.name} is not seen any more"
    if doubtful:
        text += ", though the scale misses nothing"
    elif where.all_silent:
        text = f"none of {where.together} tags is read any more: all gone, or shielded"
    elif where.together:
        text += f", nor are {where.together - 1} others"
    if where.left_by and not doubtful:
        text += f"; read last at {where.left_by}: left through it"
    return Fact(
        key=f"item:{where.item.id}:shortfall",
        kind=FactKind.ITEM_MISSING,
        grave=where.beyond_doubt and not doubtful,
        text=text,
        evidence=last_seen(where, "last seen"),
        probability=where.probability,
        began_us=where.since_us,
    )


def _relocated(where: Whereabouts) -> Fact:
    return Fact(
        key=f"item:{where.item.id}:relocation",
        kind=FactKind.ITEM_RELOCATED,
        grave=True,
        text=f"{where.item.name} is seen in another zone",
        evidence=last_seen(where, "seen elsewhere"),
        probability=where.probability,
        began_us=where.since_us,
    )


def zone_names(items: Sequence[Whereabouts]) -> Mapping[str, ZoneId | None]:
    """Return the zone in which each relocated item was seen, by its name."""
    return {
        where.item.name: where.zone_id for where in items if where.custody is ItemCustody.RELOCATED
    }


def last_seen(where: Whereabouts, text: str, nats: float | None = None) -> tuple[Evidence, ...]:
    """Return the last that was seen of an item; ``nats``: what that is worth, if not its all."""
    sight = where.sight
    if sight is None:
        return ()
    known = sight.rssi_cdbm != RSSI_UNKNOWN
    expected = "" if where.expected_s is None else f"read about each {where.expected_s:.1f} s"
    return (
        Evidence(
            at=datetime_of(sight.seen_us),
            gateway=sight.reader[0],
            envelope_number=sight.envelope_number,
            sensor=sight.reader[1],
            quantity=None,
            value=sight.rssi_cdbm / 100 if known else None,
            text=f"{where.item.name} (EPC {where.item.epc.hex()}) {text}",
            expected=expected,
            log_odds=round(where.log_odds - PRIOR_LOG_ODDS if nats is None else nats, 1),
        ),
    )


def _last_us(where: Whereabouts) -> int:
    return 0 if where.sight is None else where.sight.made_us
