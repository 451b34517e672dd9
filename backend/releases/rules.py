"""What a release order may say, and who may end one. Pure."""

from datetime import datetime, timedelta
from typing import Final

from backend.collateral.types.releases import ReleaseState
from backend.ids import ItemId
from backend.releases.errors import OrderRefusedError
from backend.releases.types import Grounds, OrderRecord
from backend.telemetry.types import datetime_of
from schemas.release import ReleaseOrder

WINDOW_MAX: Final = timedelta(days=31)  # Longer is no permission to move, it is another contract.
# What was agreed by telephone is signed within the day; earlier goods have gone without leave.
BACK_MAX: Final = timedelta(hours=24)
AHEAD_MAX: Final = timedelta(days=366)
ISSUED_WITHIN: Final = timedelta(hours=24)  # A signature that lay about may be news to its lender.
SKEW_MAX: Final = timedelta(minutes=5)  # Of the signer's clock.
OPEN_MAX: Final = 50  # Of one lot: each is looked at with every batch of its readings.
_OPEN: Final = (ReleaseState.ISSUED, ReleaseState.EXECUTING)


def check_order(order: ReleaseOrder, grounds: Grounds, now: datetime) -> None:
    """Check that an order makes sense for the lot that it names.

    Raises:
        OrderRefusedError: Its window, goods, destination or executor can not be.
    """
    _check_window(order, now)
    _check_goods(order, grounds)
    _check_destination(order, grounds)
    if order.executor != grounds.keeper:
        raise OrderRefusedError(
            "executor_unsuited",
            f"executor is {order.executor}, must be {grounds.keeper}, who keeps the lot's site",
        )
    if grounds.open_orders >= OPEN_MAX:
        raise OrderRefusedError(
            "too_many_open", f"the lot has {grounds.open_orders} open orders, at most {OPEN_MAX}"
        )


def _check_window(order: ReleaseOrder, now: datetime) -> None:
    begins_at, ends_at = datetime_of(order.begins_unix_us), datetime_of(order.ends_unix_us)
    issued_at = datetime_of(order.issued_unix_us)
    bounds = (
        ("issued_unix_us", issued_at, now - ISSUED_WITHIN, now + SKEW_MAX),
        ("begins_unix_us", begins_at, now - BACK_MAX, now + AHEAD_MAX),
        ("ends_unix_us", ends_at, max(now, begins_at), begins_at + WINDOW_MAX),
    )
    for field, at, least, most in bounds:
        if not least <= at <= most or (field == "ends_unix_us" and at <= now):
            raise OrderRefusedError(
                "window_unsuited",
                f"{field} is {at.isoformat()}, must be from {least.isoformat()}"
                f" to {most.isoformat()}",
                field=field,
            )


def _check_goods(order: ReleaseOrder, grounds: Grounds) -> None:
    named = [ItemId(item) for item in order.items]
    unknown = [str(item) for item in named if item not in grounds.items]
    if unknown:
        raise OrderRefusedError(
            "items_unknown", f"{len(unknown)} items are not in the lot", items=unknown
        )
    twice = [str(item) for item in named if item in grounds.named]
    if twice:
        raise OrderRefusedError(
            "items_in_other_order", f"{len(twice)} items are in an open order", items=twice
        )
    total_g = sum(grounds.items[item] for item in named)
    if named and order.mass_g != total_g:
        raise OrderRefusedError(
            "mass_unsuited", f"mass_g is {order.mass_g}, must be {total_g}, that of its items"
        )
    left_g = grounds.pledged_mass_g - grounds.open_mass_g
    if order.mass_g > left_g:
        raise OrderRefusedError(
            "mass_unsuited",
            f"mass_g is {order.mass_g}, must be at most {left_g}: {grounds.pledged_mass_g} g are"
            f" pledged, and {grounds.open_mass_g} g may leave by open orders",
        )


def _check_destination(order: ReleaseOrder, grounds: Grounds) -> None:
    if order.zone is None:
        return
    if grounds.zone_site != grounds.site_id or order.zone == grounds.zone_id:
        raise OrderRefusedError(
            "destination_unsuited",
            f"zone is {order.zone}, must be another zone of site {grounds.site_id}",
        )
    if order.into_lot is None:
        return
    into = grounds.into
    if into is None or into.zone_id != order.zone or not into.alike:
        raise OrderRefusedError(
            "destination_unsuited",
            f"into_lot is {order.into_lot}, must be a lot in zone {order.zone} of the same owner,"
            " commodity, instrument and grade, under the same pledge",
        )


def check_open(record: OrderRecord) -> None:
    """Check that an order can still be acknowledged or revoked.

    Raises:
        OrderRefusedError: It has come to an end.
    """
    if record.state not in _OPEN:
        raise OrderRefusedError("not_open", f"order {record.id} is {record.state.value} already")
