"""When a message that was not taken is tried again, and when nobody tries any more. Pure."""

from datetime import datetime, timedelta
from typing import Final

from backend.notifications.types import Claimed, Failed

# Source: Standard Webhooks 1.0.0, "Deliverability and reliability": its example, cut after ten
# hours. Together most of a day: a receiver may be down for a night's maintenance.
PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
ATTEMPTS_MAX: Final = len(PAUSES) + 1
WAIT_MAX: Final = timedelta(hours=24)  # What a receiver may ask for by Retry-After.
GRACE: Final = timedelta(hours=24)  # For which the secret before the last is signed with, too.


def next_attempt(attempts: int, failed: Failed, now: datetime, jitter: float) -> datetime | None:
    """Return when a message is tried again; None: no more.

    Args:
        attempts: How many there were.
        failed: The last of them.
        now: The time.
        jitter: From 0 to 1, at random: receivers that failed together do not come back together.
    """
    if failed.gone or attempts >= ATTEMPTS_MAX:
        return None
    pause = PAUSES[attempts - 1] * (0.5 + jitter)
    return now + max(pause, min(WAIT_MAX, timedelta(seconds=failed.wait_s)))


def is_given_up(claimed: Claimed, failed: Failed) -> bool:
    """Return whether a subscription is disabled with a message that is given up.

    When its receiver wants no more, or has taken nothing at all since the message was first tried.
    """
    since, first = claimed.subscription.failing_since, claimed.message.first_attempt_at
    return failed.gone or (since is not None and first is not None and since <= first)


def generations(generation: int, rotated_at: datetime | None, now: datetime) -> tuple[int, ...]:
    """Return which generations of a secret are signed with now, the newest first."""
    if generation > 1 and rotated_at is not None and now < rotated_at + GRACE:
        return generation, generation - 1
    return (generation,)
