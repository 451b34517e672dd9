"""Release orders on their way through a run: issued in time, and what stays on site taken back.

An order to another zone of the site settles like any: what arrived there is pledged no more. When
the goods are to come back, somebody registers them with their lot again after the order's window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.collateral.types.releases import Release
from backend.ids import ItemId, LotId, ReleaseId, ZoneId
from deploy.evaluate.backend import Books, KeptLot
from deploy.evaluate.registry import Registered, id_of
from firmware_sim.months.types import Order, SiteRun

REGISTERED_AFTER_US: Final = 1_800_000_000  # Half an hour after the window: the paperwork.


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An order as the backend has it, and when its goods are registered again (None: never)."""

    lot: LotId
    release: Release
    issued_us: int
    returns_us: int | None


class Permits:
    """The orders of all sites, in the order of their issue."""

    def __init__(self, runs: Sequence[SiteRun], registered: Sequence[Registered]) -> None:
        self._issued = sorted(
            (
                permit_of(order, run, own)
                for run, own in zip(runs, registered, strict=True)
                for order in run.orders
            ),
            key=lambda permit: (permit.issued_us, permit.release.id),
        )
        self._away: list[Permit] = []

    def apply(self, books: Books, span: tuple[int, int]) -> None:
        """Hand in what is issued in a span of time; register again what is back before it."""
        now_us, until_us = span
        while self._issued and self._issued[0].issued_us <= until_us:
            permit = self._issued.pop(0)
            kept = books.lots[permit.lot]
            books.lots[permit.lot] = replace(kept, releases=(*kept.releases, permit.release))
            if permit.returns_us is not None:
                self._away.append(permit)
        for permit in list(self._away):
            kept = books.lots[permit.lot]
            if permit.returns_us is None or permit.returns_us > now_us or _lasts(kept, permit):
                continue
            books.lots[permit.lot] = replace(kept, gone=kept.gone - permit.release.items)
            self._away.remove(permit)


def _lasts(kept: KeptLot, permit: Permit) -> bool:
    return any(release.id == permit.release.id for release in kept.releases)


def permit_of(order: Order, run: SiteRun, own: Registered) -> Permit:
    """Return an order as the backend has it."""
    lot = own.lot_named(order.lot)
    names = {epc.lower() for epc in order.items}
    rows = [row for row in own.items[lot] if row["epc"].hex() in names]
    zones = {zone.name: ZoneId(id_of(own.site, "zone", zone.name)) for zone in run.scenario.zones}
    zone = None if order.destination is None else zones[order.destination]
    release = Release(
        id=ReleaseId(id_of(own.site, "order", order.id)),
        items=frozenset(ItemId(row["id"]) for row in rows),
        mass_g=sum(row["net_mass_g"] for row in rows),
        begin_us=order.from_us,
        end_us=order.until_us,
        zone_id=zone,
        transit=frozenset((zones[run.scenario.dock],)),
        watched=zone is not None and any(zone in watched for watched in own.readers.values()),
    )
    returns_us = None if zone is None else order.until_us + REGISTERED_AFTER_US
    return Permit(lot=lot, release=release, issued_us=order.issued_us, returns_us=returns_us)
