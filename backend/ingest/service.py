"""A batch of messages judged against the committed streams, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import structlog
from nacl.signing import VerifyKey

from backend.db import Conn
from backend.errors import InvalidError
from backend.ids import ChannelId, GatewayId
from backend.ingest import store
from backend.ingest.rules.chain import Chain
from backend.ingest.rules.chain import receipt_of as receipt_of
from backend.ingest.rules.columns import batch_of
from backend.ingest.rules.examine import examine, refuse
from backend.ingest.rules.rotation import named_key, names_key, with_next_key
from backend.ingest.store import ChannelName
from backend.ingest.types import (
    Accepted,
    Evidence,
    Examined,
    Fork,
    Message,
    NamedKey,
    Outcome,
    Reason,
    Refused,
    StreamFault,
    StreamHead,
    Verdict,
)
from backend.keys import verify, verify_key
from backend.telemetry.types import ChannelRef, Int32s
from schemas.cose import Sign1
from schemas.keys import key_id_of
from schemas.quantities import Quantity

log = structlog.get_logger()

SENSORS_PER_GATEWAY_MAX: Final = 16_384  # Rows of its sensor tables, ever: names are for good.
# Verdicts that rest on a key, which may have been exchanged since it was remembered.
_OF_KEY: Final = (Reason.UNKNOWN_GATEWAY, Reason.WRONG_KEY, Reason.BAD_SIGNATURE)

SensorTable = tuple[tuple[str, Quantity | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTable:
    """The channels of a sensor table's rows, in their order, and what their ids stand for."""

    ids: Int32s
    refs: Mapping[ChannelId, ChannelRef]


class Book:
    """What a worker remembers between batches: gateways' keys, channel ids.

    Only what is committed is kept: ``settle`` after the commit, ``forget`` after a rollback.
    """

    def __init__(self) -> None:
        self._keys: dict[GatewayId, dict[bytes, VerifyKey]] = {}
        self._channels: dict[ChannelName, ChannelId] = {}
        self._tables: dict[tuple[GatewayId, SensorTable], KnownTable] = {}
        self._pending: dict[ChannelName, ChannelId] = {}
        self._flowing: set[GatewayId] = set()
        self._flowing_pending: set[GatewayId] = set()

    def learn_keys(self, heads: Iterable[StreamHead]) -> None:
        """Remember the keys of streams just read."""
        for head in heads:
            keys = {head.key_id: head.public_key}
            if head.closed is not None:
                keys[head.closed.key_id] = head.closed.public_key
            if self._keys.get(head.gateway, {}).keys() != keys.keys():
                self._keys[head.gateway] = {id: verify_key(key) for id, key in keys.items()}

    def forget_keys(self, gateways: Iterable[GatewayId]) -> None:
        """Forget gateways that are not enrolled any more."""
        for gateway in gateways:
            self._keys.pop(gateway, None)

    def verify(self, gateway: GatewayId, message: Sign1) -> Reason | None:
        """Return why a signature does not hold under the remembered keys, or None."""
        known = self._keys.get(gateway)
        if known is None:
            return Reason.UNKNOWN_GATEWAY
        key = known.get(message.key_id)
        if key is None:
            return Reason.WRONG_KEY
        good = verify(key, message.signature, message.signed_bytes)
        return None if good else Reason.BAD_SIGNATURE

    def channel(self, name: ChannelName) -> ChannelId | None:
        """Return a channel's id, when known."""
        return self._channels.get(name) or self._pending.get(name)

    def learn_channels(self, channels: Mapping[ChannelName, ChannelId]) -> None:
        """Remember channels read in a transaction that is not committed yet."""
        self._pending.update(channels)

    def channels_of(self, gateway: GatewayId) -> int:
        """Return how many channels of a gateway are known."""
        return sum(name[0] == gateway for name in {**self._channels, **self._pending})

    def knows(self, gateway: GatewayId, sensors: SensorTable) -> bool:
        """Return whether every row of a sensor table is known, by having been seen before."""
        return (gateway, sensors) in self._tables

    def table(self, gateway: GatewayId, sensors: SensorTable) -> KnownTable:
        """Return the channels of an envelope's sensor rows, all of which are known."""
        found = self._tables.get((gateway, sensors))
        if found is not None:
            return found
        refs: dict[ChannelId, ChannelRef] = {}
        for sensor, quantity in sensors:
            number = self.channel((gateway, sensor, quantity))
            assert number is not None, "channels are learnt before they are used"
            refs[number] = ChannelRef(gateway=gateway, sensor=sensor, quantity=quantity)
        table = KnownTable(ids=np.array(list(refs), dtype=np.int32), refs=refs)
        if not self._pending:
            self._tables[gateway, sensors] = table
        return table

    def settle(self) -> None:
        """Keep what was learnt: the transaction has committed."""
        self._channels.update(self._pending)
        self._pending.clear()
        self._flowing |= self._flowing_pending
        self._flowing_pending.clear()
        if len(self._tables) > SENSORS_PER_GATEWAY_MAX:
            self._tables.clear()  # A gateway may change its table in every envelope.

    def forget(self) -> None:
        """Drop what was learnt: the transaction was rolled back."""
        self._pending.clear()
        self._flowing_pending.clear()

    def release(self) -> None:
        """Drop what another worker may make untrue: the leases are lost."""
        self._flowing.clear()

    def flow(self, accepted: set[GatewayId], halted: set[GatewayId]) -> set[GatewayId]:
        """Note which streams went on and which did not; return those that go on again.

        Those are streams of which nothing was accepted since they were last halted, or since the
        lease began: whether they were halted before that is not known here.
        """
        self._flowing -= halted
        again = accepted - halted - self._flowing
        self._flowing_pending |= again
        return again


