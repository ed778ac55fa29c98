"""While a backlog drains, what is sealed now arrives at most two windows late, and the backlog comes to its end too."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from gateway.outbox import Outbox
from gateway.uplink import FRESH_IN_A_ROW, Uplink
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, ListSink, machine, seal_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.seal import Batch

WINDOW_MS = 60_000
BACKLOG = 150
EACH_WINDOW = 2
"""Batches a window: a large site seals more than one."""


@pytest.fixture
def outbox(tmp_path: Path, key: Ed25519PrivateKey) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "outbox", "g1", key)
    yield box
    box.close()


def _seal(outbox: Outbox, count: int) -> list[int]:
    first = outbox.newest + 1
    for _ in range(count):
        outbox.append([machine(NOW_MS + outbox.newest * WINDOW_MS, 10)], seal_time())
    return list(range(first, outbox.newest + 1))


class _Drain:
    """A store that takes its time and sometimes says 503, and a gateway that goes on sealing."""

    def __init__(self, outbox: Outbox, hand: HandClock, seed: int, offer_ms: int) -> None:
        self.outbox, self.hand, self.offer_ms = outbox, hand, offer_ms
        self.chance = random.Random(seed)
        self.sealed_ms: dict[int, int] = {}
        self.stored_ms: dict[int, int] = {}
        self.order: list[int] = []
        self.next_seal_ms = hand.mono + WINDOW_MS

    def pass_time(self, ms: int) -> None:
        """Let time pass; windows that end are sealed in it."""
        end = self.hand.mono + ms
        while self.next_seal_ms <= end:
            self.hand.move(self.next_seal_ms - self.hand.mono)
            for index in _seal(self.outbox, EACH_WINDOW):
                self.sealed_ms[index] = self.hand.mono
            self.next_seal_ms += WINDOW_MS
        self.hand.move(end - self.hand.mono)

    def answer(self, batch: Batch) -> Answer:
        self.pass_time(self.offer_ms)
        if self.chance.random() < 0.03:
            return Answer(AnswerKind.UNAVAILABLE, "HTTP 503", 5.0)
        self.stored_ms[batch.seal.seq] = self.hand.mono
        self.order.append(batch.seal.seq)
        return Answer(AnswerKind.STORED)

    async def run(self, steps: int) -> None:
        sink = ListSink(answer=self.answer)
        uplink = Uplink(self.outbox, sink, self.hand.clock(), self.chance, seal_time, fresh_ms=2 * WINDOW_MS)
        for _ in range(steps):
            wait_s = await uplink.step()
            self.pass_time(1000 if wait_s is None else int(wait_s * 1000))


@pytest.mark.parametrize("seed", range(3))
def test_fresh_data_is_at_most_two_windows_late(outbox: Outbox, hand: HandClock, seed: int) -> None:
    _seal(outbox, BACKLOG)
    drain = _Drain(outbox, hand, seed, offer_ms=10_000)
    asyncio.run(drain.run(2 * BACKLOG))
    fresh = {
        index: drain.stored_ms[index] - at
        for index, at in drain.sealed_ms.items()
        if index in drain.stored_ms
    }
    assert len(fresh) > 50
    assert max(fresh.values()) <= 2 * WINDOW_MS
    backlog = [seq for seq in drain.order if seq <= BACKLOG]
    assert backlog == list(range(1, BACKLOG + 1))


def test_a_store_slower_than_the_gateway_still_gets_the_backlog(outbox: Outbox, hand: HandClock) -> None:
    _seal(outbox, 20)
    drain = _Drain(outbox, hand, 1, offer_ms=45_000)
    asyncio.run(drain.run(60))
    backlog = [seq for seq in drain.order if seq <= 20]
    assert backlog == list(range(1, len(backlog) + 1))
    assert len(backlog) >= 60 // (FRESH_IN_A_ROW + 1) - 3


def test_a_fresh_batch_refused_for_now_is_offered_again_before_the_backlog(
    outbox: Outbox, hand: HandClock
) -> None:
    answers = [
        Answer(AnswerKind.STORED),
        Answer(AnswerKind.UNAVAILABLE, "HTTP 503"),
        Answer(AnswerKind.STORED),
    ]
    sink = ListSink(answer=lambda _: answers.pop(0))
    _seal(outbox, 3)
    uplink = Uplink(outbox, sink, hand.clock(), random.Random(1), seal_time)

    async def work() -> None:
        await uplink.step()
        _seal(outbox, 1)
        for _ in range(2):
            await uplink.step()

    asyncio.run(work())
    assert [seq for _, seq in sink.offered] == [1, 4, 4]
