from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.schedule import GRID_MS, Due, Schedule


def test_polls_stand_on_the_grid_and_do_not_drift() -> None:
    schedule = Schedule([1000], now_ms=12_345)
    times = []
    for _ in range(100):
        now = schedule.next_ms()
        times.append(now)
        assert schedule.take(now + 7) == [Due(0, 0)]  # each poll a little late: the next is not
    assert times == [12_350 + 1000 * turn for turn in range(100)]


def test_one_wake_up_serves_all_devices_of_a_tick() -> None:
    schedule = Schedule([1000, 500, 1000, 60_000], now_ms=0)
    assert [due.index for due in schedule.take(0)] == [0, 1, 2, 3]
    assert schedule.next_ms() == 500
    assert [due.index for due in schedule.take(500)] == [1]
    assert [due.index for due in schedule.take(1000)] == [0, 1, 2]


def test_an_overrun_is_counted_and_never_queued() -> None:
    schedule = Schedule([1000], now_ms=0)
    assert schedule.take(0) == [Due(0, 0)]
    assert schedule.take(3400) == [Due(0, 2)]  # 1000 is made now; 2000 and 3000 were missed
    assert schedule.overruns == [2]
    assert schedule.take(3400) == []
    assert schedule.next_ms() == 4000


def test_a_long_sleep_costs_one_step() -> None:
    schedule = Schedule([50], now_ms=0)
    schedule.take(0)
    assert schedule.take(10**12) == [Due(0, 10**12 // 50 - 1)]


def test_an_interval_off_the_grid_keeps_its_mean() -> None:
    schedule = Schedule([130], now_ms=0)
    times = []
    for _ in range(6):
        times.append(schedule.next_ms())
        schedule.take(times[-1])
    assert times == [0, 150, 300, 400, 550, 650]


def test_a_phase_moves_the_endpoint() -> None:
    assert Schedule([1000], now_ms=10, phase_ms=100).next_ms() == 150


def test_an_interval_below_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 50"):
        Schedule([49], now_ms=0)


@settings(deadline=None)
@given(
    st.lists(st.integers(50, 5000), min_size=1, max_size=5),
    st.lists(st.integers(0, 20_000), min_size=1, max_size=40),
    st.integers(0, 10_000),
)
def test_every_turn_is_made_or_counted(intervals: list[int], steps: list[int], start: int) -> None:
    schedule = Schedule(intervals, start)
    origin = -(-start // GRID_MS) * GRID_MS
    made, now = [0] * len(intervals), start
    for step in steps:
        now += step
        due = schedule.take(now)
        assert len({one.index for one in due}) == len(due)
        for one in due:
            made[one.index] += 1
        assert schedule.next_ms() > now
    for index, interval in enumerate(intervals):
        turns = sum(
            1
            for turn in range((now - start) // interval + 2)
            if origin + -(-turn * interval // GRID_MS) * GRID_MS <= now
        )
        assert made[index] + schedule.overruns[index] == turns