def examine_all(messages: Sequence[Message], book: Book) -> list[Examined | Refused]:
    """Return each message decoded and verified by the remembered keys; touches no database."""
    return [examine(message, book.verify) for message in messages]


def accept(
    conn: Conn, examined: Sequence[Examined | Refused], now: datetime, book: Book
) -> Outcome:
    """Return the verdict on each message and what the accepted ones hold.

    Locks the streams, moves them on and keeps the evidence of what was refused; the readings
    are the caller's to append, in the same transaction.

    Args:
        conn: in the worker's transaction.
        examined: in the order of arrival.
        now: the backend's time.
        book: what is remembered between batches.
    """
    gateways = {gateway for gateway in map(_claimed, examined) if gateway is not None}
    before = store.lock_heads(conn, gateways) if gateways else {}
    book.learn_keys(before.values())
    book.forget_keys(gateways - before.keys())
    examined = _prove(conn, [_again(each, before, book) for each in examined], before)
    chain = Chain(heads=dict(before), held=store.fetch_held(conn, _numbers_held(examined, before)))
    verdicts: list[Verdict] = []
    crowded = _learn_channels(conn, examined, book)
    for each in examined:
        if isinstance(each, Examined) and each.gateway in crowded:
            detail = f"more than {SENSORS_PER_GATEWAY_MAX} sensor rows over all time"
            each = refuse(each.message, Reason.TOO_MANY_SENSORS, detail, each.sha256)
        verdicts.append(each if isinstance(each, Refused) else chain.judge(each))
    changed = [head for gateway, head in chain.heads.items() if head != before[gateway]]
    for head in changed:
        if head.closed is not None and head.key_id != before[head.gateway].key_id:
            store.save_turned(conn, head, head.closed, now)
            log.info("key_rotated", gateway=head.gateway, key_id=head.key_id.hex())
    if changed:
        store.save_heads(conn, changed)
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    tables, refs = _tables(accepted, book)
    return Outcome(
        verdicts=tuple(verdicts),
        batch=batch_of(accepted, tables, refs),
        heads=chain.heads,
        faults=tuple(_faults(before, chain.heads, verdicts, now, book)),
        evidence_dropped=store.add_evidence(conn, _evidence(verdicts), now),
    )


def _claimed(each: Examined | Refused) -> GatewayId | None:
    if isinstance(each, Examined):
        return each.gateway
    gateway = each.evidence.gateway
    return None if gateway is None else GatewayId(gateway)


def _again(
    each: Examined | Refused, heads: Mapping[GatewayId, StreamHead], book: Book
) -> Examined | Refused:
    """Examine again what was examined under a key that is not the enrolled one any more."""
    if isinstance(each, Examined):
        head = heads.get(each.gateway)
        stale = head is None or each.key_id not in _keys_of(head)
    else:
        stale = each.evidence.reason in _OF_KEY
    if not stale:
        return each
    message = each.message if isinstance(each, Examined) else each.evidence.message
    return examine(message, book.verify)


def _numbers_held(
    examined: Sequence[Examined | Refused], heads: Mapping[GatewayId, StreamHead]
) -> set[tuple[GatewayId, bytes, int]]:
    return {
        (each.gateway, each.key_id, each.envelope.number)
        for each in examined
        if isinstance(each, Examined)
        and (
            each.envelope.number <= heads[each.gateway].number
            or each.key_id != heads[each.gateway].key_id
        )
    }


def _keys_of(head: StreamHead) -> set[bytes]:
    """Return the ids of the keys under which envelopes are looked at."""
    return {head.key_id} if head.closed is None else {head.key_id, head.closed.key_id}


