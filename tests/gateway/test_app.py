from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway import app as app_module
from telemetry.reading import Quality, Reading, ReadingKind
from telemetry.sink import Answer, AnswerKind
from tests.gateway.conftest import (
    NOW_MS,
    PROFILE_ID,
    HandClock,
    ListSink,
    poll,
    spec,
)
from tests.gateway.running import assert_account, rows_of, run_bounded, running_gateway

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK_S", 0.02)


def test_every_reading_arrives_once_and_acks_follow(site: Site, hand: HandClock) -> None:
    sink = ListSink()

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(5)
            await running.until(lambda: len(running.acked) == 30)
            assert_account(running.gateway)
        assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 30
    machine = rows_of(sink, "machine")
    assert sum(int(row["cycles_inc"]) for row in machine if "cycles_inc" in row) == 290
    assert sum(int(row["window_ms"]) for row in machine) == hand.wall + 1 - NOW_MS
    beat = rows_of(sink, "heartbeat")[-1]
    assert (beat["accepted_total"], beat["lost_total"], beat["devices_due"]) == (30, 0, 1)
    assert [row["reason"] for row in rows_of(sink, "epoch")] == ["first"]


def test_a_crash_and_a_restart_lose_nothing_and_double_nothing(site: Site, hand: HandClock) -> None:
    sink = ListSink()

    async def work() -> None:
        for turn in range(4):
            async with running_gateway(site, hand, sink, boot=f"boot-{turn}", crash=turn < 3) as running:
                await running.minutes(2)
                await running.until(lambda running=running: len(running.acked) == 12)  # type: ignore[misc]
                assert_account(running.gateway)
            hand.move(30_000)
        assert running.gateway is not None
        assert running.gateway.account().accepted == 48
        assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 48
    assert [row["reason"] for row in rows_of(sink, "epoch")] == ["first"]
    seqs = [batch.seal.seq for batch in sink.batches]
    assert sorted(seqs) == list(range(1, max(seqs) + 1))


def test_a_store_that_is_away_delays_and_loses_nothing(site: Site, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.UNAVAILABLE, "away"))

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(3)
            await running.until(lambda: bool(running.gateway and running.gateway.outbox.stat().batches))
        assert sink.batches == []
        sink.answer = lambda _: Answer(AnswerKind.STORED)
        async with running_gateway(site, hand, sink, boot="boot-2") as running:
            await running.minutes(1)
        assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 24


def test_a_silent_device_has_rows_without_values(site: Site, hand: HandClock) -> None:
    sink = ListSink()

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            for minute in range(1, 4):
                hand.move(60_000 if minute > 1 else 62_000)
                await running.until(lambda minute=minute: len(rows_of(sink, "machine")) == minute)  # type: ignore[misc]

    run_bounded(work())
    rows = rows_of(sink, "machine")
    assert len(rows) >= 3
    assert {(row["polls_ok"], row["state"], row["readings"]) for row in rows} == {(0, "unknown", 0)}
    assert all(row["unknown_ms"] == row["window_ms"] for row in rows)
    assert {row["devices_up"] for row in rows_of(sink, "heartbeat")} == {0}


def test_identity_is_told_once_though_the_line_comes_back(site: Site, hand: HandClock) -> None:
    sink = ListSink()
    told = {"manufacturer": "Test", "serial": "S1", "source": "register"}

    def identity(serial: str) -> Reading:
        values = {**told, "serial": serial}
        return Reading("r1", ReadingKind.IDENTITY, hand.wall, hand.mono, Quality.GOOD, values, PROFILE_ID)

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            for serial in ("S1", "S1", "S2"):
                hand.move(1000)
                await running.say(identity(serial))
            assert_account(running.gateway)

    run_bounded(work())
    assert [row["serial"] for row in rows_of(sink, "identity")] == ["S1", "S2"]
    assert sink.readings() == 0


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 86_400_000 * 300])
def test_a_clock_step_begins_a_run_and_loses_nothing(site: Site, hand: HandClock, step_ms: int) -> None:
    sink = ListSink()

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(2)
            hand.wall += step_ms
            await running.minutes(2)
            assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 24
    rows = rows_of(sink, "machine")
    assert len(rows) < 20
    assert all(0 < int(row["window_ms"]) <= 60_000 for row in rows)


def test_without_a_clock_readings_wait_and_are_dated_when_it_comes(site: Site, hand: HandClock) -> None:
    sink = ListSink()
    hand.synced, hand.wall = False, 1_000_000

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(3)
            await running.until(lambda: len(running.acked) == 18)
            assert sink.batches == []
            hand.wall, hand.synced = NOW_MS + hand.mono, True
            await running.until(lambda: sink.readings() == 18)
            await running.minutes(1)
            assert_account(running.gateway)

    run_bounded(work())
    assert sink.readings() == 24
    assert all(int(row["time_ms"]) >= NOW_MS for row in rows_of(sink, "machine"))
    assert {batch.seal.clock_state for batch in sink.batches} == {"synced"}


