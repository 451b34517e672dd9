"""The newest stock-takes of lots, as the rules need them, in the database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from backend.collateral.types.counts import CountedMass, Counts
from backend.ids import ItemId
from backend.telemetry.types import unix_us_of

# A mass that was weighed before goods left by an order says nothing of what is there now.
COUNTED: Final = """
    SELECT s.lot_id, s.at, s.mass_g, t.item_id, t.result = 'found' AS found
    FROM unnest(%s::uuid[]) AS n(lot)
    CROSS JOIN LATERAL (
      (SELECT * FROM stock_take k WHERE k.lot_id = n.lot AND k.mass_g IS NULL
         AND k.recorded_at > now() - interval '8 days' ORDER BY k.at DESC, k.id LIMIT 1)
      UNION ALL
      (SELECT * FROM stock_take k WHERE k.lot_id = n.lot AND k.mass_g IS NOT NULL
         AND k.recorded_at > now() - interval '8 days' AND NOT EXISTS (
           SELECT 1 FROM release_order o
           WHERE o.lot_id = n.lot AND o.released_mass_g > 0 AND o.settled_at > k.at)
       ORDER BY k.at DESC, k.id LIMIT 1)) s
    LEFT JOIN stock_take_item t ON t.stock_take_id = s.id AND t.item_id IS NOT NULL
"""


def counts_of(rows: Iterable[Mapping[str, Any]]) -> dict[object, Counts]:
    """Return the counts of lots from the rows of ``COUNTED``."""
    found: dict[object, dict[ItemId, bool]] = defaultdict(dict)
    times: dict[object, int] = {}
    masses: dict[object, CountedMass] = {}
    for row in rows:
        lot, at_us = row["lot_id"], unix_us_of(row["at"])
        if row["mass_g"] is not None:
            masses[lot] = CountedMass(mass_g=row["mass_g"], at_us=at_us)
        elif row["item_id"] is not None:
            found[lot][ItemId(row["item_id"])] = row["found"]
            times[lot] = at_us
    return {
        lot: Counts(at_us=times.get(lot, 0), found=found.get(lot, {}), mass=masses.get(lot))
        for lot in times.keys() | masses.keys()
    }
