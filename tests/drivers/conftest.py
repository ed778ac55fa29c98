"""What do the driver tests share? A clock, small profiles, endpoints, and a bounded way to listen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from drivers.driver import DeviceSpec, Endpoint
from drivers.modbus_tcp import ModbusTcp
from drivers.profiles import load_profile
from telemetry.clock import Clock
from telemetry.errors import Disconnected
from telemetry.profile import Profile, parse_profile, profile_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import Driver
    from telemetry.reading import Reading

WALL_MS = 1_760_000_000_000
PATIENCE_S = 20.0


@pytest.fixture
def clock() -> Clock:
    def mono_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    return Clock(wall_ms=lambda: WALL_MS + mono_ms(), mono_ms=mono_ms, boot="test")


@pytest.fixture
def make_profile() -> Callable[..., Profile]:
    """A Modbus profile from point lines and further keys."""

    def make(points: str, modbus: str = "{}", further: str = "") -> Profile:
        text = f"""
profile: small
kind: robot
manufacturer: Testers
models: [one]
name: {{zh: 小, en: small}}
axes: 6
firmware: any
sources: [{{title: this test, grade: U}}]
modbus: {modbus}
points:
{points}
{further}
"""
        return parse_profile(text, "small.yaml")

    return make


@pytest.fixture
def make_spec() -> Callable[..., DeviceSpec]:
    def make(profile: Profile | str, device: str = "d1", interval_ms: int = 50, **more: object) -> DeviceSpec:
        if isinstance(profile, str):
            loaded = load_profile(profile)
            return DeviceSpec(device, loaded.profile, loaded.profile_id, interval_ms, **more)  # type: ignore[arg-type]
        return DeviceSpec(device, profile, profile_digest("small", ""), interval_ms, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_endpoint() -> Callable[..., Endpoint]:
    def make(url: str, *devices: DeviceSpec, timeout_ms: int = 200) -> Endpoint:
        return Endpoint(url, devices, timeout_ms=timeout_ms, client_id="gateway-1")

    return make


@pytest.fixture
def hear() -> Callable[..., object]:
    """Listen to a driver until enough readings (or a condition), or until it is disconnected.

    Overruns are left out unless asked for: a loaded machine polls late, and that is not what most tests are about.
    """

    async def listen(
        driver: Driver,
        count: int = 1,
        until: Callable[[Reading], bool] | None = None,
        *,
        overruns: bool = False,
    ) -> tuple[list[Reading], str]:
        readings: list[Reading] = []
        async with asyncio.timeout(PATIENCE_S):
            try:
                async for heard in driver:
                    if heard.readings[0].reason.startswith("overrun") and not overruns:
                        continue
                    readings += heard.readings
                    if heard.ack is not None:
                        heard.ack()
                    enough = until(readings[-1]) if until else len(readings) >= count
                    if enough:
                        return readings, ""
            except Disconnected as error:
                return readings, str(error)
        raise AssertionError("the driver ended without a word")

    return listen


@pytest.fixture
def listen(
    clock: Clock, make_endpoint: Callable[..., Endpoint], hear: Callable[..., object]
) -> Callable[..., object]:
    """Enter a driver for these devices and listen as `hear` does."""

    async def run(
        url: str,
        *specs: DeviceSpec,
        count: int = 1,
        until: Callable[[Reading], bool] | None = None,
        timeout_ms: int = 1000,
        overruns: bool = False,
    ) -> tuple[list[Reading], str]:
        async with ModbusTcp(make_endpoint(url, *specs, timeout_ms=timeout_ms), clock) as driver:
            return await hear(driver, count, until, overruns=overruns)  # type: ignore[misc, no-any-return]

    return run
