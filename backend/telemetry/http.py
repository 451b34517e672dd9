"""Routes of readings, and of what gateways thinned of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from backend.deps import CurrentActor, Db, Now
from backend.errors import InvalidError, NotFoundError
from backend.ids import ChannelId, GatewayId
from backend.telemetry import store

router = APIRouter(prefix="/api", tags=["telemetry"])

POINTS_MAX: Final = 2_000  # More than a screen is wide.
SPAN_MAX: Final = timedelta(days=366)
SPAN_DEFAULT: Final = timedelta(hours=1)
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)  # Nothing is older; and no date underflows.
CHANNEL_MAX: Final = 2**31 - 1


class PointView(BaseModel):
    """One span of readings.

    Values are of those that are no worse than unstable; ``quality_worst`` is of all: 0 good,
    1 unstable, 2 implausible, 3 bad.
    """

    at: datetime
    count: int
    value_min: float | None
    value_max: float | None
    value_last: float | None
    quality_worst: int


class ReadingsView(BaseModel):
    """A channel's readings in spans of equal length, oldest first."""

    channel_id: int
    begin: datetime
    end: datetime
    points: list[PointView]


class ThinningView(BaseModel):
    """A run of envelopes in whose place a digest came, signed by the gateway.

    Of ``readings`` in them those ``kept`` are stored; the times are those of the oldest and the
    newest kept, by the gateway's clock.
    """

    first_number: int
    last_number: int
    readings: int
    kept: int
    begins_at: datetime
    ends_at: datetime
    digest_sha256: str
    received_at: datetime


class Window(BaseModel):
    """Which readings are asked for, and in how many spans at most."""

    model_config = ConfigDict(extra="forbid")

    begin: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    limit: Annotated[int, Field(ge=1, le=POINTS_MAX)] = 500


@router.get("/gateways/{gateway_id}/thinnings")
def list_thinnings(
    gateway_id: str,
    db: Db,
    actor: CurrentActor,
    limit: Annotated[int, Query(ge=1, le=store.THINNED_ROWS_MAX)] = 100,
) -> list[ThinningView]:
    """Return what a gateway thinned because its outbox was nearly full, the newest first."""
    with db.acting(actor) as conn:
        runs = store.list_thinned(conn, GatewayId(gateway_id), limit)
    return [
        ThinningView(
            first_number=run.first_number,
            last_number=run.last_number,
            readings=run.readings,
            kept=run.kept,
            begins_at=run.begins_at,
            ends_at=run.ends_at,
            digest_sha256=run.sha256.hex(),
            received_at=run.received_at,
        )
        for run in runs
    ]


@router.get("/sensors/{channel_id}/readings")
def list_readings(
    channel_id: int, db: Db, actor: CurrentActor, now: Now, asked: Annotated[Window, Query()]
) -> ReadingsView:
    """Return a channel's readings from ``from`` up to ``to``, thinned to ``limit`` spans."""
    if not 0 < channel_id <= CHANNEL_MAX:
        raise NotFoundError("channel", channel_id)
    end = now if asked.end is None else asked.end
    begin = max(end, FIRST) - SPAN_DEFAULT if asked.begin is None else asked.begin
    if not timedelta(0) < end - begin <= SPAN_MAX:
        bound = f"before {end.isoformat()}, by up to {SPAN_MAX.days} days"
        raise InvalidError("from", begin.isoformat(), bound)
    with db.acting(actor) as conn:
        if not store.channel_exists(conn, ChannelId(channel_id)):
            raise NotFoundError("channel", channel_id)
        points = store.fetch_points(conn, ChannelId(channel_id), begin, end, asked.limit)
    return ReadingsView(
        channel_id=channel_id,
        begin=begin,
        end=end,
        points=[
            PointView(
                at=point.at,
                count=point.count,
                value_min=point.value_min,
                value_max=point.value_max,
                value_last=point.value_last,
                quality_worst=point.quality_worst,
            )
            for point in points
        ],
    )
