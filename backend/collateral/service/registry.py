"""Registering goods and what watches them, and pledging them; callers open the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from backend.collateral.errors import BindingTakenError, PledgeRefusedError
from backend.collateral.store import registry as store
from backend.collateral.types import Binding, ItemSetup, Lot, Pledge, Purpose
from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import BindingId, FacilityId, LotId, PartyId, PledgeId
from backend.parties.types import Actor

ITEMS_MAX: Final = 1_000  # In one request.
LOTS_PER_PLEDGE_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPledge:
    """What a borrower proposes."""

    lender_party: PartyId
    lot_ids: tuple[LotId, ...]


def add_lot(conn: Conn, actor: Actor, lot: Lot, now: datetime) -> None:
    """Register a lot.

    Raises:
        InvalidError: Its zone is not of its site.
        NotFoundError: There is no such owner, commodity, instrument or zone.
        NameTakenError: The site has one of that name.
    """
    for table, key in (
        ("commodity", lot.commodity_id),
        ("instrument", lot.instrument_id),
        ("party", lot.owner_party),
        ("zone", lot.zone_id),
    ):
        if not store.exists(conn, table, key):
            raise NotFoundError(table, key)
    if store.load_zone_site(conn, lot.zone_id) != lot.site_id:
        raise InvalidError("zone_id", str(lot.zone_id), f"a zone of site {lot.site_id}")
    store.add_lot(conn, lot)
    store.add_event(conn, lot.id, now, actor.login, ("registered", {"name": lot.name}))


def add_items(
    conn: Conn, actor: Actor, lot_id: LotId, items: Sequence[ItemSetup], now: datetime
) -> None:
    """Register items of a lot; it is decided anew.

    Raises:
        InvalidError: None, or too many.
        NotFoundError: There is no such lot.
        NameTakenError: A name in the lot, or an EPC anywhere, is there already.
    """
    if not 1 <= len(items) <= ITEMS_MAX:
        raise InvalidError("items", len(items), f"1 to {ITEMS_MAX}")
    _check_lot(conn, lot_id)
    store.add_items(conn, lot_id, items)
    store.mark_unevaluated(conn, None, lot_id)
    names = [item.name for item in items]
    store.add_event(conn, lot_id, now, actor.login, ("items_registered", {"items": names}))


def add_binding(conn: Conn, binding: Binding) -> BindingId:
    """Register what a sensor watches; the lots concerned are decided anew.

    Raises:
        InvalidError: A scale without a lot.
        NotFoundError: There is no such gateway, zone or lot.
        BindingTakenError: It is bound like that already, or the lot has a scale.
    """
    for table, key in (("gateway", binding.gateway), ("zone", binding.zone_id)):
        if not store.exists(conn, table, key):
            raise NotFoundError(table, key)
    if binding.lot_id is not None:
        _check_lot(conn, binding.lot_id)
    if binding.purpose is Purpose.LOAD:
        if binding.lot_id is None:
            raise InvalidError("lot_id", None, "the lot on the scale")
        if store.has_scale(conn, binding.lot_id):
            raise BindingTakenError(binding.sensor)
    number = store.add_binding(conn, binding)
    whole_zone = binding.zone_id if binding.lot_id is None else None
    store.mark_unevaluated(conn, whole_zone, binding.lot_id)
    return number


def propose_pledge(conn: Conn, actor: Actor, new: NewPledge, now: datetime) -> Pledge:
    """Propose to pledge one's lots to a lender.

    Raises:
        InvalidError: No lot, or too many.
        NotFoundError: There is no such lender or lot.
    """
    if not 1 <= len(set(new.lot_ids)) <= LOTS_PER_PLEDGE_MAX:
        raise InvalidError("lot_ids", len(new.lot_ids), f"1 to {LOTS_PER_PLEDGE_MAX} lots")
    if not store.exists(conn, "party", new.lender_party):
        raise NotFoundError("party", new.lender_party)
    for lot_id in new.lot_ids:
        _check_lot(conn, lot_id)
    pledge = Pledge(
        id=PledgeId(uuid4()),
        kind="movable",
        lender_party=new.lender_party,
        pledgor_party=actor.party_id,
        facility_id=None,
        state="proposed",
        created_at=now,
        activated_at=None,
        ended_at=None,
        lot_ids=tuple(sorted(set(new.lot_ids))),
    )
    store.add_pledge(conn, pledge)
    _note(conn, actor, pledge, "pledge_proposed", now)
    return pledge


def accept_pledge(
    conn: Conn, actor: Actor, pledge_id: PledgeId, facility_id: FacilityId, now: datetime
) -> Pledge:
    """Accept a proposed pledge under a facility.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: It is not proposed any more, or the facility is not between the two.
        PledgedError: One of its lots is pledged already.
    """
    pledge = _locked(conn, pledge_id, "proposed")
    if not store.facility_suits(conn, facility_id, pledge):
        raise PledgeRefusedError(
            "facility_unsuited",
            f"facility {facility_id} is not an open one between the pledge's parties",
        )
    store.save_active(conn, pledge_id, facility_id, now)
    _note(conn, actor, pledge, "pledge_accepted", now)
    return load_pledge(conn, pledge_id)


def activate_pledge(
    conn: Conn, actor: Actor, pledge_id: PledgeId, facility_id: FacilityId, now: datetime
) -> Pledge:
    """Let a proposed pledge begin under the facility that both its parties agreed on by contract.

    The caller has that contract; the actor may be the keeper of the goods, who sees no facility.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: It is not proposed any more.
        PledgedError: One of its lots is pledged already.
    """
    pledge = _locked(conn, pledge_id, "proposed")
    store.save_active(conn, pledge_id, facility_id, now)
    _note(conn, actor, pledge, "pledge_accepted", now)
    return load_pledge(conn, pledge_id)


def reject_pledge(conn: Conn, actor: Actor, pledge_id: PledgeId, now: datetime) -> Pledge:
    """Reject a proposed pledge.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: It is not proposed any more.
    """
    return _end(conn, actor, pledge_id, ("proposed", "rejected"), now)


def release_pledge(conn: Conn, actor: Actor, pledge_id: PledgeId, now: datetime) -> Pledge:
    """Release an active pledge; whether its facility can spare it is asked before.

    Raises:
        NotFoundError: There is no such pledge.
        PledgeRefusedError: It is not active.
    """
    return _end(conn, actor, pledge_id, ("active", "released"), now)


def load_pledge(conn: Conn, pledge_id: PledgeId) -> Pledge:
    """Return a pledge.

    Raises:
        NotFoundError: There is none, or it is none of the actor's business.
    """
    found = store.fetch_pledges(conn, pledge_id)
    if not found:
        raise NotFoundError("pledge", pledge_id)
    return found[0]


def _end(
    conn: Conn, actor: Actor, pledge_id: PledgeId, states: tuple[str, str], now: datetime
) -> Pledge:
    pledge = _locked(conn, pledge_id, states[0])
    _note(conn, actor, pledge, f"pledge_{states[1]}", now)
    store.save_ended(conn, pledge_id, states[1], now)
    return load_pledge(conn, pledge_id)


def _locked(conn: Conn, pledge_id: PledgeId, wanted: str) -> Pledge:
    store.lock_pledge(conn, pledge_id)
    pledge = load_pledge(conn, pledge_id)
    if pledge.state != wanted:
        raise PledgeRefusedError(
            "wrong_state", f"pledge {pledge_id} is {pledge.state}, must be {wanted}"
        )
    return pledge


def _note(conn: Conn, actor: Actor, pledge: Pledge, what: str, now: datetime) -> None:
    for lot_id in pledge.lot_ids:
        detail = {"pledge": str(pledge.id)}
        store.add_event(conn, lot_id, now, actor.login, (what, detail))


def _check_lot(conn: Conn, lot_id: UUID) -> None:
    if not store.exists(conn, "lot", lot_id):
        raise NotFoundError("lot", lot_id)
