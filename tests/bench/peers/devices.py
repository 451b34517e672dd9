"""Modbus TCP devices whose every register answers with its own next count.

``python -m tests.bench.peers.devices PORT FILE``. The k-th read of a register is k modulo 65,536,
so that each lost, repeated or reordered read is known by its number. ``FILE`` is written anew
every half second: ``{"t_s": seconds, "reads": {unit: [count of each register]}}``.

Raw asyncio, so that the devices are never the bottleneck. Source: Modbus messaging on TCP/IP
implementation guide 1.0b, 3.1.3; Modbus application protocol 1.1b3, 6.3.
"""

import asyncio
import json
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Final

REGISTERS: Final = 4_096
SAVE_EVERY_S: Final = 0.5
_HEAD = struct.Struct(">HHHB")
_RANGE = struct.Struct(">HH")
_READS: Final = frozenset({3, 4})
_ILLEGAL_FUNCTION: Final = 1


class Counters:
    """How often each register of each unit was read."""

    def __init__(self) -> None:
        self.reads: dict[int, list[int]] = {}

    def answer(self, unit: int, function: int, body: bytes) -> bytes:
        """Return the answer's function code and data."""
        if function not in _READS or len(body) < _RANGE.size:
            return bytes([function | 0x80, _ILLEGAL_FUNCTION])
        start, count = _RANGE.unpack_from(body)
        counts = self.reads.setdefault(unit, [0] * REGISTERS)
        values = [number + 1 for number in counts[start : start + count]]
        counts[start : start + count] = values
        words = struct.pack(f">{len(values)}H", *(value & 0xFFFF for value in values))
        return bytes([function, len(words)]) + words

    def save(self, file: Path) -> None:
        """Write the counts, whole or not at all."""
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps({"t_s": time.perf_counter(), "reads": self.reads}))
        partial.rename(file)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        assert self._transport is not None
        self._buffer += data
        while len(self._buffer) >= _HEAD.size + 1:
            transaction, _, length, unit = _HEAD.unpack_from(self._buffer)
            end = 6 + length
            if len(self._buffer) < end:
                return
            answer = self._counters.answer(unit, self._buffer[7], self._buffer[8:end])
            self._buffer = self._buffer[end:]
            self._transport.write(_HEAD.pack(transaction, 0, len(answer) + 1, unit) + answer)


async def serve(port: int, file: Path) -> None:
    """Answer on ``port`` until SIGTERM."""
    loop = asyncio.get_running_loop()
    counters = Counters()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Connection(counters), "127.0.0.1", port)
    async with server:
        while not stop.is_set():
            counters.save(file)
            try:
                async with asyncio.timeout(SAVE_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue
    counters.save(file)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
