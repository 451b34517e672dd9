"""Commands are executed under the pinned key only, in order, once, answered as often as asked."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.commands.executor import Answer, Executor, ExecutorParts, done
from gateway.commands.ledger import LEDGER_FILE, Entry, Ledger
from gateway.commands.signed_time import SignedTime
from gateway.errors import ConfigError
from gateway.signing import CommandVerifier
from schemas.command import Command, CommandType, Configure, Rotate
from schemas.envelope import ClockState
from schemas.quantities import EventType
from tests.integration.gateway.support import Notary, until
from tests.unit.gateway.builders import GATEWAY

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000


class StoppedClock(SystemClock):
    """A machine's clock that shows what the test says."""

    def __init__(self, unix_us: int, state: ClockState) -> None:
        super().__init__()
        self.shown_us = unix_us
        self.shown_state = state

    def unix_us(self) -> int:
        """Return what the test says."""
        return self.shown_us

    def state(self) -> ClockState:
        """Return what the test says."""
        return self.shown_state


@dataclass(slots=True)
class Site:
    """An executor with a handler that counts, and what it said."""

    folder: Path
    notary: Notary = field(default_factory=Notary)
    clock: SystemClock = field(default_factory=lambda: StoppedClock(NOW_US, ClockState.NTP))
    executed: list[Command] = field(default_factory=list[Command])
    said: list[tuple[EventType, dict[str, Any]]] = field(
        default_factory=list[tuple[EventType, dict[str, Any]]]
    )
    last: list[Executor] = field(default_factory=list[Executor])

    async def rotate(self, command: Command) -> Answer:
        """Count."""
        self.executed.append(command)
        return done(command)

    async def configure(self, command: Command) -> Answer:
        """Refuse, as a wrong text is refused."""
        raise ConfigError("seal.age_s", -1, "above 0")

    def announce(self, kind: EventType, body: Mapping[str, object]) -> None:
        """Remember."""
        self.said.append((kind, dict(body)))

    @property
    def outcomes(self) -> list[tuple[object, object]]:
        """Number and outcome of each answer."""
        return [(body["number"], body.get("outcome")) for _, body in self.said]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Executor]:
        """Run an executor on the folder's ledger meanwhile."""
        executor = Executor(
            ExecutorParts(
                ledger=Ledger(self.folder),
                clock=self.clock,
                announce=self.announce,
                handlers={
                    CommandType.ROTATE: self.rotate,
                    CommandType.CONFIGURE: self.configure,
                },
            ),
            CommandVerifier(self.notary.public_key, GATEWAY),
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(executor.run())
            yield executor
            task.cancel()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A gateway's folder without a ledger."""
    return Site(tmp_path)


def _command(**overrides: Any) -> Command:  # noqa: ANN401 - any of the fields
    values: dict[str, Any] = {
        "gateway": GATEWAY,
        "number": 1,
        "issued_unix_us": NOW_US,
        "expires_unix_us": NOW_US + HOUR_US,
        "order": Rotate(),
    }
    return Command(**(values | overrides))


async def test_command_is_executed_once_and_answered_each_time(site: Site) -> None:
    """The backend sends it again until the answer is committed; a restart changes nothing."""
    message = site.notary.sign_command(_command())
    async with site.running() as executor:
        for count in (1, 2, 3):
            executor.take(message)
            await until(lambda wanted=count: len(site.said) == wanted)
    async with site.running() as executor:
        executor.take(message)
        await until(lambda: len(site.said) == 4)
    assert [command.number for command in site.executed] == [1]
    assert site.outcomes == [(1, "done")] * 4


async def test_older_command_is_not_executed(site: Site) -> None:
    """A broker may keep what it likes: only numbers above the last count."""
    async with site.running() as executor:
        for number in (5, 3, 4, 6):
            executor.take(site.notary.sign_command(_command(number=number)))
        await until(lambda: len(site.said) == 2)
    assert [command.number for command in site.executed] == [5, 6]


async def test_only_the_pinned_key_commands_this_gateway(site: Site) -> None:
    """Another key, another gateway, a changed byte, noise: counted, not heard."""
    stranger = Notary().sign_command(_command())
    foreign = site.notary.sign_command(_command(gateway="gw-other"))
    good = site.notary.sign_command(_command())
    changed = good[:-1] + bytes([good[-1] ^ 1])
    async with site.running() as executor:
        for message in (stranger, foreign, changed, b"noise"):
            executor.take(message)
        await until(lambda: executor.refused == 4)
        assert not (site.folder / LEDGER_FILE).exists()
        executor.take(good)
        await until(lambda: len(site.said) == 1)
    assert len(site.executed) == 1


async def test_refusal_of_a_handler_is_an_answer(site: Site) -> None:
    """A wrong configuration is told with its reason, and is over."""
    async with site.running() as executor:
        executor.take(site.notary.sign_command(_command(order=Configure("[seal]\nage_s=-1"))))
        await until(lambda: len(site.said) == 1)
    assert site.said[0][1] == {
        "number": 1,
        "type": "configure",
        "outcome": "refused",
        "why": "seal.age_s is -1, must be above 0",
    }


@pytest.mark.parametrize(
    ("state", "shown_us", "outcome"),
    [
        pytest.param(ClockState.NTP, NOW_US + HOUR_US, "done", id="within-the-leeway"),
        pytest.param(ClockState.NTP, NOW_US + 2 * HOUR_US, "refused", id="disciplined"),
        pytest.param(ClockState.FREE_RUNNING, NOW_US + 9 * HOUR_US, "done", id="free-ahead"),
        pytest.param(ClockState.FREE_RUNNING, NOW_US - 400 * HOUR_US, "done", id="free-behind"),
    ],
)
async def test_end_is_measured_by_a_clock_that_somebody_disciplines(
    site: Site, state: ClockState, shown_us: int, outcome: str
) -> None:
    """A clock that runs freely may be two weeks off, so it neither ends nor revives anything."""
    site.clock = StoppedClock(shown_us, state)
    async with site.running() as executor:
        executor.take(site.notary.sign_command(_command()))
        await until(lambda: len(site.said) == 1)
    assert site.outcomes == [(1, outcome)]


async def test_end_is_measured_by_signed_times_when_the_clock_is_weeks_behind(site: Site) -> None:
    """The newest receipt says how late it is at least, whatever the machine believes."""
    site.clock = StoppedClock(NOW_US - 400 * HOUR_US, ClockState.FREE_RUNNING)
    async with site.running() as executor:
        executor.note_time(NOW_US + HOUR_US)
        executor.take(site.notary.sign_command(_command()))
        await until(lambda: len(site.said) == 1)
    assert site.outcomes == [(1, "refused")]


async def test_command_that_was_interrupted_is_answered_and_not_repeated(site: Site) -> None:
    """Power went in the middle: whether it took effect is not known, so it is not done twice."""
    Ledger(site.folder).save(Entry(number=1, type=CommandType.ROTATE))
    async with site.running() as executor:
        executor.take(site.notary.sign_command(_command()))
        await until(lambda: len(site.said) == 2)
    assert site.executed == []
    assert site.outcomes == [(1, "interrupted")] * 2


async def test_torn_ledger_is_set_aside(site: Site) -> None:
    """The daemon starts; what commands could be repeated by it have an end of their own."""
    (site.folder / LEDGER_FILE).write_bytes(b"{")
    assert Ledger(site.folder).last == Entry()
    assert [path.name for path in site.folder.iterdir()] == [f"{LEDGER_FILE}.torn"]


async def test_full_disk_executes_nothing(site: Site) -> None:
    """What cannot be noted is not executed: it comes again."""
    (site.folder / f"{LEDGER_FILE}.partial").mkdir()
    async with site.running() as executor:
        executor.take(site.notary.sign_command(_command()))
        executor.take(b"noise")
        await until(lambda: executor.refused == 1)
    assert (site.executed, site.said) == ([], [])


def test_floor_of_the_time_rises_only() -> None:
    """It goes on with the clock that only grows, and an older time lowers nothing."""
    time = SignedTime()
    assert time.floor_unix_us(100.0) == 0
    time.note(NOW_US, 100.0)
    time.note(NOW_US - 5, 101.0)
    assert time.floor_unix_us(102.0) == NOW_US + 2_000_000
    assert time.floor_unix_us(90.0) == NOW_US
    time.note(NOW_US + 1_000_000, 102.0)
    assert time.floor_unix_us(103.0) == NOW_US + 3_000_000
