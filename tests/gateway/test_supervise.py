from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Self

import pytest

from drivers.driver import Endpoint
from gateway.backoff import Backoff
from gateway.supervise import LineState, supervise
from telemetry.errors import Disconnected
from telemetry.reading import Heard
from tests.gateway.conftest import URL, HandClock, Script, ScriptedDriver, poll, spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENDPOINT = Endpoint(URL, (spec(),))


class Refusing:
    """A driver whose device is never there."""

    async def __aenter__(self) -> Self:
        raise Disconnected("refused")

    async def __aexit__(self, *_: object) -> None:
        return

    async def __aiter__(self) -> AsyncIterator[Heard]:
        nothing: tuple[Heard, ...] = ()
        for heard in nothing:
            yield heard


def test_waits_grow_with_jitter_between_a_second_and_a_minute() -> None:
    waits = []
    backoff = Backoff(random.Random(1))
    now_ms = 0
    for _ in range(50):
        waits.append(backoff.wait_s(now_ms))
        now_ms += int(waits[-1] * 1000)
    assert all(1.0 <= wait <= 60.0 for wait in waits)
    assert max(waits) > 20
    assert len(set(waits)) > 25


def test_a_thousand_gateways_do_not_come_back_as_one() -> None:
    seconds = [int(Backoff(random.Random(seed)).wait_s(0) * 10) for seed in range(1000)]
    assert max(seconds.count(slot) for slot in set(seconds)) < 120


def test_a_lost_line_is_tried_again_and_what_came_is_kept(
    hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        hand.move(int(seconds * 1000))
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    script = Script()
    script.say(Heard((poll(1),)), Disconnected("gone"), Disconnected("gone"), Heard((poll(2),)))
    taken: list[int] = []
    line = LineState()

    async def work() -> None:
        task = asyncio.create_task(
            supervise(
                ENDPOINT,
                make_driver=lambda _endpoint, _clock: ScriptedDriver(script),
                accept=lambda _, heard: taken.append(heard.readings[0].received_ms),
                clock=hand.clock(),
                chance=random.Random(3),
                line=line,
            )
        )
        await script.heard()
        assert line.is_connected
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(work())
    assert taken == [1, 2]
    assert (line.connects, line.failures, line.is_connected) == (3, 2, False)
    assert len(slept) == 2
    assert all(1.0 <= wait <= 9.0 for wait in slept)


def test_a_dead_endpoint_does_not_disturb_another(hand: HandClock) -> None:
    script = Script()
    taken: list[int] = []

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    supervise(
                        ENDPOINT,
                        make_driver=make,
                        accept=lambda _, heard: taken.append(heard.readings[0].received_ms),
                        clock=hand.clock(),
                        chance=random.Random(3),
                        line=LineState(),
                    )
                )
                for make in (lambda _e, _c: Refusing(), lambda _e, _c: ScriptedDriver(script))
            ]
            for number in range(20):
                script.say(Heard((poll(number),)))
                await script.heard()
            for task in tasks:
                task.cancel()

    asyncio.run(work())
    assert taken == list(range(20))


def test_our_own_bug_ends_the_process(hand: HandClock) -> None:
    script = Script()
    script.say(ValueError("a bug"))

    async def work() -> None:
        await supervise(
            ENDPOINT,
            make_driver=lambda _endpoint, _clock: ScriptedDriver(script),
            accept=lambda _endpoint, _heard: None,
            clock=hand.clock(),
            chance=random.Random(3),
            line=LineState(),
        )

    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(work())
