"""Does a process that died in a storm stay dead, whatever it had handed to a thread?"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from simulators.storm_hosts import KEY, StoreHost
from simulators.storm_run import run_seed
from simulators.storm_world import GATEWAY
from simulators.virtual_box import Box
from simulators.virtual_os import standing_on
from simulators.virtual_time import BoxClock, run_virtually
from telemetry.line import Row
from telemetry.seal import GENESIS, ChainPlace, SealTime, seal_batch
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.virtual_time import VirtualLoop
    from telemetry.seal import Batch

START_MS = 1_522_594_800_000


def batch() -> Batch:
    row = Row("machine", {"gateway": GATEWAY, "device": "r1"}, {"window_ms": 60_000}, START_MS)
    place = ChainPlace(GATEWAY, "ab" * 16, 1, GENESIS)
    return seal_batch([row], place, SealTime(START_MS + 60_000, 60_000, "boot-1"), KEY)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_request_under_way_dies_with_its_store(tmp_path: Path, *, restarts: bool) -> None:
    """What waits for a worker thread at the death is not done by the dead one, and ends none that was started since."""
    box = Box(tmp_path / "box", random.Random(1))

    async def work(loop: VirtualLoop) -> tuple[Answer, Answer]:
        host = StoreHost(box, BoxClock(loop.time, START_MS), random.Random(2))
        with standing_on([box]):
            host.start()
            request = asyncio.create_task(host.put(batch()))
            await asyncio.sleep(0.1)
            host.kill()
            if restarts:
                host.start()
            answer = await request
            assert (host.store is not None) is restarts
            if not restarts:
                host.start()
            assert host.store is not None
            assert host.store.log_size() == 1, "the key's event, and no batch"
            again = await host.put(batch())
            host.store.close()
        return answer, again

    answer, again = run_virtually(work, lambda: 0.3)
    assert answer == Answer(AnswerKind.UNAVAILABLE, "connection reset")
    assert again == Answer(AnswerKind.STORED)


@pytest.mark.parametrize("chance", range(6))
def test_what_was_found_at_start_and_called_stored_outlives_a_power_cut(tmp_path: Path, chance: int) -> None:
    """A store is killed between write and sync; the batch comes again and is known; then the power goes."""
    box = Box(tmp_path / "box", random.Random(chance))

    async def work(loop: VirtualLoop) -> tuple[Answer, Answer, int]:
        host = StoreHost(box, BoxClock(loop.time, START_MS), random.Random(2))
        with standing_on([box]):
            host.start()
            box.kill_at_sync = 0
            first = await host.put(batch())
            host.start()
            second = await host.put(batch())
            host.cut_power()
            host.start()
            assert host.store is not None
            size = host.store.log_size()
            host.store.close()
        return first, second, size

    first, second, size = run_virtually(work)
    assert first == Answer(AnswerKind.UNAVAILABLE, "connection reset")
    assert second == Answer(AnswerKind.STORED, "stored before")
    assert size == 2, "the key's event and the batch"


@pytest.mark.parametrize("seed", [1760, 4484])
def test_seeds_that_found_something_stay_clean(tmp_path: Path, seed: int) -> None:
    """1760: a cut that a power cut undid was damage to `verify`; 4484: a dead store's request went on."""
    assert run_seed(seed, tmp_path / "storm").problems == []
