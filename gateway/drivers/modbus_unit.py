"""What is known of one unit on a bus: its requests, which of them it refuses, when to ask again.

A circuit breaker: a unit that fails is left alone for a jittered time that doubles up to a bound.
An address that the unit does not have is found by halving the request, and left out; the whole
request is tried again rarely, because a device that just starts may refuse what it has.
"""

from random import Random
from typing import Final

from gateway.config.modbus import UnitSection
from gateway.drivers.modbus_blocks import Block, plan_blocks

BACKOFF_S_MAX: Final = 15.0  # A unit that comes back is polled again within this.
REFUSED_RETRY_S_MIN: Final = 10.0
REFUSED_RETRY_S_MAX: Final = 600.0
_DOUBLINGS_MAX: Final = 16


class Unit:
    """One unit, as far as its bus has come to know it; outlives the bus's connections."""

    def __init__(self, config: UnitSection) -> None:
        self.config = config
        self.due_s = 0.0
        self._planned = plan_blocks(config.register, config.registers_max)
        self._blocks = self._planned
        self._failures = 0
        self._refusals = 0
        self._retry_s = 0.0
        self._told: set[Block] = set()

    def begin_poll(self, now_s: float) -> list[Block]:
        """Return what to ask for now, in the order of asking."""
        if self._blocks is not self._planned and now_s >= self._retry_s:
            self._blocks = self._planned
        return list(self._blocks)

    def end_poll(self, blocks: list[Block], *, refused: bool, started_s: float) -> None:
        """Note that the unit answered, and with which requests it can be read.

        ``refused`` tells that some of what was planned is not among them.
        """
        self._failures = 0
        if refused:
            doublings = min(self._refusals, _DOUBLINGS_MAX)
            retry_s = min(REFUSED_RETRY_S_MIN * 2**doublings, REFUSED_RETRY_S_MAX)
            self._refusals += 1
            self._retry_s = started_s + retry_s
            self._blocks = blocks
        elif self._blocks is self._planned:
            self._refusals = 0
        # From the due time, so that polls do not drift; but never two at once.
        self.due_s = max(self.due_s + self.config.poll_s, started_s)
        if not self._blocks:
            self.due_s = self._retry_s

    def fail(self, now_s: float, timeout_s: float, random: Random) -> None:
        """Note that the unit did not answer: leave it alone for longer than an answer is late."""
        self._failures = min(self._failures + 1, _DOUBLINGS_MAX)
        base_s = max(self.config.poll_s, timeout_s)
        ceiling_s = min(base_s * 2**self._failures, max(BACKOFF_S_MAX, 2 * timeout_s))
        self.due_s = now_s + random.uniform(ceiling_s / 2, ceiling_s)

    def tell_refusal(self, block: Block) -> bool:
        """Tell whether the refusal of ``block`` is worth telling: when new, or of one register."""
        new = block not in self._told
        self._told.add(block)
        return new or len(block.registers) == 1
