"""Numbers for channels and tags, shared by all sites of a run: what its columns refer to."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from backend.ids import ChannelId, GatewayId
from backend.telemetry.types import EPC_KEY_BYTES, Bytes8, ChannelRef, Epcs, key_of
from schemas.quantities import Quantity

Int32s = NDArray[np.int32]


class Channels:
    """The ids of channels, as the backend gives one to each the first time that it is heard."""

    def __init__(self) -> None:
        self._ids: dict[tuple[GatewayId, str, Quantity | None], ChannelId] = {}
        self._refs: dict[ChannelId, ChannelRef] = {}

    @property
    def refs(self) -> Mapping[ChannelId, ChannelRef]:
        """What the ids stand for."""
        return self._refs

    def id_of(self, gateway: GatewayId, sensor: str, quantity: Quantity | None) -> ChannelId:
        """Return the id of a channel."""
        key = gateway, sensor, quantity
        known = self._ids.get(key)
        if known is None:
            known = self._ids[key] = ChannelId(len(self._ids))
            self._refs[known] = ChannelRef(gateway=gateway, sensor=sensor, quantity=quantity)
        return known


class Tags:
    """EPCs by number, and their keys as the backend's columns hold them."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._epcs: list[bytes] = []
        self._keys = np.zeros((256, EPC_KEY_BYTES), dtype=np.uint8)

    def places(self, epcs: Iterable[bytes]) -> Int32s:
        """Return the numbers of EPCs."""
        return np.array([self._place(epc) for epc in epcs], dtype=np.int32)

    def keys(self, places: Int32s) -> Bytes8:
        """Return the keys of the EPCs with these numbers, of shape (n, EPC_KEY_BYTES)."""
        return self._keys[places]

    def index(self, places: Int32s) -> Epcs:
        """Return which EPCs have these numbers."""
        there = np.flatnonzero(np.bincount(places))
        row = np.zeros(len(self._epcs) + 1, dtype=np.intp)
        row[there] = np.arange(len(there))
        return Epcs(distinct=[self._epcs[each] for each in there.tolist()], index=row[places])

    def _place(self, epc: bytes) -> int:
        place = self._places.setdefault(epc, len(self._places))
        if place == len(self._epcs):
            self._epcs.append(epc)
        if place == len(self._keys):
            self._keys = np.concatenate((self._keys, np.zeros_like(self._keys)))
        self._keys[place] = np.frombuffer(key_of(epc), dtype=np.uint8)
        return place
