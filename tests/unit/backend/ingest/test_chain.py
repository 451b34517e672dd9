"""Where an envelope stands in its stream, and what its times say of the gateway's clock."""

from dataclasses import replace

from backend.ids import GatewayId
from backend.ingest.rules.chain import Chain
from backend.ingest.service import examine_all
from backend.ingest.types import (
    Accepted,
    ClockFlag,
    Duplicate,
    Examined,
    Fork,
    Gap,
    Message,
    Reason,
    Refused,
    Verdict,
)
from schemas.envelope import ClockState
from schemas.quantities import Quantity
from schemas.receipt import StreamState
from tests.gateway_double import BASE_US, GatewayDouble, Value
from tests.unit.backend.ingest.test_examine import book_of, head_of

READING = Value(sensor="scale", quantity=Quantity.MASS, value=1.0)
OTHER = Value(sensor="scale", quantity=Quantity.MASS, value=2.0)
NAME = GatewayId("gw-1")
SECOND_US = 1_000_000


def chain_of(gateway: GatewayDouble) -> Chain:
    """Return the stream of a gateway that nothing is held of."""
    return Chain(heads={NAME: head_of(gateway)}, held={})


def judge(chain: Chain, gateway: GatewayDouble, message: Message) -> Verdict:
    """Return the verdict on a message that is well signed."""
    examined = examine_all([message], book_of(gateway))[0]
    assert isinstance(examined, Examined)
    return chain.judge(examined)


def test_next_is_accepted_and_its_repetition_is_a_duplicate() -> None:
    """The same bytes again are held already."""
    gateway = GatewayDouble()
    chain, message = chain_of(gateway), gateway.seal([READING])
    assert isinstance(judge(chain, gateway, message), Accepted)
    assert isinstance(judge(chain, gateway, message), Duplicate)
    assert chain.heads[NAME].number == 1


def test_same_number_other_bytes_is_a_fork_and_stops_the_stream() -> None:
    """A second history stops the stream; nothing is accepted after it."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    rival = replace(gateway, sha256=gateway.sha256)
    judge(chain, gateway, gateway.seal([READING]))
    assert isinstance(judge(chain, gateway, rival.seal([OTHER])), Fork)
    assert chain.heads[NAME].state is StreamState.STOPPED
    after = judge(chain, gateway, gateway.seal([READING]))
    assert isinstance(after, Refused)
    assert after.evidence.reason is Reason.STREAM_STOPPED


def test_wrong_previous_hash_is_a_fork() -> None:
    """The next number on another history is a fork too."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    judge(chain, gateway, gateway.seal([READING]))
    message = gateway.seal([READING], previous_sha256=bytes([1]) * 32)
    assert isinstance(judge(chain, gateway, message), Fork)


def test_gap_is_not_accepted_and_stops_nothing() -> None:
    """What is beyond the next number waits for what is before it."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    missing = gateway.seal([READING])
    beyond = gateway.seal([READING])
    assert isinstance(judge(chain, gateway, beyond), Gap)
    assert isinstance(judge(chain, gateway, missing), Accepted)
    assert isinstance(judge(chain, gateway, beyond), Accepted)


def test_wrong_count_of_readings_is_refused() -> None:
    """An envelope that counts other readings before it than are held is refused."""
    gateway = GatewayDouble()
    verdict = judge(chain_of(gateway), gateway, gateway.seal([READING], readings_before=7))
    assert isinstance(verdict, Refused)
    assert verdict.evidence.reason is Reason.READINGS_BEFORE_MISMATCH


def flag_after(gateway: GatewayDouble, *bases_us: int) -> ClockFlag | None:
    """Return what speaks against the clock after envelopes at these times, arriving in order."""
    chain = chain_of(gateway)
    for number, base_us in enumerate(bases_us):
        message = gateway.seal([READING], base_us)
        arrived = replace(message, received_unix_us=BASE_US + number * SECOND_US)
        assert isinstance(judge(chain, gateway, arrived), Accepted)
    return chain.heads[NAME].clock_flag


def test_clock_that_steps_back_is_flagged_and_its_readings_accepted() -> None:
    """Two weeks back: order is by number, the clock is flagged until it is ahead again."""
    fortnight_us = 14 * 86_400 * SECOND_US
    back_us = BASE_US - fortnight_us
    assert flag_after(GatewayDouble(), BASE_US, back_us) is ClockFlag.STEPPED_BACK
    assert flag_after(GatewayDouble(), BASE_US, back_us, BASE_US + 2 * SECOND_US) is None


def test_impossible_times_are_flagged() -> None:
    """Before 2020, or more than a day ahead, is no time; it refuses nothing."""
    assert flag_after(GatewayDouble(), 1_000) is ClockFlag.IMPLAUSIBLE
    ahead_us = BASE_US + 2 * 86_400 * SECOND_US
    assert flag_after(GatewayDouble(), ahead_us) is ClockFlag.IMPLAUSIBLE


def test_free_running_clock_far_off_is_flagged() -> None:
    """Ten minutes from arrival, with nobody to discipline it."""
    gateway = GatewayDouble(clock=ClockState.FREE_RUNNING)
    assert flag_after(gateway, BASE_US - 600 * SECOND_US) is ClockFlag.FAR_OFF


def test_backlog_is_made_before_it_arrives() -> None:
    """What lay in the outbox is not fresh, though it has just arrived."""
    gateway = GatewayDouble(clock=ClockState.FREE_RUNNING)
    chain = chain_of(gateway)
    judge(chain, gateway, gateway.seal([READING], BASE_US))
    late = replace(
        gateway.seal([READING], BASE_US + SECOND_US),
        received_unix_us=BASE_US + 120 * SECOND_US,
    )
    verdict = judge(chain, gateway, late)
    assert isinstance(verdict, Accepted)
    waited_us = late.received_unix_us - verdict.made_unix_us
    assert abs(waited_us - 119 * SECOND_US) < SECOND_US
