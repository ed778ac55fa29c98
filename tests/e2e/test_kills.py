"""Gateway and store are killed at random instants, and no figure changes: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.replay import find_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = 60 if os.environ.get("MFL_ALL") else 20
SEED = 20180401
PRODUCE_EVERY_S = 0.5
WAIT_S = 60.0
TARGETS = ("gateway", "store")


async def produce(plant: Any) -> None:
    """Let the robots work until cancelled."""
    while True:
        plant.produce()
        await plant.publish(time.time_ns() // 1_000_000)
        await asyncio.sleep(PRODUCE_EVERY_S)


def unsealed(plant: Any) -> int:
    """Count the readings in journal segments left on disk."""
    runs = find_leftovers(plant.folder / "state" / "journal")
    return sum(item.readings for run in runs for item in run)


async def until_all_heard(plant: Any, more: int) -> None:
    """Wait until every robot has been heard well some times more than now."""
    name = "mfl_gateway_device_readings_total"
    before = await plant.metric(name)
    async with asyncio.timeout(WAIT_S):
        while True:
            await plant.publish(time.time_ns() // 1_000_000)
            now = await plant.metric(name)
            if all(now.get(device, 0) >= before.get(device, 0) + more for device in plant.counts):
                return
            await asyncio.sleep(0.1)


async def storm(plant: Any, rng: random.Random) -> dict[str, int]:
    """Kill one or the other, at random or just while a batch is in flight; count what was hit."""
    hit = dict.fromkeys(("gateway", "store", "in_flight", "unsealed"), 0)
    for number in range(KILLS):
        target = TARGETS[number % 2]
        await asyncio.sleep(rng.uniform(0.05, 0.6))
        if number % 4 < 3:
            await plant.proxy.until_asked(timeout_s=3.0)
        hit["in_flight"] += plant.proxy.in_flight > 0
        await getattr(plant, target).kill()
        hit[target] += 1
        if target == "gateway":
            hit["unsealed"] += unsealed(plant) > 0
        await getattr(plant, f"start_{target}")()
    return hit


@pytest.mark.kill
@pytest.mark.wall
def test_kills_change_no_figure(
    make_plant: Callable[[str], Any], mosquitto: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with make_plant(mosquitto()) as plant:
            await plant.start_store()
            await plant.start_gateway()
            await until_all_heard(plant, 2)
            before = dict(plant.counts)
            working = asyncio.ensure_future(produce(plant))
            hit = await storm(plant, random.Random(SEED))
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await until_all_heard(plant, 3)
            grown = {device: count - before[device] for device, count in plant.counts.items()}
            assert await plant.gateway.stop() == 0
            assert await plant.store.stop() == 0
            account = plant.account()
            with capsys.disabled():
                print(  # noqa: T201 - the figures are the point
                    f"\nkills of gateway {hit['gateway']}, of store {hit['store']}; with a batch in flight "
                    f"{hit['in_flight']}, with readings unsealed {hit['unsealed']}; readings accepted "
                    f"{account.accepted:,}, stored {account.readings:,}, lost {account.lost}; batches "
                    f"{len(account.places)}, double {len(account.places) - len(set(account.places))} (seed {SEED})"
                )
            assert hit["in_flight"] > 0
            assert hit["unsealed"] > 0
            assert len(set(account.places)) == len(account.places)
            assert account.accepted == account.readings + account.lost
            assert account.lost == 0
            assert account.increase == grown

    asyncio.run(run())


@pytest.mark.wall
def test_a_quiet_run_ends_with_everything_stored(
    make_plant: Callable[[str], Any], mosquitto: Callable[[], str]
) -> None:
    async def run() -> None:
        async with make_plant(mosquitto()) as plant:
            await plant.start_store()
            await plant.start_gateway()
            await until_all_heard(plant, 2)
            before = dict(plant.counts)
            for _ in range(4):
                plant.produce()
                await until_all_heard(plant, 1)
            plant.tell(running=False)
            await until_all_heard(plant, 2)
            assert await plant.gateway.stop() == 0
            assert await plant.store.stop() == 0
            for server in plant.servers.values():
                assert set(server.requests) <= {1, 2, 3, 4, 43}
            account = plant.account()
            assert account.accepted == account.readings > 0
            assert account.increase == {device: plant.counts[device] - before[device] for device in before}
            sequences = sorted(seq for _, seq in account.places)
            assert sequences == list(range(1, len(sequences) + 1))

    asyncio.run(run())
