"""Chunks put together, what is believed of them, and when a gateway is asked again."""

from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.commands.rules import LIFE
from backend.commands.types import CommandOutcome
from backend.ids import AccountId, GatewayId
from backend.images.rules import (
    ATTEMPTS_MAX,
    CHUNKS_WITHIN,
    Assemblies,
    decide_step,
    verify_image,
)
from backend.images.types import Ask, OpenRequest, Refusal, Refuse, Wait
from schemas.command import CommandType
from schemas.image import CHUNK_BYTES_MAX, ImageChunk, split_image
from tests.builders import NOW

GATEWAY = GatewayId("gw-1")
IMAGE = b"\xff\xd8\xff" + Random(1).randbytes(3 * CHUNK_BYTES_MAX)
DIGEST = sha256(IMAGE).digest()
KEY = GATEWAY, DIGEST
CHUNKS = list(split_image(DIGEST, IMAGE))
SECOND = timedelta(seconds=1)


def expecting() -> Assemblies:
    """Return assemblies that expect the image."""
    assemblies = Assemblies()
    assemblies.expect([KEY])
    return assemblies


def request(**changes: Any) -> OpenRequest:  # noqa: ANN401 - any field
    """Return a request whose command was answered just now."""
    values: dict[str, Any] = {
        "gateway_id": GATEWAY,
        "sha256": DIGEST,
        "asked_by": AccountId(uuid4()),
        "attempts": 1,
        "command_number": 7,
        "issued_at": NOW,
        "outcome": CommandOutcome.DONE,
        "why": "",
        "answered_at": NOW,
    }
    return OpenRequest(**{**values, **changes})


def reason(step: object) -> Refusal:
    """Return why a step is a refusal."""
    assert isinstance(step, Refuse)
    return step.reason


@given(st.permutations(CHUNKS), st.data())
def test_chunks_in_any_order_make_the_image(chunks: list[ImageChunk], data: st.DataObject) -> None:
    """Repeated as often as a broker likes; whole only with the last one."""
    assemblies = expecting()
    for place, chunk in enumerate(chunks):
        assert assemblies.whole(KEY) is None
        for _ in range(data.draw(st.integers(1, 3))):
            assert assemblies.put(GATEWAY, chunk)
        if place < len(chunks) - 1:
            later = {each.index for each in chunks[place + 1 :]}
            assert set(assemblies.missing(KEY)) == later

    assert assemblies.whole(KEY) == IMAGE


def test_chunks_that_nobody_asked_for_are_dropped() -> None:
    """Another image's, another gateway's, and those of another length."""
    assemblies = expecting()
    assert assemblies.put(GATEWAY, CHUNKS[0])
    longer = next(iter(split_image(DIGEST, IMAGE + b"x")))

    assert not assemblies.put(GatewayId("gw-2"), CHUNKS[1])
    assert not assemblies.put(GATEWAY, next(iter(split_image(bytes(32), IMAGE))))
    assert not assemblies.put(GATEWAY, longer)


def test_chunks_are_forgotten_with_their_request() -> None:
    """Memory holds what is being fetched, and nothing else."""
    assemblies = expecting()
    for chunk in CHUNKS:
        assemblies.put(GATEWAY, chunk)
    assemblies.expect([])
    assemblies.expect([KEY])

    assert assemblies.whole(KEY) is None
    assert assemblies.missing(KEY) == ()


def test_image_is_believed_by_its_digest_alone() -> None:
    """One other bit, and it is refused by name; so is what is no image at all."""
    forged = bytearray(IMAGE)
    forged[-1] ^= 1
    page = b"<html>"

    assert verify_image(IMAGE, DIGEST) is None
    assert reason(verify_image(bytes(forged), DIGEST)) is Refusal.DIGEST_MISMATCH
    assert reason(verify_image(page, sha256(page).digest())) is Refusal.NO_IMAGE


def test_gateway_is_asked_at_once() -> None:
    """For the whole image."""
    assert decide_step(request(command_number=None, issued_at=None), (), NOW) == Ask()


def test_answer_is_waited_for_as_long_as_the_command_lasts() -> None:
    """Then the request ends."""
    waiting = request(outcome=None, answered_at=None)
    end = NOW + LIFE[CommandType.FETCH_IMAGE]

    assert decide_step(waiting, (), end - SECOND) == Wait()
    assert reason(decide_step(waiting, (), end)) is Refusal.NO_ANSWER


def test_lost_chunks_are_asked_for_again_by_number() -> None:
    """A while after the answer, so often and no more."""
    later = NOW + CHUNKS_WITHIN

    assert decide_step(request(), (1, 3), later - SECOND) == Wait()
    assert decide_step(request(), (1, 3), later) == Ask((1, 3))
    tired = request(attempts=ATTEMPTS_MAX)
    assert reason(decide_step(tired, (1, 3), later)) is Refusal.CHUNKS_LOST


def test_gateway_that_keeps_it_no_longer_ends_the_request() -> None:
    """By its own word, which is shown."""
    step = decide_step(request(outcome=CommandOutcome.REFUSED, why="gone"), (), NOW)

    assert step == Refuse(reason=Refusal.NOT_KEPT, detail="gone")


@pytest.mark.parametrize("outcome", [CommandOutcome.FAILED, CommandOutcome.INTERRUPTED])
def test_gateway_that_could_not_send_is_asked_again(outcome: CommandOutcome) -> None:
    """Its connection was lost, or it was stopped in the middle."""
    assert decide_step(request(outcome=outcome), (2,), NOW) == Ask((2,))
    tired = request(outcome=outcome, attempts=ATTEMPTS_MAX)
    assert reason(decide_step(tired, (2,), NOW)) is Refusal.NOT_SENT
