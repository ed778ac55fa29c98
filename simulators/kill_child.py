"""Who is killed? A process of its own: a real gateway and a real store on a real disk, telling what it hears and promises.

Every line on its standard output is one fact, written at once: `s COUNT` a reading is about to be heard, `a COUNT` it was
acknowledged, `e {...}` the account at a good end. Ends well at SIGTERM, once everything is stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gateway.app import run_gateway
from simulators.storm_hosts import KEY, Settings
from simulators.storm_world import GATEWAY, LIFETIME
from store.embedded import EmbeddedStore
from telemetry.clock import Clock
from telemetry.reading import Heard, Quality, Reading, ReadingKind
from telemetry.seal import write_public_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.driver import Endpoint
    from gateway.app import Gateway

POLL_MS, WINDOW_MS, TICK_S = 20, 1_000, 0.05
NS_PER_COUNT = 10_000_000
"""A count every 10 ms, less than the map's possible rate."""


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


class _CountingDriver:
    """A robot whose count is the time, so that it grows on however often we are killed."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._spec, self._clock = endpoint.devices[0], clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def __aiter__(self) -> AsyncIterator[Heard]:
        start_ns = int(os.environ["KILL_RUN_START_NS"])
        while True:
            await asyncio.sleep(POLL_MS / 1000)
            count = LIFETIME + (time.time_ns() - start_ns) // NS_PER_COUNT
            values = {"state": 1, "cycles": count, "up": 100}
            told = Reading(
                self._spec.device,
                ReadingKind.POLL,
                self._clock.wall_ms(),
                self._clock.mono_ms(),
                Quality.GOOD,
                values,
                self._spec.profile_id,
            )
            _tell(f"s {count}")
            yield Heard((told,), lambda count=count: _tell(f"a {count}"))  # type: ignore[misc]


async def _run(folder: Path) -> None:
    clock = Clock(lambda: time.time_ns() // 1_000_000, lambda: time.monotonic_ns() // 1_000_000, "boot-1")
    store = EmbeddedStore.open(folder / "store", clock)
    if GATEWAY not in store.gateways():
        store.enrol(
            GATEWAY, write_public_key(KEY.public_key()), kind="edge", from_ms=0, at_ms=clock.wall_ms()
        )
    stop = asyncio.Event()
    gateways: list[Gateway] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings(WINDOW_MS, POLL_MS, devices=("r1",), has_broker=False)
    await run_gateway(
        settings.site(folder, folder / "g1.key"),
        clock,
        stop,
        sink=store,
        drivers={"tcp": _CountingDriver},
        names=secrets.token_hex,
        tick_s=TICK_S,
        made=gateways.append,
    )
    store.close()
    _tell(f"e {json.dumps(asdict(gateways[0].account()))}")


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
