"""Clocks step, drift, are in the wrong zone or were never set: nothing is lost, nothing counts twice, nothing is misdated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway import app as app_module
from telemetry.seal import read_lines, write_public_key
from telemetry.sink import Answer, AnswerKind
from tests.e2e.evidence import DAY_MS, MINUTE, POLL_MS, START_MS, Line, days_of, gather, open_store, said
from tests.e2e.figures import FIGURES, Figure
from tests.gateway.conftest import HandClock, ListSink, poll, spec
from tests.gateway.conftest import site as site_fixture
from tests.gateway.running import assert_account, run_bounded, running_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.config import Site
    from store.embedded import EmbeddedStore
    from telemetry.seal import Batch

HOUR = 60 * MINUTE
site = site_fixture


@pytest.fixture
def hand() -> HandClock:
    return HandClock(wall=START_MS + 8 * HOUR)


@pytest.fixture(autouse=True)
def _quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK_S", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


class StoreSink(ListSink):
    """A real store whose own clock is right, while the gateway's may not be."""

    def __init__(self, store: EmbeddedStore, true_ms: list[int]) -> None:
        super().__init__(answer=self._store)
        self.store, self.true_ms = store, true_ms

    def _store(self, batch: Batch) -> Answer:
        return self.store.write_many([(batch, self.true_ms[0])])[0]


def enrol(store: EmbeddedStore, site: Site) -> None:
    from gateway.keys import load_private_key

    public = write_public_key(load_private_key(site.key_file).public_key())
    store.enrol("g1", public, kind="edge", from_ms=0, at_ms=START_MS)


def run_with_steps(site: Site, hand: HandClock, store: EmbeddedStore, steps: list[int]) -> StoreSink:
    """Ten minutes of polls between steps of the wall clock (ms); true time goes on evenly."""
    enrol(store, site)
    true_ms = [hand.wall]
    sink = StoreSink(store, true_ms)
    start_mono = hand.mono
    cycles = [0]

    async def minutes(running: object, count: int) -> None:
        for _ in range(count * 6):
            hand.move(10_000)
            true_ms[0] = START_MS + 8 * HOUR + hand.mono - start_mono
            cycles[0] += 1
            await running.say(poll(hand.wall, cycles[0], mono_ms=hand.mono))  # type: ignore[attr-defined]

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await minutes(running, 10)
            for step_ms in steps:
                hand.wall += step_ms
                await minutes(running, 10)
        assert_account(running.gateway)
        assert running.gateway is not None
        account = running.gateway.account()
        assert (account.lost, account.open, account.buffered) == (0, 0, 0)
        assert account.delivered == 60 * (len(steps) + 1)

    run_bounded(work())
    return sink


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("a second and back", [1_000, -1_000]),
        ("an hour back", [-HOUR]),
        ("an hour forth and back", [HOUR, -HOUR]),
        ("UTC taken for +08:00", [8 * HOUR]),
        ("a day forth and back", [DAY_MS, -DAY_MS]),
    ],
)
def test_steps_lose_nothing_and_work_no_second_twice(
    site: Site, hand: HandClock, store: EmbeddedStore, name: str, steps: list[int]
) -> None:
    slow = replace(site, endpoints=(replace(site.endpoints[0], devices=(spec(poll_interval_ms=10_000),)),))
    sink = run_with_steps(slow, hand, store, steps)
    polls = 60 * (len(steps) + 1)
    assert sink.readings() == polls
    days = days_of(gather(store))
    true_ms = polls * POLL_MS
    assert sum(day.worked_ms for day in days) <= true_ms
    counters = [day.counters["cycles"] for day in days]
    assert sum(counter.inc + counter.unheard_inc for counter in counters) <= polls
    rows = [row for day in store.days("machine") for row in store.scan(day, "machine").to_pylist()]
    assert sum(row["readings"] for row in rows) == polls
    assert min(row["unknown_ms"] for row in rows) >= 0
    far = [row for row in rows if row["quarantined"]]
    assert all(row["time_ms"] > row["received_ms"] + 600_000 for row in far)
    is_far = any(abs(step) > 600_000 for step in steps if step > 0)
    assert bool(far) is is_far
    FIGURES.append(
        Figure(
            f"clock: {name}",
            polls,
            sum(row["readings"] for row in rows),
            0,
            0,
            0,
            f"{len(far)} rows quarantined",
        )
    )


def test_a_gateway_without_ntp_is_recorded_as_such(site: Site, hand: HandClock, store: EmbeddedStore) -> None:
    """After its wait it seals with `unsynced`: stored, kept out of the figures, not lost."""
    hand.synced = False
    sink = run_with_steps(replace(site, clock_wait_s=0), hand, store, [])
    assert {batch.seal.clock_state for batch in sink.batches} == {"unsynced"}
    assert days_of(gather(store)) == ()
    rows = [row for day in store.days("batch") for row in store.scan(day, "batch").to_pylist()]
    assert {row["clock_state"] for row in rows} == {"unsynced"}
    assert sink.readings() == 60


def test_a_clock_from_1970_is_not_believed_and_not_lost(
    site: Site, hand: HandClock, store: EmbeddedStore
) -> None:
    """A box without a battery that claims to be synchronised: more than 400 days off, so quarantined by receive time."""
    true_start = hand.wall
    hand.wall = 1_000_000 * MINUTE // 1000
    enrol(store, site)
    sink = StoreSink(store, [true_start])

    async def work() -> None:
        async with running_gateway(site, hand, sink) as running:
            await running.minutes(3)

    run_bounded(work())
    rows = [row for day in store.days("machine") for row in store.scan(day, "machine").to_pylist()]
    store.apply()
    rows = [row for day in store.days("machine") for row in store.scan(day, "machine").to_pylist()]
    assert sum(row["readings"] for row in rows) == 18
    assert all(row["quarantined"] for row in rows)
    assert len(store.days("machine")) == 1, "a wrong clock opens no days"
    assert days_of(gather(store)) == ()


def test_drift_within_bounds_changes_no_figure(store: EmbeddedStore) -> None:
    """A clock one percent fast, never set: after an hour 36 s ahead; every poll counts, time never exceeds the true time."""
    readings = [said(START_MS + n * (POLL_MS + POLL_MS // 100), n) for n in range(360)]
    Line(store).tell(readings, received_ms=START_MS + 360 * POLL_MS)
    (day,) = days_of(gather(store))
    assert day.readings == 360
    assert day.counters["cycles"].inc == 359
    assert day.worked_ms <= 360 * POLL_MS * 101 // 100


def test_every_batch_tells_its_clock(site: Site, hand: HandClock, store: EmbeddedStore) -> None:
    sink = run_with_steps(site, hand, store, [HOUR])
    for batch in sink.batches:
        beats = [line for line in read_lines(batch) if line.measurement == "heartbeat"]
        assert {line.fields["clock_state"] for line in beats} <= {"synced"}
        assert batch.seal.mono_ms > 0
        assert batch.seal.boot == "boot-1"
    offsets = {batch.seal.sealed_ms - batch.seal.mono_ms for batch in sink.batches}
    assert offsets <= {START_MS + 8 * HOUR - 1_000, START_MS + 9 * HOUR - 1_000}


def test_a_stored_answer_needs_no_right_clock(store: EmbeddedStore) -> None:
    line = Line(store)
    batch = line.seal(line.fold([said(START_MS + 30 * DAY_MS, 1)]), START_MS + 30 * DAY_MS)
    assert store.write_many([(batch, START_MS)])[0].kind is AnswerKind.STORED
