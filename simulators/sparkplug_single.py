"""How does one simulated Sparkplug edge node stand alone? A working machine behind a broker, born again when asked."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from simulators.single import CYCLE_S
from simulators.sparkplug_node import SparkplugNode, golden_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.clock import Clock
    from telemetry.profile import Profile

INTERVAL_S = 1.0


async def run_node(
    profile: Profile, broker: str, group: str, name: str, *, clock: Clock, say: Callable[[str], None]
) -> None:
    """Publish the profile's golden values with counters that grow every CYCLE_S, until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    counters = [point for point, what in profile.points.items() if what in profile.counters().values()]
    values, second = golden_values(profile), 0
    async with SparkplugNode(profile, broker, group, name) as node:
        for point, value in values.items():
            node.set(point, value)
        await node.birth(clock.wall_ms())
        say(f"{profile.profile} as {name} in {group} at {broker}; Ctrl-C ends it")
        while not stop.is_set():
            if await node.asked_within(INTERVAL_S):
                await node.birth(clock.wall_ms())
            second += 1
            for point in counters:
                node.set(point, int(values[point]) + second // CYCLE_S)
            await node.publish(clock.wall_ms())
