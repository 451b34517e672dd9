"""When commands are sent again, and what events are answers."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.commands.rules import (
    RESEND_S_MAX,
    RESEND_S_MIN,
    Resends,
    answer_of,
    attestation_of,
    is_chosen,
    state_of,
)
from backend.commands.types import CommandOutcome, CommandState, PendingCommand, Said
from backend.ids import GatewayId
from schemas.command import Rotate
from schemas.quantities import EventType
from tests.builders import NOW

GATEWAY = GatewayId("gw-1")


def _pending(number: int) -> PendingCommand:
    return PendingCommand(
        gateway_id=GATEWAY,
        number=number,
        order=Rotate(),
        issued_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def _said(kind: EventType, **body: Any) -> Said:  # noqa: ANN401 - any plain value
    return Said(gateway_id=GATEWAY, envelope_number=3, type=kind, body=body)


def test_command_is_sent_again_ever_more_rarely() -> None:
    """At once, then after pauses that double up to a bound; an answered one is forgotten."""
    resends, pauses, now_s, sent_s = Resends(), list[float](), 0.0, 0.0
    for _ in range(400):
        if resends.due([_pending(1)], now_s):
            pauses.append(now_s - sent_s)
            sent_s = now_s
        now_s += 1.0
    assert pauses[:4] == [0.0, RESEND_S_MIN, 2 * RESEND_S_MIN, 4 * RESEND_S_MIN]
    assert max(pauses) == RESEND_S_MAX
    assert resends.due([], now_s) == []
    assert resends.due([_pending(1)], now_s) == [_pending(1)]


@given(st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text() | st.binary()))
def test_any_body_is_an_answer_or_none(body: dict[str, Any]) -> None:
    """What a gateway signs may be junk; it raises nothing."""
    for kind in (EventType.COMMAND_DONE, EventType.CHALLENGE_ANSWER, EventType.GATEWAY_START):
        said = Said(gateway_id=GATEWAY, envelope_number=1, type=kind, body=body)
        answer_of(said)
        attestation_of(said)


@pytest.mark.parametrize("number", [None, True, "one", b"1", 1.5])
def test_number_that_is_none_answers_nothing(number: object) -> None:
    """An integer, and no boolean."""
    assert answer_of(_said(EventType.COMMAND_DONE, number=number, outcome="done")) is None


def test_unknown_outcome_answers_nothing() -> None:
    """Only the words that are agreed."""
    assert answer_of(_said(EventType.COMMAND_DONE, number=1, outcome="perhaps")) is None
    done = answer_of(_said(EventType.COMMAND_DONE, number=1, outcome="refused", why="x" * 999))
    assert done is not None
    assert (done.outcome, len(done.why)) == (CommandOutcome.REFUSED, 500)


def test_state_is_the_gateways_word_or_the_time() -> None:
    """An outcome counts for ever; without one the end decides."""
    assert state_of(None, NOW + timedelta(seconds=1), NOW) is CommandState.PENDING
    assert state_of(None, NOW, NOW) is CommandState.EXPIRED
    assert state_of(CommandOutcome.DONE, NOW, NOW) is CommandState.DONE


def test_choice_follows_the_rate() -> None:
    """Four an hour, decided each second, is one draw in nine hundred."""
    draws = [index / 9_000 for index in range(9_000)]
    assert sum(is_chosen(draw, 4.0, 1.0) for draw in draws) == 10
    assert not any(is_chosen(draw, 0.0, 1.0) for draw in draws)
