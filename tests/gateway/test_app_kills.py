"""Whatever the moment of a kill, the figures do not change: seeded runs with kills, partitions and small clock steps."""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway import app as app_module
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import HandClock, ListSink, poll
from tests.gateway.running import assert_account, rows_of, run_bounded, running_gateway

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site
    from tests.gateway.running import Running


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK_S", 0.01)


def _copy(source: Path, target: Path) -> None:
    """Take the disk as a kill would leave it; files may come and go meanwhile, as they may under a kill."""
    shutil.rmtree(target, ignore_errors=True)
    for _ in range(5):
        try:
            shutil.copytree(source, target, dirs_exist_ok=False)
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(target, ignore_errors=True)
        else:
            return
    raise AssertionError("the directory never stood still")


async def _storm(running: Running, sink: ListSink, chance: random.Random) -> None:
    hand = running.hand
    for _ in range(chance.randint(5, 40)):
        hand.move(chance.choice([1_000, 10_000, 29_000]))
        if chance.random() < 0.1:
            hand.wall += chance.choice([-20_000, -1_000, 500, 40_000])
        if chance.random() < 0.2:
            kind = chance.choice([AnswerKind.STORED, AnswerKind.STORED, AnswerKind.UNAVAILABLE])
            sink.answer = lambda _, kind=kind: Answer(kind, "", 0.0)  # type: ignore[misc]
        await running.say(poll(hand.wall, hand.mono // 1000, mono_ms=hand.mono))
        for _ in range(chance.randint(0, 4)):
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
def test_a_kill_at_any_moment_changes_no_figure(
    site: Site, hand: HandClock, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    sink = ListSink()
    said = acked = 0

    async def work() -> None:
        nonlocal said, acked
        for turn in range(5):
            async with running_gateway(site, hand, sink, boot=f"boot-{turn}", crash=True) as running:
                await _storm(running, sink, chance)
                said += running.script.spoken
                acked += len(running.acked)
                kept = list(sink.batches)
                _copy(site.state_dir, tmp_path / "image")
            shutil.rmtree(site.state_dir)
            shutil.move(tmp_path / "image", site.state_dir)
            sink.batches = kept
            hand.move(chance.choice([0, 5_000, 200_000]))
        sink.answer = lambda _: Answer(AnswerKind.STORED)
        async with running_gateway(site, hand, sink, boot="boot-last") as running:
            await running.minutes(1)
            said += running.script.spoken
            acked += running.script.spoken
            await running.until(lambda: bool(running.gateway and not running.gateway.outbox.stat().batches))
        assert_account(running.gateway)
        assert running.gateway is not None
        account = running.gateway.account()
        assert (account.open, account.lost, account.quarantined, account.dead_lettered) == (0, 0, 0, 0)
        assert account.accepted == account.delivered == sink.readings()

    run_bounded(work())
    assert acked <= sink.readings() <= said
    assert [row["reason"] for row in rows_of(sink, "epoch")] == ["first"]
    seqs = [batch.seal.seq for batch in sink.batches]
    assert sorted(seqs) == list(range(1, len(seqs) + 1))


def test_a_cloned_disk_conflicts_and_every_reading_still_counts_once(
    site: Site, hand: HandClock, tmp_path: Path
) -> None:
    """Two gateways run from one image: the second one's batches clash, and go on under an epoch of their own."""
    sink = ListSink()
    clone = replace(site, state_dir=tmp_path / "clone")

    def answer(batch: object) -> Answer:
        seal = batch.seal  # type: ignore[attr-defined]
        clash = any(
            (known.seal.epoch, known.seal.seq) == (seal.epoch, seal.seq) and known.seal.sha256 != seal.sha256
            for known in sink.batches
        )
        return Answer(AnswerKind.CONFLICT, "HTTP 409") if clash else Answer(AnswerKind.STORED)

    sink.answer = answer

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(2)
        shutil.copytree(site.state_dir, clone.state_dir)
        for number, which in enumerate((site, clone)):
            async with running_gateway(which, hand, sink, boot=f"boot-{number}") as running:
                await running.minutes(3)
                await running.until(lambda running=running: not running.gateway.outbox.stat().batches)  # type: ignore[misc]
            assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 12 + 18 + 18
    assert sorted(str(row["reason"]) for row in rows_of(sink, "epoch")) == ["conflict", "first"]