def _prove(
    conn: Conn, examined: Sequence[Examined | Refused], heads: Mapping[GatewayId, StreamHead]
) -> Sequence[Examined | Refused]:
    """Return the same, with the next keys that envelopes name; what names one badly is refused."""
    named = {
        id(each): named_key(each)
        for each in examined
        if isinstance(each, Examined)
        and each.key_id == heads[each.gateway].key_id  # Of a closed one only what is held counts.
        and names_key(each)
    }
    if not named:
        return examined
    wanted = {key_id_of(key.public_key): key for key in named.values() if key is not None}
    known = store.fetch_known_keys(conn, wanted.keys())
    good = [key for id, key in wanted.items() if id not in known and _is_proven(key)]
    return [
        with_next_key(each, named[id(each)], good)
        if isinstance(each, Examined) and id(each) in named
        else each
        for each in examined
    ]


def _is_proven(named: NamedKey) -> bool:
    try:
        return verify(verify_key(named.public_key), named.proof, named.text)
    except InvalidError:
        return False


def _learn_channels(
    conn: Conn, examined: Sequence[Examined | Refused], book: Book
) -> set[GatewayId]:
    """Know the id of every channel in the batch; return the gateways that have too many."""
    # By identity first: a stream's table is the same object again and again, and long to compare.
    tables = {
        (each.gateway, id(each.envelope.sensors)): each.envelope.sensors
        for each in examined
        if isinstance(each, Examined)
    }
    missing: set[ChannelName] = {
        (gateway, sensor, quantity)
        for (gateway, _), sensors in tables.items()
        if not book.knows(gateway, sensors)
        for sensor, quantity in sensors
        if book.channel((gateway, sensor, quantity)) is None
    }
    if not missing:
        return set()
    gateways = {name[0] for name in missing}
    book.learn_channels(store.fetch_channels(conn, gateways))
    missing = {name for name in missing if book.channel(name) is None}
    crowded = {
        gateway
        for gateway in gateways
        if book.channels_of(gateway) + sum(name[0] == gateway for name in missing)
        > SENSORS_PER_GATEWAY_MAX
    }
    new = {name for name in missing if name[0] not in crowded}
    if new:
        store.add_channels(conn, sorted(new, key=str))
        book.learn_channels(store.fetch_channels(conn, {name[0] for name in new}))
    return {name[0] for name in missing - new}


def _tables(
    accepted: Sequence[Accepted], book: Book
) -> tuple[list[Int32s], dict[ChannelId, ChannelRef]]:
    """Return the channel ids of each envelope's sensor rows, and what all of them stand for."""
    known: dict[tuple[GatewayId, int], KnownTable] = {}
    tables: list[Int32s] = []
    for verdict in accepted:
        gateway, sensors = verdict.examined.gateway, verdict.examined.envelope.sensors
        table = known.get((gateway, id(sensors)))
        if table is None:
            table = known[gateway, id(sensors)] = book.table(gateway, sensors)
        tables.append(table.ids)
    refs: dict[ChannelId, ChannelRef] = {}
    for table in known.values():
        refs |= table.refs
    return tables, refs


def _faults(
    before: Mapping[GatewayId, StreamHead],
    after: Mapping[GatewayId, StreamHead],
    verdicts: Sequence[Verdict],
    now: datetime,
    book: Book,
) -> list[StreamFault]:
    """Return how the streams stand whose standing has changed, or may have."""
    forks = {v.examined.gateway: v.detail for v in verdicts if isinstance(v, Fork)}
    held_up = _held_up(verdicts)
    accepted = {v.examined.gateway for v in verdicts if isinstance(v, Accepted)}
    again = book.flow(accepted, {*forks, *held_up})
    at_unix_us = int(now.timestamp() * 1_000_000)
    return [
        StreamFault(
            gateway=gateway,
            fork=forks.get(gateway),
            clock_flag=head.clock_flag,
            not_stored=held_up.get(gateway),
            at_unix_us=at_unix_us,
            number=head.number,
        )
        for gateway, head in after.items()
        if gateway in forks
        or gateway in held_up
        or gateway in again
        or head.clock_flag is not before[gateway].clock_flag
    ]


def _held_up(verdicts: Sequence[Verdict]) -> dict[GatewayId, str]:
    """Return whose streams wait at a good envelope that can not be stored, and why.

    A message has a number only when its signature was good: no stranger can say so.
    """
    return {
        GatewayId(each.evidence.gateway): each.evidence.detail
        for each in verdicts
        if isinstance(each, Refused)
        and each.evidence.reason is Reason.NOT_STORED
        and each.evidence.number is not None
        and each.evidence.gateway is not None
    }


def _evidence(verdicts: Sequence[Verdict]) -> list[Evidence]:
    evidence: list[Evidence] = []
    for verdict in verdicts:
        match verdict:
            case Refused():
                evidence.append(verdict.evidence)
            case Fork(examined, detail):
                refused = refuse(
                    examined.message,
                    Reason.FORK,
                    detail,
                    examined.sha256,
                    examined.envelope.number,
                )
                evidence.append(refused.evidence)
            case _:
                pass
    return evidence
