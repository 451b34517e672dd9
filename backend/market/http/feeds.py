"""Routes of feeds: where prices come from, and how that fares."""

from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints, model_validator

from backend.deps import CurrentActor, Db, Now
from backend.ids import FeedId, InstrumentId, PartyId
from backend.market.http.fields import AsFeed, Body, InstrumentKey, Source
from backend.market.service import feeds as service
from backend.market.service.instruments import owner_of
from backend.market.store import feeds as store
from backend.market.types import Feed, FeedFormat, FeedKind

router = APIRouter(prefix="/api", tags=["market"])

EVERY_S_MIN: Final = 10  # A source that is asked more often shuts its door.
_PULLED: Final = ("url", "format", "every_s")


class FeedBody(Body):
    """A feed to make.

    ``http_pull`` needs url, format and every_s, and may name a credential: a file that the
    operator keeps. ``mqtt`` needs the public key that its messages are signed with. The owner is
    who may post under the source by ``file`` or ``http_push``; without one, the instrument's.
    """

    source: Source
    kind: FeedKind
    priority: Annotated[int, Field(ge=1, le=9)] = 1
    owner_party: UUID | None = None
    url: Annotated[str, StringConstraints(min_length=8, max_length=1_000)] | None = None
    format: FeedFormat | None = None
    credential: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] | None = (
        None
    )
    every_s: Annotated[int, Field(ge=EVERY_S_MIN, le=7 * 86_400)] | None = None
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def check_kind(self) -> Self:
        """Ask for what the kind needs, and refuse what it does not have."""
        pulled = [name for name in _PULLED if getattr(self, name) is not None]
        if self.kind is FeedKind.HTTP_PULL:
            if len(pulled) < len(_PULLED):
                message = f"a feed that is pulled needs {', '.join(_PULLED)}"
                raise ValueError(message)
        elif pulled or self.credential is not None:
            message = "url, format, every_s and credential are of feeds that are pulled"
            raise ValueError(message)
        if (self.kind is FeedKind.MQTT) != (self.public_key is not None):
            message = "public_key is of mqtt feeds, and each has one"
            raise ValueError(message)
        return self


class FeedView(BaseModel):
    """A feed, and how it fared."""

    id: UUID
    instrument_id: str
    source: str
    kind: FeedKind
    priority: int
    owner_party: UUID | None
    url: str | None
    format: FeedFormat | None
    credential: str | None
    every_s: int | None
    public_key: str | None
    retired_at: datetime | None
    next_at: datetime | None
    tried_at: datetime | None
    succeeded_at: datetime | None
    failures: int
    last_error: str | None


@router.post("/instruments/{instrument_id}/feeds", status_code=201)
def add_feed(
    instrument_id: InstrumentKey, body: FeedBody, db: Db, actor: AsFeed, now: Now
) -> FeedView:
    """Make a feed; from now on its source comes by it alone."""
    owner = owner_of(actor) if body.owner_party is None else PartyId(body.owner_party)
    feed = Feed(
        id=FeedId(uuid4()),
        instrument_id=InstrumentId(instrument_id),
        source=body.source,
        kind=body.kind,
        priority=body.priority,
        owner_party=owner,
        url=body.url,
        form=body.format,
        credential=body.credential,
        every_s=body.every_s,
        public_key=None if body.public_key is None else bytes.fromhex(body.public_key),
        next_at=now if body.kind is FeedKind.HTTP_PULL else None,
    )
    with db.acting(actor) as conn:
        return _view(service.add_feed(conn, actor, feed, now))


@router.get("/feeds")
def list_feeds(db: Db, actor: CurrentActor) -> list[FeedView]:
    """Return the feeds that concern the caller, with the last error of each."""
    with db.acting(actor) as conn:
        return [_view(feed) for feed in store.list_feeds(conn)]


@router.post("/feeds/{feed_id}/retire")
def retire_feed(feed_id: UUID, db: Db, actor: AsFeed, now: Now) -> FeedView:
    """End a feed; what it said stays."""
    with db.acting(actor) as conn:
        return _view(service.retire_feed(conn, actor, FeedId(feed_id), now))


def _view(feed: Feed) -> FeedView:
    return FeedView(
        id=feed.id,
        instrument_id=feed.instrument_id,
        source=feed.source,
        kind=feed.kind,
        priority=feed.priority,
        owner_party=feed.owner_party,
        url=feed.url,
        format=feed.form,
        credential=feed.credential,
        every_s=feed.every_s,
        public_key=None if feed.public_key is None else feed.public_key.hex(),
        retired_at=feed.retired_at,
        next_at=feed.next_at,
        tried_at=feed.tried_at,
        succeeded_at=feed.succeeded_at,
        failures=feed.failures,
        last_error=feed.last_error,
    )
