"""How does one simulated device stand alone? A working machine behind a Modbus TCP port, until told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from simulators.behaviour import Moment
from simulators.modbus_device import ModbusDeviceServer
from simulators.voice import Voice
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.profile import Profile

CYCLE_S = 20


async def serve_device(profile: Profile, port: int, say: Callable[[str], None]) -> None:
    """Serve a machine that finishes a cycle every CYCLE_S, until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    voice, second = Voice(profile), 0
    async with ModbusDeviceServer(profile, port=port) as server:
        say(f"{profile.profile} on {server.url}; Ctrl-C ends it")
        while not stop.is_set():
            moment = Moment(
                at_ms=0,
                state=MachineState.RUNNING,
                cycles=second // CYCLE_S,
                energy_wh=second // 6,
                on_s=second,
                run_s=second,
                current_ma=1_800 + second % 7 * 50,
            )
            for point, value in voice.say(moment).items():
                server.set(point, value)
            second += 1
            try:
                await asyncio.wait_for(stop.wait(), timeout=1)
            except TimeoutError:
                continue
