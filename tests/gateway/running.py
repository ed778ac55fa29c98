"""How is a whole gateway run under test? With hands on its clock, its devices and its store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway import app as app_module
from gateway.app import Gateway, run_gateway
from telemetry.reading import Heard
from telemetry.seal import read_lines
from tests.gateway.conftest import NOW_MS, Script, ScriptedDriver, poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from gateway.config import Site
    from telemetry.line import FieldValue
    from telemetry.reading import Reading
    from tests.gateway.conftest import HandClock, ListSink


class Running:
    """A gateway under test, with its hands: clock, script, sink, and what it acknowledged."""

    def __init__(self, site: Site, hand: HandClock, sink: ListSink, boot: str) -> None:
        self.site, self.hand, self.sink = site, hand, sink
        self.script = Script()
        self.acked: list[int] = []
        self.stop = asyncio.Event()
        self.gateway: Gateway | None = None
        self.clock = hand.clock(boot)

    async def say(self, *readings: Reading) -> None:
        self.script.say(Heard(readings, lambda: self.acked.append(readings[0].received_ms)))
        await self.script.heard()

    async def minutes(self, count: int, *, each_s: int = 10) -> None:
        for _ in range(count * 60 // each_s):
            self.hand.move(each_s * 1000)
            await self.say(
                poll(self.hand.wall, self.hand.wall // 1000 - NOW_MS // 1000, mono_ms=self.hand.mono)
            )

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not claim():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running_gateway(
    site: Site, hand: HandClock, sink: ListSink, *, boot: str = "boot-1", crash: bool = False
) -> AsyncIterator[Running]:
    """Run a gateway; at the end stop it well, or cancel it as a crash would."""
    running = Running(site, hand, sink, boot)
    real = app_module.Gateway

    def noting(*args: object) -> Gateway:
        running.gateway = real(*args)  # type: ignore[arg-type]
        return running.gateway

    app_module.Gateway = noting  # type: ignore[assignment,misc]
    drivers = {"tcp": lambda _endpoint, _clock: ScriptedDriver(running.script)}
    task = asyncio.create_task(run_gateway(site, running.clock, running.stop, sink=sink, drivers=drivers))
    try:
        await running.script.heard()
        yield running
        if not crash:
            running.stop.set()
            async with asyncio.timeout(30):
                await task
    finally:
        app_module.Gateway = real  # type: ignore[misc]
        task.cancel()
        await asyncio.wait([task])


def run_bounded(work: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def rows_of(sink: ListSink, measurement: str) -> list[dict[str, FieldValue]]:
    return [
        {**line.fields, **line.tags, "time_ms": line.time_ns // 1_000_000}
        for batch in sorted(sink.batches, key=lambda batch: batch.seal.seq)
        for line in read_lines(batch)
        if line.measurement == measurement
    ]


def assert_account(gateway: Gateway | None) -> None:
    assert gateway is not None
    account = gateway.account()
    assert account.holds, account
    assert min(account.open, account.buffered, account.delivered, account.lost) >= 0
