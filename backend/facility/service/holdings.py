"""All that decisions on facilities rest on, loaded for any number of them at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from backend.db import Conn
from backend.facility.store import calls, drawdowns, facilities, loans, locks, pledges
from backend.facility.types import CriticalAlert, Holding, Schedule
from backend.ids import FacilityId, InstrumentId, LotId
from backend.market import service as market
from backend.valuation import store as valuations
from backend.valuation.types import LotFacts


def load_holdings(
    conn: Conn, facility_ids: Sequence[FacilityId], now: datetime
) -> Sequence[Holding]:
    """Return all that decisions on facilities rest on, by id."""
    found = facilities.load_facilities(conn, facility_ids)
    policies = valuations.load_policies(conn, facility_ids)
    baskets = valuations.load_baskets(conn, facility_ids)
    lots = [lot for basket in baskets.values() for lot in basket]
    instruments: list[InstrumentId] = sorted({lot.instrument_id for lot in lots})
    quotes = market.load_quotes(conn, instruments, now)
    alerts_of: dict[LotId, list[CriticalAlert]] = {}
    for alert in locks.load_critical_alerts(conn, [lot.lot_id for lot in lots]):
        alerts_of.setdefault(alert.lot_id, []).append(alert)
    pending = drawdowns.load_pending(conn, facility_ids)
    opened = locks.load_open_locks(conn, facility_ids)
    called = calls.load_calls(conn, facility_ids)
    pledged = pledges.load_pledges(conn, facility_ids)
    schedules = loans.load_schedules(conn, facility_ids, now)
    holdings: list[Holding] = []
    for facility, newest in found:
        basket = baskets.get(facility.id, ())
        own = [alert for lot in basket for alert in alerts_of.get(lot.lot_id, ())]
        holdings.append(
            Holding(
                facility=facility,
                newest=newest,
                lots=tuple(_with_alerts(lot, alerts_of.get(lot.lot_id, ())) for lot in basket),
                quotes=quotes,
                alerts=tuple(sorted(own, key=lambda alert: alert.id)),
                pending=tuple(pending.get(facility.id, ())),
                opened=tuple(opened.get(facility.id, ())),
                call=called.get(facility.id),
                pledges=tuple(pledged.get(facility.id, ())),
                schedule=schedules.get(facility.id, Schedule()),
                lending_policy=policies.get(facility.id),
            )
        )
    return holdings


def _with_alerts(lot: LotFacts, found: Sequence[CriticalAlert]) -> LotFacts:
    """Return a lot with its alerts' ids: evidence for what its state says."""
    return replace(lot, alert_ids=tuple(alert.id for alert in found)) if found else lot
