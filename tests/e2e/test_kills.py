"""Gateway and store are killed at random instants, and no figure changes: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from gateway.replay import find_leftovers
from tests.e2e.working import at_work, end, until_all_heard

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = 60 if os.environ.get("MFL_ALL") else 20
SEED = 20180401
TARGETS = ("gateway", "store")


def unsealed(plant: Any) -> int:
    """Count the readings in journal segments left on disk."""
    runs = find_leftovers(plant.folder / "state" / "journal")
    return sum(item.readings for run in runs for item in run)


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
def test_kills_change_no_figure(make_plant: Callable[[str], Any], mosquitto: Callable[[], str]) -> None:
    async def run() -> None:
        async with make_plant(mosquitto()) as plant:
            await plant.start_store()
            await plant.start_gateway()
            await until_all_heard(plant, 2)
            before = dict(plant.counts)
            async with at_work(plant):
                hit = await storm(plant, random.Random(SEED))
            account = await end(plant, before)
            plant.tell_figure(
                f"SIGKILL of gateway {hit['gateway']}, of store {hit['store']}",
                account,
                f"in flight {hit['in_flight']}, unsealed {hit['unsealed']}, seed {SEED}",
            )
            assert hit["in_flight"] > 0
            assert hit["unsealed"] > 0

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
