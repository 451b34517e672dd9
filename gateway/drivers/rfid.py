"""Serial UHF readers of the YRM100 class: kept in inventory, each round counted.

Each read is an arrival of its own; report by exception makes one sighting of many. Every round
with a sign of life from the reader yields an INVENTORY scalar, also with no tag in the field: the
proof that the reader lives and sees nothing, which silence would not be.

Source: MagicRF M100 firmware manual, commands 0x27 (multiple inventory) and 0x28 (stop).
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from gateway.clock import SystemClock
from gateway.config.serial import SerialSection
from gateway.decode.events import Decoder, ReaderReply, TagRead
from gateway.decode.yrm100 import encode_inventory_many, encode_inventory_stop
from gateway.drivers.convert import arrival_of
from gateway.drivers.serial_line import SILENCE_S_MAX, open_port, read_chunk
from gateway.errors import DeviceError
from gateway.reading import Arrival, Scalar
from schemas.quantities import Quantity

INVENTORIES: Final = 0xFFFF  # The most that one command asks for: some minutes.
RESTART_S: Final = 60.0  # Asked again before they can have ended.
QUIET_RESTART_S: Final = 2.0  # Asked again when the reader has stopped by itself.


async def read_rfid(
    config: SerialSection, decoder: Decoder, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield reads and a count of distinct tags each round, until the port is gone.

    Raises:
        DeviceError: The port cannot be opened, is gone, or has been silent for too long.
    """
    reader, writer = await open_port(config)
    try:
        writer.write(encode_inventory_stop())  # Whatever it was doing before.
        asked_s = heard_s = round_s = clock.monotonic_s()
        writer.write(encode_inventory_many(INVENTORIES))
        tags: set[bytes] = set()
        alive = False
        while True:
            now_s = clock.monotonic_s()
            chunk = await read_chunk(
                reader, config.port, max(round_s + config.inventory_s - now_s, 0.001)
            )
            time_unix_us, now_s = clock.unix_us(), clock.monotonic_s()
            events = decoder.feed(chunk)
            if chunk:
                heard_s = now_s
            arrivals = [arrival_of(config.sensor, event, time_unix_us) for event in events]
            for event in events:
                if isinstance(event, TagRead):
                    tags.add(event.epc)
                alive = alive or isinstance(event, TagRead | ReaderReply)
            if now_s - round_s >= config.inventory_s:
                round_s = now_s
                if alive:
                    arrivals.append([_inventory(config.sensor, len(tags), time_unix_us)])
                tags.clear()
                alive = False
            if arrivals:
                yield [arrival for arrival in arrivals if arrival]
            if now_s - asked_s >= (
                RESTART_S if now_s - heard_s < QUIET_RESTART_S else QUIET_RESTART_S
            ):
                asked_s = now_s
                writer.write(encode_inventory_stop() + encode_inventory_many(INVENTORIES))
            if now_s - heard_s >= SILENCE_S_MAX:
                raise DeviceError(
                    f"{config.sensor}: {config.port} has been silent for {SILENCE_S_MAX:g} s"
                )
    finally:
        writer.close()


def _inventory(sensor: str, count: int, time_unix_us: int) -> Scalar:
    return Scalar(
        sensor=sensor, quantity=Quantity.INVENTORY, time_unix_us=time_unix_us, value=float(count)
    )
