"""What a notice says, to a program and to a person, and to which subscriptions. Pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Final
from uuid import uuid5

from backend.alerts.types import Severity
from backend.ids import MessageId
from backend.notifications.types import Channel, Line, NewMessage, Notice, Subscription

TEXT_CHARACTERS_MAX: Final = 1_000  # Standard Webhooks advises bodies below 20 kB.
LINES_MAX: Final = 100  # Of an e-mail; whoever gets more looks at the console anyway.
_SEVERITIES: Final = tuple(Severity)
_NAMES: Final = {
    "deescalated": "eased",
    "repaid": "repayment.booked",
    "drawdown_pending": "drawdown.authorised",
    "line_fallen": "margin_call.line_fallen",
    "line_recovered": "margin_call.line_recovered",
    "lock_opened": "lock.opened",
    "lock_lifted": "lock.lifted",
}


def kind_of(notice: Notice) -> str:
    """Return the type of a notice: what its data looks like, from the general to the special."""
    named = _NAMES.get(notice.what, notice.what)
    if "." in named:
        return named
    return f"{notice.topic}.{named.removeprefix(f'{notice.topic}_')}"


def is_wanted(subscription: Subscription, notice: Notice) -> bool:
    """Return whether a subscription asks for a notice; its severity counts for alerts only."""
    if notice.topic not in {topic.value for topic in subscription.topics}:
        return False
    if notice.severity is None:
        return True
    least = _SEVERITIES.index(subscription.severity_min)
    return _SEVERITIES.index(notice.severity) >= least


def message_of(subscription: Subscription, notice: Notice, public_url: str) -> NewMessage:
    """Return what a subscription is sent of a notice; the same each time it is asked."""
    email = subscription.channel is Channel.EMAIL
    return NewMessage(
        id=MessageId(uuid5(notice.id, str(subscription.id))),
        subscription_id=subscription.id,
        kind="digest" if email else kind_of(notice),
        body="" if email else _body(notice, public_url),
        lines=(line_of(notice),) if email else (),
        notices=1,
    )


def path_of(notice: Notice) -> str:
    """Return the console's page about it."""
    if notice.alert_id is not None:
        return f"/alerts/{notice.alert_id}"
    if notice.facility_id is not None:
        return f"/facilities/{notice.facility_id}"
    if notice.application_id is not None:
        return f"/applications/{notice.application_id}"
    return "/market" if notice.instrument_id is not None else "/notifications"


def line_of(notice: Notice) -> Line:
    """Return a notice as a line for people."""
    concerns = notice.lot or notice.facility or notice.gateway_id or notice.instrument_id or ""
    return Line(
        cause=_cause(notice),
        at=notice.at.astimezone(UTC).isoformat(timespec="seconds"),
        title=f"{_title(notice)}{f', {concerns}' if concerns else ''}",
        text=_text(notice),
        path=path_of(notice),
    )


def gather(lines: Sequence[Line], more: Sequence[Line]) -> tuple[Line, ...]:
    """Return lines of an e-mail with more of them: one for each cause, as it was told last."""
    kept = {line.cause: line for line in lines}
    for line in more:
        known = kept.pop(line.cause, None)
        if known is None and len(kept) >= LINES_MAX:
            continue  # The message says how many notices there were.
        kept[line.cause] = line if known is None else replace(line, count=known.count + line.count)
    return tuple(kept.values())


def mail_subject(lines: Sequence[Line], notices: int) -> str:
    """Return an e-mail's subject: what happened, or the first of how many."""
    first = lines[0].title if lines else "nothing"
    return f"Pledgewatch: {first}" if notices == 1 else f"Pledgewatch: {first} (1 of {notices})"


def mail_text(name: str, lines: Sequence[Line], notices: int, public_url: str) -> str:
    """Return an e-mail's text: each cause once, the worst kind of hundred in one message."""
    parts: list[str] = []
    for line in lines:
        again = f" ({line.count} times, the last is shown)" if line.count > 1 else ""
        parts.append(f"{line.title}{again}\n{line.at}\n{line.text}\n{public_url}{line.path}\n")
    told = sum(line.count for line in lines)
    if told < notices:
        parts.append(f"And {notices - told} more: {public_url}/notifications\n")
    parts.append(
        f'You get this by the subscription "{name}".'
        f" Change or end it: {public_url}/notifications\n"
    )
    return "\n".join(parts)


def _body(notice: Notice, public_url: str) -> str:
    data: dict[str, object] = {
        "number": notice.number,
        "text": _text(notice),
        "actor": notice.actor,
        "url": f"{public_url}{path_of(notice)}",
        "detail": dict(notice.detail),
    }
    if notice.alert_id is not None:
        data["alert"] = {
            "id": str(notice.alert_id),
            "kind": notice.alert_kind,
            "severity": notice.severity,
            "state": notice.alert_state,
            "lot_id": None if notice.lot_id is None else str(notice.lot_id),
            "lot": notice.lot,
            "gateway_id": notice.gateway_id,
        }
    if notice.facility_id is not None:
        data["facility"] = {
            "id": str(notice.facility_id),
            "name": notice.facility,
            "currency": notice.currency,
        }
    if notice.instrument_id is not None:
        data["instrument_id"] = notice.instrument_id
    if notice.application_id is not None:
        data["application_id"] = str(notice.application_id)
    at = notice.at.astimezone(UTC).isoformat()
    return body_of(kind_of(notice), at, data)


def body_of(kind: str, at: str, data: dict[str, object]) -> str:
    """Return a webhook's body."""
    said = {"type": kind, "timestamp": at, "data": data}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False, default=str)


def _title(notice: Notice) -> str:
    words = kind_of(notice).replace(".", " ").replace("_", " ")
    if notice.alert_kind is None or notice.severity is None:
        return words.capitalize()
    return f"{notice.severity.value.capitalize()} {words}: {notice.alert_kind.replace('_', ' ')}"


def _text(notice: Notice) -> str:
    if notice.summary:
        return notice.summary[:TEXT_CHARACTERS_MAX]
    parts: list[str] = []
    for name, value in notice.detail.items():
        if value in (None, "", []):
            continue
        said = value if isinstance(value, str) else json.dumps(value, default=str)
        parts.append(f"{name.replace('_', ' ')}: {said}")
    return "; ".join(parts)[:TEXT_CHARACTERS_MAX] or kind_of(notice)


def _cause(notice: Notice) -> str:
    if notice.alert_id is not None:
        return f"alert:{notice.alert_id}"
    told = notice.detail.get("reason") or notice.detail.get("id") or notice.what
    concerned = notice.facility_id or notice.instrument_id or notice.application_id
    return f"{notice.topic}:{concerned}:{told}"
