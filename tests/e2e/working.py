"""How does a plant work while something is done to it? Robots finish cycles, and every look checks the account."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import aiomqtt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.e2e.conftest import Account, Plant

PRODUCE_EVERY_S = 0.5
WAIT_S = 60.0
LOOK_EVERY_S = 0.1
READINGS = "mfl_gateway_readings_"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def produce(plant: Plant) -> None:
    """Let the robots work until cancelled; the promise of DESIGN section 2.1 holds at every look."""
    while True:
        plant.produce()
        with contextlib.suppress(aiomqtt.MqttError):
            await plant.publish(wall_ms())
        await look(plant)
        await asyncio.sleep(PRODUCE_EVERY_S)


async def look(plant: Plant) -> dict[str, int]:
    """Read the account on /metrics and check that it adds up; empty while the gateway is away."""
    page = await plant.metrics()
    kinds = ("open", "buffered", "delivered_total", "quarantined_total", "dead_lettered_total", "lost_total")
    if f"{READINGS}accepted_total" not in page:
        return {}
    told = {kind: page[f"{READINGS}{kind}"][""] for kind in kinds}
    accepted = page[f"{READINGS}accepted_total"][""]
    assert accepted == sum(told.values()), (accepted, told)
    assert min(told.values()) >= 0, told
    plant.looks += 1
    return {**told, "accepted_total": accepted}


@contextlib.asynccontextmanager
async def at_work(plant: Plant) -> AsyncIterator[None]:
    """Let a plant produce for the length of a block; what breaks inside the work breaks the test."""
    working = asyncio.ensure_future(produce(plant))
    try:
        yield
    finally:
        working.cancel()
        results = await asyncio.gather(working, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def until(claim: Callable[[], Awaitable[Any]], what: str) -> float:
    """Wait until a claim is true; gives the seconds it took."""
    start = time.monotonic()
    try:
        async with asyncio.timeout(WAIT_S):
            while not await claim():  # noqa: ASYNC110 - another process has no event of ours
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"not within {WAIT_S:.0f} s: {what}") from None
    return time.monotonic() - start


async def until_all_heard(plant: Plant, more: int) -> None:
    """Wait until every robot has been heard well some times more than now."""
    name = "mfl_gateway_device_readings_total"
    before = await plant.metric(name)

    async def heard() -> bool:
        await plant.publish(wall_ms())
        now = await plant.metric(name)
        return all(now.get(device, 0) >= before.get(device, 0) + more for device in plant.counts)

    await until(heard, f"every robot heard {more} times more")


async def until_delivered(plant: Plant, more: int = 1) -> float:
    """Wait until the store has taken more readings than now, and nothing sealed waits."""
    before = (await look(plant)).get("delivered_total", 0)

    async def delivered() -> bool:
        told = await look(plant)
        return told.get("delivered_total", 0) >= before + more and told["buffered"] == 0

    return await until(delivered, "all that was sealed is delivered")


async def end(plant: Plant, grown_from: dict[str, int]) -> Account:
    """Let everything arrive, stop both well, and settle: nothing lost, nothing twice, every cycle counted once."""
    await until_all_heard(plant, 2)
    grown = {device: count - grown_from[device] for device, count in plant.counts.items()}
    assert await plant.gateway.stop() == 0
    assert await plant.store.stop() == 0
    account = plant.account()
    assert account.double == 0
    assert account.accepted == account.readings + account.lost
    assert account.lost == 0
    assert account.increase == grown, f"stored {account.increase}, grown {grown}"
    assert account.outstanding == 0
    return account
