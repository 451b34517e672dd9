"""What waits between the worker's two threads."""

import asyncio

import pytest

from backend.batch import BATCH_MESSAGES_MAX, Examinees
from backend.ingest.rules.examine import refuse
from backend.ingest.types import Message, Reason, Refused


def items(count: int) -> list[Refused]:
    """Return items that tell their place."""
    messages = [Message(topic=f"{n}", data=b"", received_unix_us=n) for n in range(count)]
    return [refuse(message, Reason.NOT_CBOR, "") for message in messages]


async def test_all_that_waits_is_taken_at_once_in_its_order() -> None:
    """However many times something was put, it is one batch."""
    waiting, some = Examinees(), items(5)
    waiting.put(some[:2])
    waiting.put(some[2:])
    assert await waiting.take() == some
    async with asyncio.TaskGroup() as tasks:
        later = tasks.create_task(waiting.take())
        await asyncio.sleep(0)
        assert not later.done()
        waiting.put(some[:1])
    assert later.result() == some[:1]


async def test_there_is_no_room_beyond_a_batch() -> None:
    """Who examines waits for the writer; a batch is never longer than it may be."""
    waiting, many = Examinees(), items(BATCH_MESSAGES_MAX + 3)
    waiting.put(many)
    async with asyncio.TaskGroup() as tasks:
        entering = tasks.create_task(waiting.room())
        await asyncio.sleep(0)
        assert not entering.done()
        assert await waiting.take() == many[:BATCH_MESSAGES_MAX]
    assert await waiting.take() == many[BATCH_MESSAGES_MAX:]


async def test_nothing_is_taken_when_nothing_comes() -> None:
    """Who waits for a while only comes back with empty hands, and misses nothing."""
    waiting = Examinees()
    assert await waiting.take(0.001) == []
    waiting.put(items(1))
    assert await waiting.take(0.001) == items(1)


@pytest.mark.parametrize("steps", range(5))
async def test_asked_to_end_just_as_something_comes_the_writer_ends(steps: int) -> None:
    """A cancellation that meets the batch is not swallowed: a worker would run for ever."""
    waiting = Examinees()

    async def write() -> None:
        while True:
            await waiting.take(30.0)

    async with asyncio.timeout(5.0), asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(write())
        for _ in range(3):
            await asyncio.sleep(0)
        waiting.put(items(1))
        for _ in range(steps):
            await asyncio.sleep(0)
        writer.cancel()
    assert writer.cancelled()
