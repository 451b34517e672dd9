"""A process of many gateways that only load: publishes signed envelopes, follows the receipts.

Two ways: ``readings_per_s`` 0 publishes a fixed number of envelopes, signed beforehand, as fast
as the windows allow; otherwise envelopes are signed when they are due, at that rate of all
gateways together, until SIGTERM. Reports as JSON what was sent and receipted.

``python -m tests.bench.load_gateways PLAN REPORT``
"""

import asyncio
import resource
import signal
import sys
from pathlib import Path

import aiomqtt
import msgspec

from deploy.clock import unix_us
from gateway.signing import ReceiptVerifier
from gateway.uplink.receipts import SendWindow
from schemas.receipt import StreamState
from schemas.topics import receipt_topic, up_topic
from tests.bench.load_stream import READINGS, SPAN_US, LoadStream

RECEIPT_TIMEOUT_S = 5.0  # As a gateway's own.
LAST_RECEIPT_S_MAX = 30.0  # Waited at the end for what is on its way.
BURST_S_MAX = 300.0  # A burst on a machine ten times as slow as ours.
CALL_S_MAX = 10.0


class LoadPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to publish, and where; ``passwords`` by gateway, ``envelopes`` of each at most."""

    host: str
    port: int
    backend_key: str
    passwords: dict[str, str]
    sensors: int
    envelopes: int
    start_unix_us: int
    readings_per_s: float = 0.0
    window: int = 32


class LoadReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of it, of all gateways; times by the wall clock of this process."""

    published: int
    receipted: int
    resends: int
    began_unix_us: int
    ended_unix_us: int
    behind_ms_max: float
    cpu_s: float


class _LoadGateway:
    """One gateway's connection; ``go`` is where all of them wait for each other."""

    def __init__(
        self, plan: LoadPlan, index: int, go: asyncio.Barrier, stop: asyncio.Event
    ) -> None:
        self.name = sorted(plan.passwords)[index]
        self.resends = 0
        self.behind_s_max = 0.0
        self.ended_unix_us = 0
        self.window = SendWindow(window=plan.window, receipt_timeout_s=RECEIPT_TIMEOUT_S)
        self._plan = plan
        self._go = go
        self._stop = stop
        self._wake = asyncio.Event()
        self._stream = LoadStream(self.name, sensors=plan.sensors)
        self._made: dict[int, bytes] = {}  # Not receipted yet.
        self._every_s = 0.0
        self._phase_s = 0.0
        if plan.readings_per_s:
            self._every_s = READINGS * len(plan.passwords) / plan.readings_per_s
            self._phase_s = self._every_s * index / len(plan.passwords)
        else:
            for number in range(plan.envelopes):
                base_unix_us = plan.start_unix_us + number * SPAN_US
                self._made[number + 1] = self._stream.next(base_unix_us)
        verifier = ReceiptVerifier(bytes.fromhex(plan.backend_key), self.name)
        self._verify = verifier.verify

    async def run(self) -> None:
        """Publish all, or until asked to stop, and wait for the last receipt."""
        async with aiomqtt.Client(
            self._plan.host,
            self._plan.port,
            identifier=f"pw-{self.name}",
            username=self.name,
            password=self._plan.passwords[self.name],
            timeout=CALL_S_MAX,
            max_inflight_messages=self._plan.window,
        ) as client:
            client.pending_calls_threshold = self._plan.window  # Or it warns of each beyond ten.
            await client.subscribe(receipt_topic(self.name), qos=1)
            await self._go.wait()
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(client))
                await self._send(client, tasks)
                self.ended_unix_us = unix_us()
                listening.cancel()

    def wake(self) -> None:
        """Let the sender look again whether there is something to do."""
        self._wake.set()

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        topic = up_topic(self.name)
        while self.window.receipted < (last := self._last):
            now_s = loop.time()
            if self.window.check_silence(now_s):
                self.resends += 1
            number = self.window.sent + 1
            if number > last or self.window.room == 0:
                await self._sleep(self.window.wait_s(now_s))
                continue
            if number not in self._made:
                due_s = began_s + self._phase_s + (number - 1) * self._every_s
                if due_s > now_s:
                    await self._sleep(due_s - now_s)
                    continue
                self.behind_s_max = max(self.behind_s_max, now_s - due_s)
                self._made[number] = self._stream.next(unix_us() - SPAN_US)
            self.window.note_sent(number, now_s)
            tasks.create_task(client.publish(topic, self._made[number], qos=1))
            await asyncio.sleep(0)

    @property
    def _last(self) -> int:
        """The number of the last envelope; what is made is sent, also after a stop."""
        return self._stream.number if self._stop.is_set() else self._plan.envelopes

    async def _sleep(self, limit_s: float | None) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _listen(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            receipt = self._verify(message.payload)
            assert receipt.state is StreamState.OPEN, f"{self.name}: the stream was stopped"
            for number in range(self.window.receipted + 1, receipt.number + 1):
                self._made.pop(number, None)
            self.window.note_receipt(receipt.number, loop.time())
            self.wake()


async def load(plan: LoadPlan) -> LoadReport:
    """Publish as ``plan`` says and return what came of it.

    Raises:
        TimeoutError: The last receipts did not come.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    go = asyncio.Barrier(len(plan.passwords) + 1)
    gateways = [_LoadGateway(plan, index, go, stop) for index in range(len(plan.passwords))]
    async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(gateway.run()) for gateway in gateways]
        await go.wait()
        began_unix_us = unix_us()
        stopping = tasks.create_task(stop.wait())
        if plan.readings_per_s:
            await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
            for gateway in gateways:
                gateway.wake()
        limit.reschedule(loop.time() + (LAST_RECEIPT_S_MAX if stop.is_set() else BURST_S_MAX))
        await asyncio.wait(running)
        stopping.cancel()
    return LoadReport(
        published=sum(gateway.window.sent for gateway in gateways),
        receipted=sum(gateway.window.receipted for gateway in gateways),
        resends=sum(gateway.resends for gateway in gateways),
        began_unix_us=began_unix_us,
        ended_unix_us=max(gateway.ended_unix_us for gateway in gateways),
        behind_ms_max=max(gateway.behind_s_max for gateway in gateways) * 1_000,
        cpu_s=resource.getrusage(resource.RUSAGE_SELF).ru_utime,
    )


def main(arguments: list[str]) -> None:
    """Run the plan in the first file; write the report to the second."""
    plan_file, report_file = map(Path, arguments)
    plan = msgspec.json.decode(plan_file.read_bytes(), type=LoadPlan)
    report = asyncio.run(load(plan))
    report_file.write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main(sys.argv[1:])
