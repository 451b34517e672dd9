"""What a worker remembers of its sensors between batches, so that it need not read them again.

Invariant: only the holder of a gateway's lease writes the states of its sensors, and only it may
remember them. Whoever loses a lease, or has a transaction rolled back, forgets everything.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from backend.collateral.types import SensorKey, SensorState
from backend.ids import GatewayId

SENSORS_MAX: Final = 200_000  # About a kilobyte each; beyond it all are read again.


class SensorBook:
    """The states of all sensors of some gateways, as committed.

    ``open`` before a transaction changes anything, ``settle`` after its commit, ``forget`` after
    its rollback. What was opened and never settled is forgotten at the next ``open``.
    """

    def __init__(self) -> None:
        self._states: dict[SensorKey, SensorState] = {}
        self._fresh_us: dict[GatewayId, int | None] = {}
        self._is_open = False

    def open(self) -> None:
        """Begin a transaction."""
        if self._is_open or len(self._states) > SENSORS_MAX:
            self.forget()
        self._is_open = True

    def settle(self) -> None:
        """Keep what was written: the transaction has committed."""
        self._is_open = False

    def forget(self) -> None:
        """Drop everything: the transaction was rolled back, or a lease is lost."""
        self._states.clear()
        self._fresh_us.clear()
        self._is_open = False

    def unknown(self, gateways: Iterable[GatewayId]) -> set[GatewayId]:
        """Return the gateways among these that are not remembered."""
        return {gateway for gateway in gateways if gateway not in self._fresh_us}

    def learn(self, gateway: GatewayId, states: Collection[SensorState]) -> None:
        """Remember a gateway: ``states`` are all that is stored of its sensors."""
        self._fresh_us[gateway] = None
        self.write(states)

    def write(self, states: Iterable[SensorState]) -> None:
        """Take over states that the transaction stores, of gateways that are remembered."""
        for state in states:
            gateway = state.key[0]
            if gateway not in self._fresh_us:
                continue
            self._states[state.key] = state
            fresh_us = self._fresh_us[gateway]
            if state.fresh_us is not None and (fresh_us is None or state.fresh_us > fresh_us):
                self._fresh_us[gateway] = state.fresh_us

    def knows(self, key: SensorKey) -> bool:
        """Return whether a sensor's state need not be read: its gateway is remembered."""
        return key[0] in self._fresh_us

    def states(self, keys: Iterable[SensorKey]) -> dict[SensorKey, SensorState]:
        """Return the remembered states among ``keys``; one that was never stored has none."""
        known = self._states
        return {key: known[key] for key in keys if key in known}

    def fresh_us(self) -> Mapping[GatewayId, int | None]:
        """Return, for each gateway remembered, when its newest usable reading was made."""
        return self._fresh_us
