from __future__ import annotations

import asyncio

import pytest

from simulators.virtual_time import BoxClock, Deadlock, VirtualLoop, run_virtually
from telemetry.clock import ClockState


def test_three_days_pass_at_once_and_in_order() -> None:
    seen: list[float] = []

    async def work(loop: VirtualLoop) -> None:
        async def wait(seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(loop.time())

        async with asyncio.TaskGroup() as group:
            for seconds in (259_200.0, 0.5, 60.0):
                group.create_task(wait(seconds))

    run_virtually(work)
    assert seen == pytest.approx([0.5, 60.0, 259_200.0])


def test_a_timeout_is_honoured() -> None:
    async def work(loop: VirtualLoop) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return loop.time()

    assert run_virtually(work) == pytest.approx(5)


def test_a_deadlock_is_an_error() -> None:
    async def work(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_virtually(work)


def test_a_thread_takes_its_time_and_hands_on_what_it_raises() -> None:
    done: list[float] = []

    async def work(loop: VirtualLoop) -> None:
        await asyncio.to_thread(lambda: done.append(loop.time()))
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)

    run_virtually(work, lambda: 0.25)
    assert done == [0.25]


def test_a_thread_goes_on_when_nobody_waits_any_more() -> None:
    done: list[int] = []

    async def work(_: VirtualLoop) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.to_thread(done.append, 1)
        assert not done
        await asyncio.sleep(1)

    run_virtually(work, lambda: 0.5)
    assert done == [1]


def test_a_box_has_its_own_error_boot_and_state() -> None:
    now = 10.0
    box = BoxClock(lambda: now, 1_000_000)
    first = box.clock()
    box.error_ms, box.synced = -500, False
    assert (first.wall_ms(), first.mono_ms(), first.boot) == (1_009_500, 10_001, "boot-1")
    assert first.state() is ClockState.UNSYNCED
    box.reboot()
    now = 11.0
    assert (box.clock().mono_ms(), box.clock().boot) == (1_001, "boot-2")
