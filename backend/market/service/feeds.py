"""Feeds: made by an instrument's owner, for whoever posts its prices; and what they say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from prometheus_client import Counter

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError, RefusedError
from backend.ids import FeedId, InstrumentId
from backend.keys import verify, verify_key
from backend.market.errors import FeedTakenError, NotOwnerError, OtherDoorError
from backend.market.rules.calendars import day_of
from backend.market.rules.feeds import (
    bytes_to_sign,
    check_url,
    decode_json,
    parse_topic,
    pause_s,
    read_price,
    read_prices,
    split_message,
)
from backend.market.service.instruments import load_instrument, load_own_instrument, owner_of
from backend.market.service.prices import record_prices
from backend.market.store import feeds as store
from backend.market.store.prices import load_same
from backend.market.types import Feed, FeedKind, Instrument, Recorded
from backend.parties.types import Actor
from schemas.errors import MalformedError
from schemas.keys import check_public_key

MESSAGES: Final = Counter("pledgewatch_price_messages", "Off the broker.", ("outcome",))
CLAIM: Final = timedelta(minutes=5)  # Above the longest pull: nobody else asks meanwhile.


def add_feed(conn: Conn, actor: Actor, feed: Feed, now: datetime) -> Feed:
    """Make a feed of an instrument whose prices the actor's party sets.

    Raises:
        NotFoundError: There is no such instrument.
        NotOwnerError: It is another party's.
        InvalidError: The key is none that may be trusted.
        FeedTakenError: The instrument has a feed of that source.
    """
    load_own_instrument(conn, actor, feed.instrument_id)
    if feed.public_key is not None:
        try:
            check_public_key(feed.public_key)
        except MalformedError as error:
            raise InvalidError("public_key", feed.public_key.hex(), str(error)) from error
    if not store.add_feed(conn, feed, actor.account_id, now):
        raise FeedTakenError(feed.instrument_id, feed.source)
    return feed


def retire_feed(conn: Conn, actor: Actor, feed_id: FeedId, now: datetime) -> Feed:
    """End a feed; what it said stays.

    Raises:
        NotFoundError: There is none of an instrument whose prices the actor's party sets.
    """
    feed = store.load_feed(conn, feed_id)
    if feed is None:
        raise NotFoundError("feed", feed_id)
    instrument = load_instrument(conn, feed.instrument_id)
    if instrument.owner_party not in (actor.party_id, owner_of(actor)):
        raise NotFoundError("feed", feed_id)
    store.save_retired(conn, feed_id, now)
    ended = store.load_feed(conn, feed_id)
    assert ended is not None
    return ended


def load_postable(
    conn: Conn, actor: Actor, instrument_id: InstrumentId, source: str, door: FeedKind
) -> Instrument:
    """Return an instrument under a source of which the actor may post by a door.

    A source with a feed is its owner's, and comes by the feed's own way; one without is of the
    instrument's owner.

    Raises:
        NotFoundError: There is no such instrument.
        NotOwnerError: The instrument, or the source's feed, is another party's.
        OtherDoorError: The source comes by another way.
    """
    feed = store.find_feed(conn, instrument_id, source)
    if feed is None:
        return load_own_instrument(conn, actor, instrument_id)
    if feed.owner_party not in (actor.party_id, owner_of(actor)):
        raise NotOwnerError("source", source)
    if feed.kind is not door:
        raise OtherDoorError(source, feed.kind, door)
    return load_instrument(conn, instrument_id)


def claim_due(conn: Conn, now: datetime, hosts: frozenset[str]) -> Feed | None:
    """Return a feed to pull, or None; one that may not be pulled is put off, and says why."""
    while (feed := store.claim_due(conn, now, CLAIM)) is not None:
        assert feed.url is not None
        try:
            check_url(feed.url, hosts)
        except InvalidError as error:
            note_failure(conn, feed, error.message, now, jitter=0.5)
            continue
        return feed
    return None


def take_pulled(conn: Conn, feed: Feed, content: bytes, now: datetime) -> Recorded:
    """Store what a feed answered with. What it said otherwise before stands, and is noted.

    Raises:
        RefusedError: It is not understood, or contradicts itself.
    """
    assert feed.form is not None
    instrument = load_instrument(conn, feed.instrument_id)
    prices = read_prices(content, feed.form, instrument, feed.source, day_of(now))
    known: Mapping[datetime, Decimal] = {}
    if prices:
        known = load_same(conn, instrument.id, prices)
    new = [price for price in prices if known.get(price.at, price.value) == price.value]
    recorded = record_prices(conn, instrument, new, now, f"feed:{feed.source}")
    revised = len(prices) - len(new)
    note = (
        f"{revised} prices differ from what it said before: the first stand" if revised else None
    )
    assert feed.every_s is not None
    next_at = now + timedelta(seconds=feed.every_s)
    store.save_succeeded(conn, feed.id, now, next_at, note)
    return recorded


def note_failure(conn: Conn, feed: Feed, error: str, now: datetime, jitter: float) -> None:
    """Note why a feed gave nothing, and when it is asked again."""
    next_at = None
    if feed.every_s is not None:
        wait_s = pause_s(feed.every_s, feed.failures + 1, jitter)
        next_at = now + timedelta(seconds=wait_s)
    store.save_failed(conn, feed.id, now, next_at, error)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMessage:
    """A message off the broker, which is trusted with nothing."""

    topic: str
    data: bytes


def take_messages(
    conn: Conn, messages: Sequence[PriceMessage], mine: Callable[[str], bool], now: datetime
) -> None:
    """Store the prices that feeds published; what does not prove itself is counted and left.

    Args:
        conn: The worker's.
        messages: In the order of arrival.
        mine: Whether this worker deals with an instrument; another one does with the rest.
        now: When they came in.
    """
    for message in messages:
        key = parse_topic(message.topic)
        if key is None or not mine(key[0]):
            continue
        feed = store.find_feed(conn, InstrumentId(key[0]), key[1])
        if feed is None or feed.kind is not FeedKind.MQTT:
            MESSAGES.labels("unknown").inc()
            continue
        try:
            with conn.transaction():
                _take_message(conn, feed, message, now)
        except RefusedError as error:
            MESSAGES.labels("refused").inc()
            store.save_failed(conn, feed.id, now, None, error.message)
        else:
            MESSAGES.labels("taken").inc()
            store.save_succeeded(conn, feed.id, now, None, None)


def _take_message(conn: Conn, feed: Feed, message: PriceMessage, now: datetime) -> None:
    signature, body = split_message(message.data)
    assert feed.public_key is not None
    key = verify_key(feed.public_key)
    if not verify(key, signature, bytes_to_sign(message.topic, body)):
        raise InvalidError(
            "signature", signature.hex()[:16], "the feed's key's over topic and body"
        )
    instrument = load_instrument(conn, feed.instrument_id)
    price = read_price(decode_json(body), instrument, feed.source, "price")
    record_prices(conn, instrument, [price], now, f"feed:{feed.source}")
