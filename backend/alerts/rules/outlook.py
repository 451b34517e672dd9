"""What happens next with an alert, in words, if nobody does anything and if somebody does."""

from backend.alerts.rules.life import UNATTENDED_AFTER
from backend.alerts.types import Alert, AlertState, Severity


def outlook_of(alert: Alert, *, locks: int, concerns_lot: bool) -> tuple[str, ...]:
    """Return what happens next, the soonest first.

    Args:
        alert: as it stands.
        locks: how many locks of facilities it is a reason for now, that the reader may see.
        concerns_lot: whether it is about goods.
    """
    if alert.state is AlertState.RESOLVED:
        return ("Nothing more: it is resolved. If its cause comes back, a new alert is opened.",)
    return (*_if_nobody_acts(alert), *_of_locks(alert, locks, concerns_lot=concerns_lot))


def _if_nobody_acts(alert: Alert) -> list[str]:
    said: list[str] = []
    minutes = int(UNATTENDED_AFTER.total_seconds() // 60)
    if alert.unattended_at is not None and alert.state is AlertState.OPEN:
        said.append(
            f"Nobody acknowledged it within {minutes} minutes; that was noted and stays noted."
        )
    elif alert.state is AlertState.OPEN and alert.severity is Severity.CRITICAL:
        said.append(
            f"If nobody acknowledges it within {minutes} minutes after it became critical, "
            "that is noted in its history."
        )
    if alert.ceased_at is not None:
        said.append(
            "What it found is no longer so. It stays until a person says what it was; "
            "if its cause comes back meanwhile, it is reopened."
        )
    elif alert.severity is not Severity.CRITICAL:
        said.append("It becomes critical if further evidence bears it out, or if it lasts.")
    return said


def _of_locks(alert: Alert, locks: int, *, concerns_lot: bool) -> list[str]:
    if locks:
        return [
            "No money can be drawn while it locks. Repaying and adding collateral stay possible.",
            "The lock is lifted by itself when the goods are found sound again and a person has "
            "resolved the alert, and nothing else holds it.",
        ]
    if concerns_lot and alert.severity is Severity.CRITICAL:
        return ["Its goods lock whatever facility they are or become pledged to."]
    return []
