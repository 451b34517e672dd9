"""Random steps of everybody on one facility, for processes that race and for a walk alone."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from backend.db import Database
from backend.errors import RefusedError, UnavailableError
from backend.facility.rules.supposing import Supposition
from backend.facility.service import accrue_days, facilities, pledges, relock
from backend.facility.service import drawdowns as service
from backend.facility.service.drawdowns import NewDrawdown, NewRepayment
from backend.facility.types import DrawdownState
from backend.ids import DrawdownId, FacilityId, LotId, PledgeId, RepaymentId
from backend.money import Minor
from backend.parties.types import Actor, Role
from tests.builders import NOW
from tests.plant import Plant, insert, set_lot_state

AMOUNT_MAX = 400_000


@dataclass(slots=True)
class Walker:
    """Somebody who takes random steps; ``clock`` moves a little with each."""

    db: Database
    plant: Plant
    dice: random.Random
    now: datetime = NOW
    taken: dict[str, int] = field(default_factory=dict[str, int])

    def step(self, *, goods: bool = True) -> str:
        """Take one step, tried again when it lost against another; return its name."""
        self.now += timedelta(milliseconds=self.dice.randrange(1, 500))
        steps: list[tuple[str, Callable[[], object]]] = [
            ("draw", self.draw),
            ("draw", self.draw),
            ("draw", self.draw),
            ("repay", self.repay),
            ("tick", self.tick),
            ("relock", self.relock),
            ("accrue", self.accrue),
            ("release", self.release),
            ("preview", self.preview),
        ]
        if goods:
            steps += [("alert", self.theft), ("return", self.put_back), ("return", self.put_back)]
        name, act = self.dice.choice(steps)
        self.db.retrying(act)
        self.taken[name] = self.taken.get(name, 0) + 1
        return name

    def draw(self) -> None:
        """Request, authorise and pay out, each in its own transaction, as far as it is let."""
        lender, borrower = self.actor(Role.LENDER), self.actor(Role.BORROWER)
        key = DrawdownId(uuid4())
        amount = Minor(self.dice.randrange(1, AMOUNT_MAX))
        new = NewDrawdown(id=key, facility_id=self.facility_id, amount_minor=amount)
        with self.db.acting(borrower) as conn:
            asked = service.request_drawdown(conn, borrower, new, self.now)
        if asked.state is not DrawdownState.REQUESTED:
            return
        with self.db.acting(lender) as conn:
            promised = service.authorise_drawdown(conn, lender, key, self.now)
        if promised.state is DrawdownState.PENDING and self.dice.random() < 0.9:
            with self.db.acting(lender) as conn:
                service.disburse_drawdown(conn, lender, key, self.now)

    def repay(self) -> None:
        """Pay some of it back, sometimes more than is owed."""
        borrower = self.actor(Role.BORROWER)
        amount = Minor(self.dice.randrange(1, 2 * AMOUNT_MAX))
        new = NewRepayment(
            id=RepaymentId(uuid4()), facility_id=self.facility_id, amount_minor=amount
        )
        with self.db.acting(borrower) as conn:
            service.repay(conn, borrower, new, self.now)

    def tick(self) -> None:
        """A price of copper arrives."""
        with self.db.working() as conn:
            insert(
                conn,
                "price",
                instrument_id=self.plant.instruments["copper"],
                source=f"feed-{uuid4()}"[:40],
                at=self.now,
                value=self.dice.choice((8_000, 7_900, 7_000, 6_000)),
                quality="accepted",
                received_at=self.now,
            )
        self.relock()

    def relock(self) -> None:
        """Relock as the timekeeper does."""
        with self.db.working() as conn:
            relock(conn, [self.facility_id], self.now, opened_by="timekeeper")

    def accrue(self) -> None:
        """Book days as the timekeeper does, whatever day it is by now."""
        with self.db.working() as conn:
            accrue_days(conn, [self.facility_id], self.now + timedelta(days=1), "timekeeper")

    def release(self) -> None:
        """Ask for the release of everything: refused while anything is owed."""
        lender = self.actor(Role.LENDER)
        with self.db.acting(lender) as conn:
            facilities.check_facility(conn, self.facility_id)
            owed = facilities.suppose(conn, self.facility_id, Supposition(), self.now)
            if owed.before.position.exposure_minor:
                pledges.release(conn, lender, PledgeId(self.plant.pledge_id), self.now)

    def preview(self) -> None:
        """Ask what would be."""
        borrower = self.actor(Role.BORROWER)
        wish = Supposition(price_changes=((None, -1_000),), draw_minor=Minor(100))
        with self.db.acting(borrower) as conn:
            facilities.suppose(conn, self.facility_id, wish, self.now)

    def theft(self) -> None:
        """Evidence and its lock, in one transaction, as ingest writes them."""
        self._goods(custody="missing", quantity="short", short_mass_g=1_000_000)

    def put_back(self) -> None:
        """The goods are there again."""
        self._goods(short_mass_g=0)

    def _goods(self, **state: object) -> None:
        with self.db.working() as conn:
            set_lot_state(conn, LotId(self.plant.lots["copper"]), **state)
            relock(conn, [self.facility_id], self.now, opened_by="ingest")

    def actor(self, role: Role) -> Actor:
        """Return who acts in a role."""
        return self.plant.actors[role]

    @property
    def facility_id(self) -> FacilityId:
        """The facility that all is about."""
        return self.plant.facility_id


def race(url: str, parts: dict[str, Any], seed: int, steps: int) -> dict[str, int]:
    """Walk with two threads in a process of its own; return how often each step was taken.

    A refusal is an answer; a step that lost five times, and anything else, is counted as such.
    """
    plant = Plant(**parts)
    walkers = 2
    with Database(url, connections_max=walkers) as db:

        def walk(number: int) -> dict[str, int]:
            walker = Walker(db, plant, random.Random(seed + number))
            for _ in range(steps):
                try:
                    walker.step(goods=number == 0)
                except UnavailableError:
                    walker.taken["gave_up"] = walker.taken.get("gave_up", 0) + 1
                except RefusedError:
                    walker.taken["refused"] = walker.taken.get("refused", 0) + 1
            return walker.taken

        sums: dict[str, int] = {}
        with ThreadPoolExecutor(walkers) as pool:
            for taken in pool.map(walk, range(walkers)):
                for name, count in taken.items():
                    sums[name] = sums.get(name, 0) + count
    return sums


def parts_of(plant: Plant) -> dict[str, Any]:
    """Return what of a plant another process needs; keys can not cross."""
    return {
        name: None if name == "gateway_key" else getattr(plant, name) for name in Plant.__slots__
    }


def sums_of(db: Database, facility_id: UUID) -> tuple[int, int]:
    """Return the principal by the facility's row, and by its entries."""
    query = (
        "SELECT principal_minor, (SELECT coalesce(sum(amount_minor), 0) FROM drawdown"
        " WHERE facility_id = f.id AND state = 'disbursed')"
        " - (SELECT coalesce(sum(principal_minor), 0) FROM repayment WHERE facility_id = f.id)"
        " FROM facility f WHERE id = %s"
    )
    with db.working() as conn:
        row = conn.execute(query, [facility_id]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
