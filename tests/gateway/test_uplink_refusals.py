"""A store that refuses batch after batch is doubted: the backlog stays, and what it refused can be offered again."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from gateway import dead_letters as dead_letters_module
from gateway.backoff import TRIES_A_MINUTE
from gateway.http_answer import ForeignAnswer
from gateway.outbox import Outbox
from gateway.uplink import DEAD_IN_A_ROW, HOLD_MS, Uplink
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, ListSink, assert_books, machine, seal_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.seal import Batch

STORED = Answer(AnswerKind.STORED)
INVALID = Answer(AnswerKind.INVALID, "HTTP 400 the seal is wrong")
FOREIGN = ForeignAnswer(AnswerKind.UNAVAILABLE, "HTTP 400, not the store's answer", None, 400)


@pytest.fixture
def outbox(tmp_path: Path, key: Ed25519PrivateKey) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "outbox", "g1", key)
    yield box
    box.close()


def _fill(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.append([machine(NOW_MS + outbox.newest * 60_000, 10)], seal_time())


class _Line:
    """An uplink whose waits move a clock; notes when each offer was made."""

    def __init__(self, outbox: Outbox, hand: HandClock, answer: Callable[[Batch], Answer]) -> None:
        self.sink = ListSink(answer=answer)
        self.uplink = Uplink(outbox, self.sink, hand.clock(), random.Random(3), seal_time)
        self.hand = hand
        self.offers_ms: list[int] = []

    def steps(self, count: int, until: Callable[[], bool] = lambda: False) -> None:
        async def work() -> None:
            for _ in range(count):
                if until():
                    return
                before = len(self.sink.offered)
                wait_s = await self.uplink.step()
                if len(self.sink.offered) > before:
                    self.offers_ms.append(self.hand.mono)
                self.hand.move(15_000 if wait_s is None else int(wait_s * 1000) + 1)

        asyncio.run(work())

    def most_in_a_minute(self) -> int:
        return max(sum(at <= other < at + 60_000 for other in self.offers_ms) for at in self.offers_ms)


def test_a_store_that_refuses_everything_costs_three_batches(outbox: Outbox, hand: HandClock) -> None:
    _fill(outbox, 200)
    line = _Line(outbox, hand, lambda _: INVALID)
    line.steps(60)
    stat = outbox.stat()
    assert (stat.dead_lettered, stat.buffered) == (10 * DEAD_IN_A_ROW, 2000 - 10 * DEAD_IN_A_ROW)
    assert line.most_in_a_minute() <= TRIES_A_MINUTE
    assert (line.uplink.state.is_doubted, line.uplink.state.is_up) == (True, False)
    line.sink.answer = lambda _: STORED
    line.steps(400, lambda: outbox.next_unsent() is None)
    assert line.sink.readings() == 2000 - 10 * DEAD_IN_A_ROW
    assert (line.uplink.state.is_doubted, line.uplink.state.is_up) == (False, True)
    assert_books(outbox)


def test_no_matter_what_stands_between_them_six_refusals_a_minute(outbox: Outbox, hand: HandClock) -> None:
    _fill(outbox, 120)
    refused_ms: list[int] = []

    def answer(batch: Batch) -> Answer:
        if batch.seal.seq % 2:
            refused_ms.append(hand.mono)
            return INVALID
        return STORED

    _Line(outbox, hand, answer).steps(400, lambda: outbox.next_unsent() is None)
    assert len(refused_ms) == 60
    assert max(sum(at <= other < at + 60_000 for other in refused_ms) for at in refused_ms) <= TRIES_A_MINUTE
    assert outbox.stat().dead_lettered == 600


def test_a_row_of_bad_batches_does_not_keep_the_good_ones_back(outbox: Outbox, hand: HandClock) -> None:
    _fill(outbox, 12)
    line = _Line(outbox, hand, lambda batch: INVALID if batch.seal.seq <= 8 else STORED)
    line.steps(100, lambda: outbox.next_unsent() is None)
    stat = outbox.stat()
    assert (stat.delivered, stat.dead_lettered, stat.buffered) == (40, 80, 0)
    assert len(outbox.dead_letters.paths()) == 8


@pytest.mark.parametrize("bound", [("DEAD_LETTERS_MAX", 2), ("DEAD_LETTER_BYTES_MAX", 1500)])
def test_without_room_for_dead_letters_batches_stay_and_none_is_dropped(
    outbox: Outbox, hand: HandClock, monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int]
) -> None:
    monkeypatch.setattr(dead_letters_module, *bound)
    _fill(outbox, 9)
    line = _Line(outbox, hand, lambda batch: INVALID if batch.seal.seq % 2 else STORED)
    line.steps(40)
    letters = len(outbox.dead_letters.paths())
    assert 0 < letters < 4
    stat = outbox.stat()
    assert (stat.delivered, stat.dead_lettered, stat.buffered) == (40, 10 * letters, 50 - 10 * letters)
    monkeypatch.undo()
    hand.move(HOLD_MS)
    line.steps(4)
    _fill(outbox, 1)
    line.steps(40, lambda: outbox.next_unsent() is None)
    assert len(outbox.dead_letters.paths()) == 5
    assert_books(outbox)


def test_an_answer_that_is_not_the_stores_costs_nothing(outbox: Outbox, hand: HandClock) -> None:
    _fill(outbox, 50)
    line = _Line(outbox, hand, lambda _: FOREIGN)
    line.steps(40)
    assert (outbox.stat().dead_lettered, outbox.stat().buffered) == (0, 500)
    assert line.uplink.state.foreign == {400: 40}
    assert line.most_in_a_minute() <= TRIES_A_MINUTE


def test_too_large_for_everything_is_no_hammering(outbox: Outbox, hand: HandClock) -> None:
    _fill(outbox, 50)
    line = _Line(outbox, hand, lambda _: Answer(AnswerKind.TOO_LARGE, "HTTP 413"))
    line.steps(40)
    assert line.most_in_a_minute() <= TRIES_A_MINUTE
    assert outbox.stat().buffered == 500


@pytest.mark.parametrize("kind", list(AnswerKind))
def test_a_store_is_up_when_it_stored_the_last_batch(
    outbox: Outbox, hand: HandClock, kind: AnswerKind
) -> None:
    _fill(outbox, 2)
    line = _Line(outbox, hand, lambda _: STORED)
    line.steps(1)
    assert line.uplink.state.is_up
    line.sink.answer = lambda _: Answer(kind, "HTTP")
    line.steps(1)
    assert line.uplink.state.is_up is (kind is AnswerKind.STORED)
