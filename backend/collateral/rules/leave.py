"""What has left a lot by a release order, and when that is sure enough to settle. Pure.

Times are our clock's. What decides is when the readings were made, not when they came: an order
is not over before the lot's sensors were heard beyond its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.collateral.rules.counts import as_counted
from backend.collateral.rules.decide import Observed
from backend.collateral.rules.let_go import EARLY_US, FINISH_US
from backend.collateral.rules.load import DROP, LOSS, expected_net_g
from backend.collateral.rules.presence import Whereabouts, decide_items
from backend.collateral.types import (
    Binding,
    ItemCustody,
    LoadMemory,
    LotSetup,
    Purpose,
    SensorKey,
    SensorState,
    Sight,
)
from backend.collateral.types.releases import Release, ReleaseState, Settlement
from backend.ids import ItemId
from schemas.quantities import Quantity

# A reader misses a tag for a while; what was not read for so long after all others has gone.
CONFIRM_US: Final = 60_000_000
# An item that may go has gone once its tag is silent for longer than it would be by chance once in
# twenty times. If it was there all the same it is read again, and nothing is settled by then.
ORDERED_NATS: Final = 3.0
# Sensors that stay silent keep an order open, and what may have left by it; not for ever.
SILENT_US_MAX: Final = 7 * 86_400_000_000
# A scale tells of a weight that stays every few seconds: what it missed so short a time before an
# order began it missed as the order began.
AT_BEGIN_US: Final = 60_000_000
STEP_G: Final = 1_000  # A mass that changes is told in steps, so that noise does not revalue it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A lot as it is looked at for its orders.

    ``heard_us``: until when all that counts its goods was heard. ``home_us``: when each item was
    last read at home. ``gross_g`` is the last weight; None: there is none to rely on. ``short``
    are the spans of time, of a day, in which the scale missed goods that no order let go.
    """

    setup: LotSetup
    items: Sequence[Whereabouts]
    home_us: Mapping[ItemId, int]
    scale: Binding | None
    gross_g: float | None
    short: Sequence[tuple[int, int]]
    heard_us: int
    now_us: int

    @classmethod
    def at(cls, setup: LotSetup, observed: Observed, now_us: int) -> "Looked":
        """Return how a lot is looked at now."""
        scales = setup.bound(Purpose.LOAD)
        scale = scales[0] if len(scales) == 1 else None
        return cls(
            setup=setup,
            items=as_counted(
                setup, decide_items(setup, observed.sensors, observed.sights), now_us
            ),
            home_us=_home_us(setup, observed.sights),
            scale=scale,
            gross_g=None if scale is None else last_gross_g(scale, observed.sensors, now_us),
            short=() if scale is None else _short_us(observed, scale, now_us),
            heard_us=_heard_us(setup, observed.sensors, now_us),
            now_us=now_us,
        )

    def gone_by(self, release: Release, claimed: set[ItemId]) -> list[Whereabouts]:
        """Return the items that have left home by an order, who left first first."""
        found = [
            where
            for where in self.items
            if where.item.id not in claimed and self._has_left(where, release)
        ]
        found.sort(key=lambda where: (self.home_us[where.item.id], where.item.id))
        if release.items:
            return [where for where in found if where.item.id in release.items]
        gone: list[Whereabouts] = []
        left_g = release.mass_g
        for where in found:
            if where.item.net_mass_g <= left_g:
                gone.append(where)
                left_g -= where.item.net_mass_g
        return gone

    def _has_left(self, where: Whereabouts, release: Release) -> bool:
        """Return whether an item is away where an order lets it be, and left in its time."""
        left_us = self.home_us.get(where.item.id)
        if left_us is None or not release.begin_us - EARLY_US <= left_us <= release.end_us:
            return False
        if where.custody is ItemCustody.RELOCATED:
            return where.zone_id == release.zone_id or where.zone_id in release.transit
        return where.custody is ItemCustody.MISSING or where.nats >= ORDERED_NATS

    def settle(self, release: Release, gone: Sequence[Whereabouts]) -> Settlement | None:
        """Return an order's end, None while it goes on, or has not begun."""
        if self.now_us < release.begin_us - EARLY_US and not release.revoked:
            return None
        arrived = [where for where in gone if self._has_arrived(where, release)]
        arrived += self._silent_before(release, arrived)
        over = self.heard_us >= release.end_us + FINISH_US
        over = over or self.now_us >= release.end_us + SILENT_US_MAX
        if not self.setup.items:
            mass_g = self._fallen_g(release) if over else 0
            complete = mass_g == release.mass_g
        else:
            mass_g = sum(where.item.net_mass_g for where in arrived)
            complete = self._is_all(release, arrived)
            if complete and not over:
                complete = self._is_sure(arrived)
        if not over and not complete:
            return None
        if self.setup.items and not self._bears_out(arrived):
            arrived, mass_g, complete = [], 0, False
            if not over:
                return None
        state = ReleaseState.REVOKED if release.revoked else ReleaseState.EXPIRED
        return Settlement(
            release=release,
            state=ReleaseState.COMPLETED if complete else state,
            items=tuple(sorted(where.item.id for where in arrived)),
            mass_g=mass_g,
        )

    def _has_arrived(self, where: Whereabouts, release: Release) -> bool:
        """Return whether an item is where the order says, or out of sight when that is unseen."""
        if release.zone_id is not None and release.watched:
            return where.custody is ItemCustody.RELOCATED and where.zone_id == release.zone_id
        if where.custody is ItemCustody.RELOCATED:
            return where.zone_id == release.zone_id
        return True

    def _silent_before(
        self, release: Release, arrived: Sequence[Whereabouts]
    ) -> list[Whereabouts]:
        """Return named items whose tags were silent long before, when the scale says they left.

        Not before the order begins, nor when it missed goods as it began: then others may have
        been taken before it.
        """
        begin_us = release.begin_us - EARLY_US
        early = self.now_us < begin_us
        if early or any(since < begin_us <= until + AT_BEGIN_US for since, until in self.short):
            return []
        silent = [
            where
            for where in self.items
            if where.item.id in release.items
            and where.custody in (ItemCustody.MISSING, ItemCustody.UNSEEN)
            and self.home_us.get(where.item.id, 0) < release.begin_us - EARLY_US
        ]
        if not silent or self.scale is None or self.gross_g is None:
            return []
        left_g = sum(where.item.gross_mass_g for where in (*arrived, *silent))
        fallen_g = full_gross_g(self.setup, self.scale) - self.gross_g
        least_g = left_g - min(where.item.gross_mass_g for where in silent) // 2
        return silent if fallen_g >= least_g else []

    def _is_all(self, release: Release, arrived: Sequence[Whereabouts]) -> bool:
        """Return whether nothing more can leave by an order."""
        if release.items:
            return {where.item.id for where in arrived} >= release.items
        left_g = release.mass_g - sum(where.item.net_mass_g for where in arrived)
        rest = {item.id: item.net_mass_g for item in self.setup.items}
        for where in arrived:
            rest.pop(where.item.id)
        return left_g < min(rest.values(), default=release.mass_g)

    def _is_sure(self, arrived: Sequence[Whereabouts]) -> bool:
        """Return whether nothing of it was read at home for long, while others could be."""
        return all(
            self.heard_us - self.home_us.get(where.item.id, 0) >= CONFIRM_US for where in arrived
        )

    def _bears_out(self, arrived: Sequence[Whereabouts]) -> bool:
        """Return whether the scale, if there is one, has lost what the tags say has left.

        Half of it is enough: registered masses are not exact, but a tag that was only hidden
        takes nothing with it.
        """
        if self.scale is None or self.gross_g is None or not arrived:
            return True
        fallen_g = full_gross_g(self.setup, self.scale) - self.gross_g
        return 2 * fallen_g >= sum(where.item.gross_mass_g for where in arrived)

    def _fallen_g(self, release: Release) -> int:
        """Return how much of loose goods has left by an order, by the scale: all, if about all."""
        if self.scale is None or self.gross_g is None:
            return 0
        fallen_g = int(full_gross_g(self.setup, self.scale) - self.gross_g)
        if fallen_g >= release.mass_g - self.scale.tolerance_mass_g:
            return release.mass_g
        if fallen_g <= self.scale.tolerance_mass_g:
            return 0
        return fallen_g // STEP_G * STEP_G


