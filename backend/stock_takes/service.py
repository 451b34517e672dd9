"""Recording stock-takes; callers open the transaction."""

from datetime import datetime
from hashlib import sha256

from backend.collateral.service import hold
from backend.collateral.store import registry
from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import ItemId, LotId, StockTakeId
from backend.parties.types import Actor
from backend.stock_takes import store
from backend.stock_takes.errors import IdTakenError
from backend.stock_takes.rules.epc import identity_of
from backend.stock_takes.rules.files import parse_csv, parse_epcis, tags_of
from backend.stock_takes.rules.reconcile import check_time, reconcile
from backend.stock_takes.types import Counted, Kept, Source, StockTake, TagRead


def record(conn: Conn, actor: Actor, counted: Counted, now: datetime) -> Kept:
    """Record a stock-take; its lot is decided anew. The same sent again is answered as before.

    Raises:
        NotFoundError: There is no such lot.
        InvalidError: It was taken at no possible time.
        IdTakenError: The id is another stock-take's.
    """
    if not registry.exists(conn, "lot", counted.lot_id):
        raise NotFoundError("lot", counted.lot_id)
    known = store.load(conn, counted.id)
    if known is not None:
        if not _is_same(known, counted):
            raise IdTakenError(counted.id)
        return load_kept(conn, counted.id)
    check_time(counted.at, now)
    hold(conn, counted.lot_id)
    registered = store.load_registered(conn, counted.lot_id)
    lines = () if counted.tags is None else reconcile(counted.tags, registered)
    store.add(conn, counted, lines, actor.account_id, now)
    kept = load_kept(conn, counted.id)
    registry.mark_unevaluated(conn, None, counted.lot_id)
    registry.add_event(conn, counted.lot_id, now, actor.login, ("stock_take", _told(kept)))
    return kept


def read_file(
    conn: Conn, lot_id: LotId, source: Source, content: bytes
) -> tuple[tuple[TagRead, ...], datetime | None, bytes]:
    """Return the tags in a handheld reader's file, its newest time, and its digest.

    Raises:
        InvalidError: It is no such file.
    """
    reads = parse_epcis(content) if source is Source.EPCIS else parse_csv(content)
    known = {
        identity: epc
        for epc in store.load_registered(conn, lot_id)
        if (identity := identity_of(epc)) is not None
    }
    tags = tags_of(reads, known)
    times = [tag.at for tag in tags if tag.at is not None]
    return tags, max(times, default=None), sha256(content).digest()


def tags_by_items(
    conn: Conn, lot_id: LotId, items: tuple[ItemId, ...], at: datetime
) -> tuple[TagRead, ...]:
    """Return the tags of items that somebody says were found.

    Raises:
        InvalidError: One is not of the lot.
    """
    registered = store.load_registered(conn, lot_id)
    epcs = {item_id: epc for epc, (item_id, _) in registered.items()}
    for item in items:
        if item not in epcs:
            raise InvalidError("found", str(item), f"items of lot {lot_id}")
    return tuple(TagRead(epc=epcs[item], at=at) for item in sorted(set(items)))


def load_kept(conn: Conn, stock_take_id: StockTakeId) -> Kept:
    """Return a stock-take with its tags.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
    """
    stock_take = store.load(conn, stock_take_id)
    if stock_take is None:
        raise NotFoundError("stock-take", stock_take_id)
    return Kept(stock_take=stock_take, lines=store.fetch_lines(conn, stock_take_id))


def _is_same(known: StockTake, counted: Counted) -> bool:
    return (
        known.lot_id == counted.lot_id
        and known.at == counted.at
        and known.counted_by == counted.counted_by
        and known.source is counted.source
        and known.mass_g == counted.mass_g
        and known.file_sha256 == counted.file_sha256
    )


def _told(kept: Kept) -> dict[str, object]:
    taken = kept.stock_take
    return {
        "stock_take": str(taken.id),
        "found": taken.found,
        "not_found": taken.not_found,
        "foreign": taken.foreign,
        "mass_g": taken.mass_g,
    }
