"""What happens in the live part? Real sockets, real gateway processes, a real store server, for some fifteen seconds.

The machines stand still until every one of them has been heard, produce for a while, stand still again until heard
once more; then the gateways are told to stop. So the increase of every counter is known exactly.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.broker import LocalBroker
from simulators.history import day_start_ms
from simulators.live_devices import LiveWorkshop
from simulators.live_site import POLL_INTERVAL_MS, write_site
from simulators.processes import CommandProcess, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simulators.past import Past
    from simulators.world import Gateway, World

LIVE_HOUR = 10
"""World time of the live part: this hour of the day after the last of the history, 2018-01-23 for the demonstration."""
READY_TIMEOUT_S = 30.0
TICK_S = 0.5
HEARD_AGAIN = 2
"""Good readings of each machine after it stands still: the second was surely asked for after it stood."""
_DEVICE_LINE = re.compile(
    r'^mfl_gateway_device_(readings|bad_readings)_total\{device="([^"]+)"\} (\d+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What the live part did, as its simulators and its gateways know it."""

    devices: int
    counter_increase: int
    exit_codes: tuple[int, ...]


@dataclass(slots=True)
class LiveGateway:
    """One gateway process and where its metrics are."""

    gateway: Gateway
    metrics_port: int
    process: CommandProcess


def live_start_ms(world: World) -> int:
    """Give the world's time at which the live part begins."""
    return day_start_ms(world.spec.days) + LIVE_HOUR * 3_600_000


async def run_live(
    world: World,
    past: Past,
    tokens: dict[str, str],
    *,
    folder: Path,
    store_url: str,
    ports: Callable[[], int],
    ticks: int,
    progress: Callable[[str], None],
) -> LiveResult:
    """Run the live part against a running store; `ports` gives a free port each time it is called."""
    live = [item for item in world.gateways if item.live]
    names = {item.gateway for item in live}
    devices = tuple(item for item in world.devices if item.gateway in names)
    async with LocalBroker() as broker, LiveWorkshop(devices, world.spec, broker.url) as workshop:
        gateways = []
        for item in live:
            port = ports()
            site = write_site(
                folder / item.gateway,
                item,
                [each for each in workshop.devices if each.device.gateway == item.gateway],
                spec=world.spec,
                place=past.places[item.gateway],
                token=tokens[item.gateway],
                store_url=store_url,
                broker_url=broker.url,
                metrics_port=port,
            )
            arguments = ("gateway", "run", str(site), "--world-start", str(live_start_ms(world)))
            gateways.append(LiveGateway(item, port, CommandProcess(arguments, site.with_suffix(".log"))))
        try:
            for gateway in gateways:
                await gateway.process.start()
            return await _perform(world, workshop, gateways, ticks, progress)
        finally:
            for gateway in gateways:
                await gateway.process.kill()


async def _perform(
    world: World,
    workshop: LiveWorkshop,
    gateways: list[LiveGateway],
    ticks: int,
    progress: Callable[[str], None],
) -> LiveResult:
    start_ms = live_start_ms(world)
    loop = asyncio.get_running_loop()
    began = loop.time()

    def now_ms() -> int:
        return start_ms + int((loop.time() - began) * 1000)

    await _until_heard(workshop, gateways, now_ms)
    progress(f"{len(workshop.devices)} live devices heard")
    before = workshop.total()
    for tick in range(1, ticks + 1):
        workshop.tick(tick, running=True)
        if tick % 2 == 0:
            await workshop.publish(now_ms())
            progress(f"live, {tick * TICK_S:.0f} s")
        await asyncio.sleep(TICK_S)
    workshop.tick(ticks, running=False)
    increase = workshop.total() - before
    await _until_heard(workshop, gateways, now_ms)
    codes = [await gateway.process.stop() for gateway in gateways]
    return LiveResult(len(workshop.devices), increase, tuple(codes))


async def _until_heard(
    workshop: LiveWorkshop, gateways: list[LiveGateway], now_ms: Callable[[], int]
) -> None:
    """Wait until every machine has been heard well some times more than now."""
    before: dict[str, int] = {}
    for gateway in gateways:
        before |= await _heard_well(gateway)
    wanted = {
        item.device.device: before.get(item.device.device, 0) + HEARD_AGAIN for item in workshop.devices
    }
    async with asyncio.timeout(READY_TIMEOUT_S):
        while True:
            await workshop.publish(now_ms())
            heard: dict[str, int] = {}
            for gateway in gateways:
                heard |= await _heard_well(gateway)
            if all(heard.get(device, 0) >= count for device, count in wanted.items()):
                return
            await asyncio.sleep(POLL_INTERVAL_MS / 1000)


async def _heard_well(gateway: LiveGateway) -> dict[str, int]:
    """Ask a gateway's own metrics for device → good readings since start; empty while it does not answer yet."""
    text = await ask(f"http://127.0.0.1:{gateway.metrics_port}/metrics") or ""
    good: dict[str, int] = {}
    for name, device, count in _DEVICE_LINE.findall(text):
        good[device] = good.get(device, 0) + (int(count) if name == "readings" else -int(count))
    return good
