from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from gateway.backoff import RETRY_AFTER_MAX_S
from gateway.outbox import Outbox
from gateway.uplink import PAUSE_S, Uplink
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import NOW_MS, HandClock, ListSink, machine, seal_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.seal import Batch

STORED = Answer(AnswerKind.STORED)


@pytest.fixture
def outbox(tmp_path: Path, key: Ed25519PrivateKey) -> Iterator[Outbox]:
    box = Outbox.open(tmp_path / "outbox", "g1", key)
    yield box
    box.close()


def _fill(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.append([machine(NOW_MS + outbox.newest * 60_000, 10)], seal_time())


def _uplink(outbox: Outbox, sink: ListSink, hand: HandClock) -> Uplink:
    return Uplink(outbox, sink, hand.clock(), random.Random(7), seal_time)


def _steps(uplink: Uplink, count: int) -> list[float | None]:
    async def work() -> list[float | None]:
        async with asyncio.timeout(20):
            return [await uplink.step() for _ in range(count)]

    return asyncio.run(work())


def _seqs(sink: ListSink) -> list[int]:
    return [seq for _, seq in sink.offered]


def test_the_newest_goes_first_then_the_backlog_oldest_first(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink()
    _fill(outbox, 4)
    uplink = _uplink(outbox, sink, hand)
    assert _steps(uplink, 2) == [0.0, 0.0]
    _fill(outbox, 1)
    _steps(uplink, 2)
    _fill(outbox, 1)
    assert _steps(uplink, 3)[-1] is None
    assert _seqs(sink) == [1, 2, 5, 3, 6, 4]
    assert outbox.next_unsent() is None


def test_no_answer_keeps_and_waits(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.UNAVAILABLE, "HTTP 503"))
    _fill(outbox, 2)
    [wait] = _steps(_uplink(outbox, sink, hand), 1)
    assert wait is not None
    assert 1.0 <= wait <= 60.0
    assert outbox.next_unsent() == 1


@pytest.mark.parametrize(
    ("wish", "least", "most"), [(30.0, 30.0, 60.0), (86_400.0, 600.0, 600.0), (0.0, 1.0, 60.0)]
)
def test_retry_after_is_obeyed_up_to_ten_minutes(
    outbox: Outbox, hand: HandClock, wish: float, least: float, most: float
) -> None:
    assert RETRY_AFTER_MAX_S == 600
    sink = ListSink(answer=lambda _: Answer(AnswerKind.UNAVAILABLE, "HTTP 429", wish))
    _fill(outbox, 1)
    [wait] = _steps(_uplink(outbox, sink, hand), 1)
    assert wait is not None
    assert least <= wait <= most


def test_at_most_six_tries_a_minute(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.UNAVAILABLE, "away"))
    _fill(outbox, 1)
    uplink = _uplink(outbox, sink, hand)
    tries: list[int] = []
    for _ in range(60):
        tries.append(hand.mono)
        [wait] = _steps(uplink, 1)
        assert wait is not None
        hand.move(int(wait * 1000) + 1)
    for index in range(len(tries) - 6):
        assert tries[index + 6] - tries[index] >= 60_000


def test_forbidden_keeps_and_pauses(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.FORBIDDEN, "HTTP 401"))
    _fill(outbox, 1)
    uplink = _uplink(outbox, sink, hand)
    [wait] = _steps(uplink, 1)
    assert wait is not None
    assert wait >= PAUSE_S
    assert outbox.next_unsent() == 1
    assert not uplink.state.is_up


def test_an_invalid_batch_becomes_a_dead_letter_and_the_rest_goes_on(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(
        answer=lambda batch: Answer(AnswerKind.INVALID, "HTTP 400") if batch.seal.seq == 2 else STORED
    )
    _fill(outbox, 3)
    assert _steps(_uplink(outbox, sink, hand), 4) == [0.0, 0.0, 0.0, None]
    stat = outbox.stat()
    assert (stat.delivered, stat.dead_lettered, stat.buffered) == (20, 10, 0)
    assert len(outbox.owed()) == 1


def test_too_large_is_passed_over_and_kept(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(
        answer=lambda batch: Answer(AnswerKind.TOO_LARGE, "HTTP 413") if batch.seal.seq == 1 else STORED
    )
    _fill(outbox, 2)
    uplink = _uplink(outbox, sink, hand)
    assert _steps(uplink, 3) == [0.0, 0.0, None]
    assert _seqs(sink) == [1, 2]
    assert outbox.next_unsent() == 1
    hand.move(3_600_001)
    sink.answer = lambda _: STORED
    _steps(uplink, 1)
    assert outbox.next_unsent() is None


def test_a_conflict_seals_anew_only_what_conflicts(outbox: Outbox, hand: HandClock) -> None:
    """Batch 3 was stored and its ack lost: it must be taken as known, not sealed a second time."""
    _fill(outbox, 4)
    old = outbox.place.epoch
    sink = ListSink()
    known = outbox.batch(3)
    assert known is not None
    sink.batches.append(known)

    def answer(batch: Batch) -> Answer:
        clash = batch.seal.epoch == old and batch.seal.seq in {1, 2}
        return Answer(AnswerKind.CONFLICT, "HTTP 409") if clash else STORED

    sink.answer = answer
    steps = _steps(_uplink(outbox, sink, hand), 8)
    assert steps[-1] is None
    assert [(epoch == old, seq) for epoch, seq in sink.offered] == [
        (True, 1),
        (True, 2),
        (True, 3),
        (True, 4),
        (False, 2),
        (False, 1),
    ]
    assert sink.readings() == 40
    stat = outbox.stat()
    assert (stat.rowed, stat.delivered, stat.buffered) == (40, 40, 0)


def test_a_store_that_always_conflicts_is_not_fed_epochs(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.CONFLICT, "HTTP 409"))
    _fill(outbox, 2)
    uplink = _uplink(outbox, sink, hand)
    _steps(uplink, 30)
    assert len({epoch for epoch, _ in sink.offered}) == 2
    hand.move(600_001)
    _steps(uplink, 30)
    assert len({epoch for epoch, _ in sink.offered}) == 3
    assert outbox.stat().buffered == 20


def test_run_wakes_for_a_new_batch_and_flushes_its_acks(
    outbox: Outbox, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ListSink()

    async def work() -> None:
        uplink = _uplink(outbox, sink, hand)
        task = asyncio.create_task(uplink.run())
        await asyncio.sleep(0)
        _fill(outbox, 2)
        uplink.wake()
        flushed = asyncio.Event()
        loop = asyncio.get_running_loop()
        real = outbox.flush

        def flush() -> None:
            real()
            if len(sink.batches) == 2:
                loop.call_soon_threadsafe(flushed.set)

        monkeypatch.setattr(outbox, "flush", flush)
        async with asyncio.timeout(10):
            await flushed.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(work())
    assert outbox.next_unsent() is None
    assert outbox._unsaved == 0


def test_drain_ends_when_the_store_does_not_take(outbox: Outbox, hand: HandClock) -> None:
    sink = ListSink(answer=lambda batch: STORED if batch.seal.seq < 3 else Answer(AnswerKind.UNAVAILABLE))
    _fill(outbox, 5)

    async def work() -> None:
        async with asyncio.timeout(10):
            await _uplink(outbox, sink, hand).drain()

    asyncio.run(work())
    assert outbox.next_unsent() == 3