def test_after_the_wait_for_a_clock_batches_say_that_it_is_not_right(site: Site, hand: HandClock) -> None:
    sink = ListSink()
    hand.synced = False

    async def work() -> None:
        async with running_gateway(replace(site, clock_wait_s=120), hand, sink) as running:
            await running.minutes(3)
            # The wait may have ended in mid-minute: its window ends now, whatever a slow machine saw of it.
            hand.move(120_000)
            await running.until(lambda: sink.readings() >= 18)

    run_bounded(work())
    assert {batch.seal.clock_state for batch in sink.batches} == {"unsynced"}
    assert sink.readings() == 18


def test_a_full_outbox_refuses_widens_and_declares(site: Site, hand: HandClock) -> None:
    sink = ListSink(answer=lambda _: Answer(AnswerKind.UNAVAILABLE, "away"))
    refused: list[int] = []
    small = replace(site, limits=replace(site.limits, outbox_bytes=6_000))

    async def work() -> None:
        async with running_gateway(small, hand, sink) as running:
            gateway = running.gateway
            assert gateway is not None
            while not gateway.intake.refuse_reason:
                await running.minutes(1)
                await gateway.tick()
            assert gateway.intake.window_ms == 900_000
            hand.move(1000)
            before = gateway.intake.refusals.polls
            await running.say(poll(hand.wall), poll(hand.wall))
            await gateway.journal.sync()
            assert gateway.intake.refusals.polls == before + 2
            refused.append(gateway.intake.refused_total)
            assert hand.wall not in running.acked
            assert_account(gateway)
        sink.answer = lambda _: Answer(AnswerKind.STORED)
        async with running_gateway(site, hand, sink, boot="boot-2") as running:
            await running.until(lambda: bool(running.gateway and not running.gateway.outbox.stat().batches))
        assert_account(running.gateway)

    run_bounded(work())
    losses = rows_of(sink, "loss")
    assert {(row["device"], row["reason"], row["readings"]) for row in losses} == {("r1", "outbox_full", 0)}
    assert [sum(int(row["polls"]) for row in losses)] == refused


def test_another_devices_reading_is_dropped_and_counted(site: Site, hand: HandClock) -> None:
    sink = ListSink()

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.say(poll(hand.wall, device="stranger"))
            assert running.gateway is not None
            assert running.gateway.intake.foreign == 1
            assert running.acked == [hand.wall]

    run_bounded(work())
    assert sink.readings() == 0


def test_leftovers_of_a_changed_profile_are_read_by_their_own(site: Site, hand: HandClock) -> None:
    sink = ListSink()
    other = replace(spec(), profile_id="test_arm@ffffffffffff")
    changed = replace(site, endpoints=(replace(site.endpoints[0], devices=(other,)),), profile_texts={})

    async def work() -> None:
        async with running_gateway(site, hand, sink, crash=True) as running:
            await running.minutes(1)
            await running.until(lambda: len(running.acked) == 6)
        async with running_gateway(changed, hand, sink, boot="boot-2"):
            pass

    run_bounded(work())
    assert sink.readings() == 6
    assert [row["profile"] for row in rows_of(sink, "machine") if row["readings"]] == [PROFILE_ID] * 2


def test_leftovers_that_nobody_can_read_are_declared_lost(
    site: Site, hand: HandClock, tmp_path: Path
) -> None:
    sink = ListSink()
    other = replace(spec(), profile_id="test_arm@ffffffffffff")
    changed = replace(site, endpoints=(replace(site.endpoints[0], devices=(other,)),), profile_texts={})

    async def work() -> None:
        async with running_gateway(site, hand, sink, crash=True) as running:
            await running.minutes(1)
            await running.until(lambda: len(running.acked) == 6)
        for path in (site.state_dir / "profiles").iterdir():
            path.unlink()
        async with running_gateway(changed, hand, sink, boot="boot-2") as running:
            pass
        assert_account(running.gateway)
        assert running.gateway is not None
        assert running.gateway.account().lost == 6

    run_bounded(work())
    [loss] = rows_of(sink, "loss")
    assert (loss["reason"], loss["readings"]) == ("profile_gone", 6)
    assert rows_of(sink, "heartbeat")[-1]["lost_total"] == 6


def test_on_a_full_disk_the_reserve_is_for_the_account_not_for_readings(
    site: Site, hand: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ListSink()
    real = os.posix_fallocate

    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            gateway = running.gateway
            assert gateway is not None
            await running.minutes(1)
            monkeypatch.setattr(os, "posix_fallocate", full)
            gateway._ballast.drop()
            await gateway.tick()
            assert gateway.intake.refuse_reason == "disk_full"
            await running.minutes(1)
            assert gateway.intake.refused_total == 6
            monkeypatch.setattr(os, "posix_fallocate", real)
            await gateway.tick()
            await running.minutes(1)
            assert_account(gateway)

    run_bounded(work())
    assert sink.readings() == 12
    losses = rows_of(sink, "loss")
    assert {(row["device"], row["reason"]) for row in losses} == {("r1", "disk_full")}
    assert sum(int(row["polls"]) for row in losses) == 6