def _home_us(setup: LotSetup, sights: Sequence[Sight]) -> dict[ItemId, int]:
    homes = {binding.key for binding in setup.bound(Purpose.PRESENCE)}
    latest: dict[ItemId, int] = {}
    for sight in sights:
        if sight.reader in homes:
            latest[sight.item_id] = max(latest.get(sight.item_id, 0), sight.made_us)
    return latest


def _short_us(observed: Observed, scale: Binding, now_us: int) -> list[tuple[int, int]]:
    """Return from when to when a scale missed goods, as far as it is remembered."""
    memory = observed.memory.loads.get(scale.key, LoadMemory())
    spans = [
        (run.since.made_us, now_us) for run in (memory.drop, memory.loss) if run.since is not None
    ]
    past = [each for each in memory.past if each.line in (DROP, LOSS)]
    return spans + [(each.since.made_us, each.level.made_us) for each in past]


def _heard_us(setup: LotSetup, sensors: Mapping[SensorKey, SensorState], now_us: int) -> int:
    """Return until when everything that counts a lot's goods was heard; 0: not all ever was."""
    fresh: list[int] = [now_us]
    for binding in (*setup.bound(Purpose.PRESENCE), *setup.bound(Purpose.LOAD)):
        state = sensors.get(binding.key)
        fresh.append(0 if state is None or state.fresh_us is None else state.fresh_us)
    return min(fresh)


def last_gross_g(
    scale: Binding, sensors: Mapping[SensorKey, SensorState], now_us: int
) -> float | None:
    """Return the last weight of a scale, None when it is too old to rely on."""
    state = sensors.get(scale.key)
    mass = None if state is None else state.values.get(Quantity.MASS)
    if mass is None or now_us - mass.made_us > 1_000_000 * scale.max_gap_s + FINISH_US:
        return None
    return mass.value


def full_gross_g(setup: LotSetup, scale: Binding) -> int:
    """Return what a lot should weigh on its scale, tare and platform with it."""
    tare_g = scale.tare_mass_g + sum(item.tare_mass_g for item in setup.items)
    return expected_net_g(setup) + tare_g
