from __future__ import annotations

import asyncio
import random

import pytest

from simulators.storm_pace import (
    Delivery,
    FailedTry,
    busiest_minute,
    check_fresh,
    check_tries,
    fresh_delays,
)
from simulators.virtual_net import RETRY_AFTER_S, Link, Weather
from simulators.virtual_time import VirtualLoop, run_virtually
from telemetry.clock import ClockState
from telemetry.seal import Batch, Seal
from telemetry.sink import Answer, AnswerKind

WINDOW_S = 60.0
CALM_S = 1_000.0


def delays(*items: tuple[float, float]) -> list[float]:
    return fresh_delays([Delivery(sealed, stored) for sealed, stored in items], CALM_S, WINDOW_S)


def test_what_is_sealed_behind_the_first_stored_in_calm_is_measured_and_nothing_else() -> None:
    before = (500.0, 990.0)
    backlog, first = (600.0, 1_030.0), (400.0, 1_010.0)
    sealed_before_the_first = (1_005.0, 1_900.0)
    assert delays(before, first, backlog, sealed_before_the_first) == []
    assert delays(before, first, sealed_before_the_first, (1_020.0, 1_050.0)) == pytest.approx([0.5])


def test_nothing_is_measured_when_nothing_was_stored_in_calm() -> None:
    assert delays((500.0, 990.0)) == []
    assert not list(check_fresh([]))


def test_two_windows_are_allowed_and_no_more() -> None:
    assert not list(check_fresh([0.1, 2.0]))
    (problem,) = check_fresh([0.1, 2.01, 3.26])
    assert "2 of 3" in problem
    assert "3.3 windows" in problem


@pytest.mark.parametrize(
    ("began_s", "most"),
    [
        ((), 0),
        ((0, 1, 2), 3),
        ((0, 10, 20, 30, 40, 50, 60), 6),
        ((0, 10, 20, 30, 40, 50, 59.9), 7),
        ((0, 10, 20, 30, 40, 50, 59.9995), 6),
        ((0, 100, 101, 300), 2),
    ],
)
def test_the_busiest_minute_is_found(began_s: tuple[float, ...], most: int) -> None:
    assert busiest_minute(FailedTry(at, 1) for at in began_s) == most


def test_another_life_begins_its_minute_anew() -> None:
    assert busiest_minute(FailedTry(at, at // 4) for at in range(8)) == 4


def test_six_tries_are_allowed_and_no_more() -> None:
    assert not list(check_tries(6))
    assert "7 failing tries" in next(iter(check_tries(7)))


class Taking:
    """A store that takes everything."""

    async def put(self, _: Batch) -> Answer:
        return Answer(AnswerKind.STORED)


def batch(seq: int) -> Batch:
    return Batch(b"", Seal("g1", "e", seq, 0, "", "", 0, ClockState.SYNCED, "boot-1", 1), "")


def test_a_metered_store_takes_one_batch_a_gap_and_says_when_the_next() -> None:
    answers: list[Answer] = []

    async def work(loop: VirtualLoop) -> Link:
        link = Link(Taking(), random.Random(1), loop.time, gap_s=15.0)
        for seq, wait_s in ((1, 0), (2, 15), (2, 0)):
            answers.append(await link.write(batch(seq)))
            await asyncio.sleep(wait_s)
        return link

    link = run_virtually(work)
    assert [answer.kind for answer in answers] == [
        AnswerKind.STORED,
        AnswerKind.UNAVAILABLE,
        AnswerKind.STORED,
    ]
    assert answers[1].retry_after_s == 15
    assert [seal.seq for seal, _ in link.stored] == [1, 2]
    assert link.stored[1][1] - link.stored[0][1] >= 15
    assert len(link.failures) == 1


def test_the_link_notes_who_failed_and_what_came_twice_only_once() -> None:
    lives = iter((1, 1, 2, 3))

    async def work(loop: VirtualLoop) -> Link:
        link = Link(Taking(), random.Random(1), loop.time, doubles=1.0, life=lambda: next(lives))
        for weather in (Weather.FAIR, Weather.BUSY, Weather.PARTITION):
            link.weather = weather
            answer = await link.write(batch(1))
            assert (answer.retry_after_s == RETRY_AFTER_S) == (weather is Weather.BUSY)
        link.refuses = True
        before_s = loop.time()
        await link.write(batch(1))
        assert loop.time() - before_s < 1
        return link

    link = run_virtually(work)
    assert [item.life for item in link.failures] == [1, 2, 3]
    assert len(link.stored) == 1
