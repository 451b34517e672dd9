"""Where a digest stands in its gateway's stream: in the place of the run that it names."""

import numpy as np
import pytest

from backend.ids import ChannelId, GatewayId
from backend.ingest.rules.columns import batch_of
from backend.ingest.types import Accepted, Duplicate, Fork, Gap, Message, Reason, Refused
from backend.telemetry.types import ChannelRef
from schemas.quantities import Quantity
from schemas.receipt import StreamState
from tests.digest_double import digest_of
from tests.gateway_double import BASE_US, GatewayDouble, Value
from tests.unit.backend.ingest.test_chain import NAME, chain_of, judge

HOUR_US = 3_600_000_000


def weight(value: float) -> Value:
    """Return a weight."""
    return Value(sensor="scale", quantity=Quantity.MASS, value=value)


def sealed(gateway: GatewayDouble, count: int, per_envelope: int = 6) -> list[Message]:
    """Return envelopes of weights that go up and down, an hour between them."""
    return [
        gateway.seal(
            [weight(float((number * 7 + row * 5) % 31)) for row in range(per_envelope)],
            BASE_US + number * HOUR_US,
        )
        for number in range(count)
    ]


def test_digest_is_accepted_in_the_stead_of_its_run() -> None:
    """The head then stands where the last original would have put it; its successor follows."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    run = sealed(gateway, 5)
    before = judge(chain, gateway, run[0])
    digest = digest_of(gateway, run[1:4])

    assert isinstance(before, Accepted)
    assert isinstance(judge(chain, gateway, digest), Accepted)
    assert (chain.heads[NAME].number, chain.heads[NAME].readings) == (4, 24)
    assert isinstance(judge(chain, gateway, digest), Duplicate)
    assert isinstance(judge(chain, gateway, run[4]), Accepted)
    assert chain.heads[NAME].readings == gateway.readings


def test_digest_beyond_the_next_number_is_a_gap() -> None:
    """It waits for what is before its first."""
    gateway = GatewayDouble()
    run = sealed(gateway, 4)
    assert isinstance(judge(chain_of(gateway), gateway, digest_of(gateway, run[1:])), Gap)


def test_digest_that_overlaps_what_is_held_is_a_fork() -> None:
    """A gateway thins only what it never sent: this one did not."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    run = sealed(gateway, 4)
    for message in run[:2]:
        judge(chain, gateway, message)
    verdict = judge(chain, gateway, digest_of(gateway, run[1:]))

    assert isinstance(verdict, Fork)
    assert verdict.detail == "a digest of 2 to 4, while 2 is held"
    assert chain.heads[NAME].state is StreamState.STOPPED


@pytest.mark.parametrize("begin", [0, 1, 3])
def test_another_digest_of_held_numbers_is_a_fork(begin: int) -> None:
    """Whatever range it names, as long as its last is held with other bytes."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    run = sealed(gateway, 4)
    judge(chain, gateway, digest_of(gateway, run))
    other = digest_of(gateway, run[begin:], readings=6 * (4 - begin) + 1)

    assert isinstance(judge(chain, gateway, other), Fork)


@pytest.mark.parametrize("index", [0, 3])
def test_original_of_what_was_thinned_is_a_fork(index: int) -> None:
    """Its gateway said that it was never sent and is gone."""
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    run = sealed(gateway, 4)
    judge(chain, gateway, digest_of(gateway, run))

    assert isinstance(judge(chain, gateway, run[index]), Fork)


def test_digest_on_another_history_is_a_fork() -> None:
    """It must follow on the very message that is held."""
    gateway = GatewayDouble()
    run = sealed(gateway, 2)
    digest = digest_of(gateway, run, previous_sha256=bytes([1]) * 32)
    assert isinstance(judge(chain_of(gateway), gateway, digest), Fork)


def test_digest_that_counts_other_readings_is_refused() -> None:
    """As an envelope is."""
    gateway = GatewayDouble()
    run = sealed(gateway, 2)
    verdict = judge(chain_of(gateway), gateway, digest_of(gateway, run, readings_before=7))

    assert isinstance(verdict, Refused)
    assert verdict.evidence.reason is Reason.READINGS_BEFORE_MISMATCH


def test_readings_of_a_digest_were_made_when_they_were() -> None:
    """Hours lie between its readings: each counts as made by the gateway's clock before its last.

    An envelope's readings count as made with its newest, whether a digest is beside it or not.
    """
    gateway = GatewayDouble()
    chain = chain_of(gateway)
    run = sealed(gateway, 4)
    accepted = [
        verdict
        for message in (digest_of(gateway, run[:3]), run[3])
        if isinstance(verdict := judge(chain, gateway, message), Accepted)
    ]
    ref = ChannelRef(gateway=GatewayId("gw-1"), sensor="scale", quantity=Quantity.MASS)
    table = np.zeros(1, dtype=np.int32)
    batch = batch_of(accepted, [table, table], {ChannelId(0): ref})
    columns = batch.scalars
    made_us = batch.made_us(columns.envelope, columns.at_us)

    assert batch.envelopes[0].thinning is not None
    assert batch.envelopes[0].readings == 3  # The first is the least as well.
    assert np.array_equal(columns.at_us, made_us)
    assert set(made_us[columns.envelope == 0] - BASE_US) <= {0, HOUR_US, 2 * HOUR_US}
    assert len(set(made_us[columns.envelope == 0].tolist())) > 1
