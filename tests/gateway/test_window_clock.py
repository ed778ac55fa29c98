"""Do windows keep every reading and every millisecond when readings come late, or the clock steps and leaps?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.window import LATE_WINDOWS_MAX, SILENCE_MAX_MS, WindowFold
from telemetry.counter import CounterRule, CounterTrack, step_counters
from telemetry.reading import MachineState, Quality, Sample
from tests.gateway.window_samples import (
    FAULT,
    READY,
    RUNNING,
    add,
    at,
    bad,
    check,
    fold,
    number,
    picked,
)

if TYPE_CHECKING:
    from telemetry.line import Row


def test_late_readings_make_a_second_row_without_time_or_increase() -> None:
    one = fold()
    add(one, [at(0, cycles=1), at(130, cycles=9)])
    assert one.add(at(70, cycles=4)) == []
    assert one.add(bad(75)) == []
    assert one.add(at(80, cycles=6)) == []
    assert one.open_readings == 1 + 3
    (row,) = one.close_until(130_000)
    assert one.open_readings == 1
    assert row.time_ms == 60_000
    wanted = "late window_ms unknown_ms readings bad polls_due polls_ok cycles_from cycles_raw cycles_inc"
    assert picked(check(row), wanted) == {
        "late": True,
        "window_ms": 60_000,
        "unknown_ms": 60_000,
        "readings": 3,
        "bad": 1,
        "polls_due": 0,
        "polls_ok": 0,
        "cycles_from": 4,
        "cycles_raw": 6,
        "cycles_inc": None,
    }


def test_a_millisecond_late_is_late() -> None:
    one = fold()
    add(one, [at(60)])
    one.add(at(59.999))
    assert [(row.time_ms, row.fields["late"]) for row in one.close_until(60_000)] == [(0, True)]


def test_a_late_reading_does_not_move_the_counter_back() -> None:
    one = fold()
    add(one, [at(0, cycles=1), at(70, cycles=9)])
    one.add(at(30, cycles=4))
    (row,) = [row for row in one.close_until(120_000) if not row.fields["late"]]
    assert picked(row, "cycles_from cycles_raw cycles_odd") == {
        "cycles_from": 1,
        "cycles_raw": 9,
        "cycles_odd": None,
    }


def test_late_windows_are_bounded() -> None:
    one = fold(start_ms=(LATE_WINDOWS_MAX + 5) * 60_000)
    rows = [row for index in range(LATE_WINDOWS_MAX + 1) for row in one.add(at(index * 60))]
    assert [number(check(row), "readings") for row in rows] == [1] * LATE_WINDOWS_MAX
    assert [row.time_ms for row in rows] == sorted(row.time_ms for row in rows)
    assert one.open_readings == 1


def test_a_clock_that_steps_back_inside_a_window_credits_no_time_twice() -> None:
    one = fold()
    add(one, [at(10), at(30), at(15), at(31), at(20), at(40)])
    (row,) = one.close_until(60_000)
    assert picked(check(row), "running_ms readings") == {"running_ms": 30_000, "readings": 6}


def test_a_clock_that_leaps_from_1970_does_not_make_a_row_for_every_minute_since() -> None:
    now_s = 1_538_352_030
    one = fold()
    rows = add(one, [at(5, cycles=7), at(now_s, cycles=7), at(now_s + 10, cycles=8)])
    rows += [check(row) for row in one.finish((now_s + 30) * 1000)]
    assert [row.time_ms for row in rows] == [0, now_s * 1000]
    assert [picked(row, "window_ms readings cycles_from cycles_raw") for row in rows] == [
        {"window_ms": 60_000, "readings": 1, "cycles_from": 7, "cycles_raw": 7},
        {"window_ms": 30_000, "readings": 2, "cycles_from": 7, "cycles_raw": 8},
    ]


def test_a_silence_of_a_day_is_still_declared_minute_by_minute() -> None:
    assert len(fold().close_until(SILENCE_MAX_MS)) == SILENCE_MAX_MS // 60_000
    assert len(fold().close_until(SILENCE_MAX_MS + 60_001)) == 1


def test_a_device_cannot_say_what_its_row_cannot_carry() -> None:
    one = fold()
    add(one, [at(second, gauges={"cycle_time_ms": 10**12, "power_w": 10**12}) for second in range(50)])
    (row,) = one.close_until(60_000)
    assert picked(check(row), "cycle_time_ms_sq cycle_time_ms_n power_w_sum") == {
        "cycle_time_ms_sq": None,
        "cycle_time_ms_n": 50,
        "power_w_sum": 50 * 10**12,
    }


OPS = st.one_of(
    st.just(("close", 0, Quality.GOOD, RUNNING, {}, None)),
    st.tuples(
        st.just("add"),
        st.one_of(
            st.integers(0, 25_000), st.integers(-90_000, 200_000), st.sampled_from([0, 1, 60_000, 10**11])
        ),
        st.sampled_from(Quality),
        st.sampled_from(MachineState),
        st.dictionaries(
            st.sampled_from(["cycles", "run_s"]), st.one_of(st.integers(0, 40), st.integers(0, 70_000))
        ),
        st.one_of(st.none(), st.integers(0, 50)),
    ),
)
SCHEDULES = st.lists(OPS, max_size=40)
Op = tuple[str, int, Quality, MachineState, dict[str, int], int | None]


def samples_of(schedule: list[Op], start_ms: int) -> list[Sample | None]:
    """Make a schedule's samples, dated one after the other by a clock that may step; None: close what has ended."""
    now_ms, out = start_ms, list[Sample | None]()
    for name, gap_ms, quality, state, counters, boot in schedule:
        now_ms = max(0, now_ms + gap_ms)
        sample = at(now_ms / 1000, state, quality=quality, boot=boot, gauges={"power_w": gap_ms}, **counters)
        out.append(None if name == "close" else sample)
    return out


def rows_of(one: WindowFold, samples: list[Sample | None]) -> list[Row]:
    """Fold a schedule to its end and assert after each step that no reading is lost or counted twice."""
    rows: list[Row] = []
    heard = now_ms = 0
    for sample in samples:
        if sample is None:
            rows += one.close_until(now_ms)
        else:
            now_ms, heard = sample.at_ms, heard + 1
            rows += one.add(sample)
        assert heard == sum(number(row, "readings") for row in rows) + one.open_readings
    rows += one.finish(now_ms)
    assert one.open_readings == 0
    assert heard == sum(number(row, "readings") for row in rows)
    return rows


STARTS = st.integers(0, 200_000)


@settings(max_examples=120, deadline=None)
@given(SCHEDULES, STARTS)
def test_no_reading_is_lost_and_every_rows_times_sum_to_its_window(schedule: list[Op], start_ms: int) -> None:
    for row in rows_of(fold(start_ms), samples_of(schedule, start_ms)):
        check(row)
        assert number(row, "bad") <= number(row, "readings")


@settings(max_examples=120, deadline=None)
@given(SCHEDULES, STARTS)
def test_windows_follow_each_other_without_gap_or_overlap(schedule: list[Op], start_ms: int) -> None:
    steady = [op for op in schedule if 0 <= op[1] < SILENCE_MAX_MS]
    rows = [row for row in rows_of(fold(start_ms), samples_of(steady, start_ms)) if not row.fields["late"]]
    end_ms = start_ms
    for row in rows:
        assert row.time_ms == end_ms
        end_ms += number(row, "window_ms")
        assert row is rows[-1] or end_ms % 60_000 == 0
    assert sum(number(row, "polls_due") for row in rows) == end_ms // 10_000 - start_ms // 10_000


@settings(max_examples=120, deadline=None)
@given(SCHEDULES, STARTS)
def test_counters_are_conserved_across_windows(schedule: list[Op], start_ms: int) -> None:
    """What the rows add up to is what following the accepted samples without any windows gives."""
    steady = [op for op in schedule if 0 <= op[1] < SILENCE_MAX_MS]
    samples = samples_of(steady, start_ms)
    rows = rows_of(fold(start_ms), samples)
    tracks = {"cycles": CounterTrack(CounterRule(60, 65_536)), "run_s": CounterTrack(CounterRule(60))}
    summed, boot, booted = dict.fromkeys(tracks, 0), None, False
    for sample in samples:
        if sample is None or sample.quality is Quality.BAD:
            continue
        booted |= sample.boot_clock is not None and boot is not None and sample.boot_clock < boot
        boot = boot if sample.boot_clock is None else sample.boot_clock
        if not sample.counters:
            continue
        for name, step in step_counters(tracks, sample.counters, sample.at_ms, booted=booted).items():
            summed[name] += step.increase
        booted = False
    for name, total in summed.items():
        assert sum(number(row, f"{name}_inc") for row in rows if f"{name}_inc" in row.fields) == total


@settings(max_examples=120, deadline=None)
@given(SCHEDULES, STARTS)
def test_within_a_run_each_row_goes_on_where_the_one_before_ended(schedule: list[Op], start_ms: int) -> None:
    rows = [row for row in rows_of(fold(start_ms), samples_of(schedule, start_ms)) if not row.fields["late"]]
    for name in ("cycles", "run_s"):
        last: int | None = None
        for row in rows:
            if f"{name}_raw" not in row.fields:
                assert last is None, "once heard, a counter stands in every row"
                continue
            first, raw, increase = (number(row, f"{name}_{suffix}") for suffix in ("from", "raw", "inc"))
            assert last in {None, first}
            if not {f"{name}_resets", f"{name}_rollovers", f"{name}_unexplained"} & set(row.fields):
                assert increase == raw - first
            assert 0 <= number(row, f"{name}_step_max") <= increase
            assert number(row, f"{name}_step_ms") >= 0
            last = raw


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 20_000), st.sampled_from([RUNNING, READY, FAULT])), min_size=2, max_size=60
    )
)
def test_a_device_heard_in_time_has_no_unknown_time(heard: list[tuple[int, MachineState]]) -> None:
    one, now_ms, spent = fold(), 0, dict.fromkeys((RUNNING, READY, FAULT), 0)
    rows, state = one.add(at(0)), RUNNING
    for gap_ms, following in heard:
        now_ms += gap_ms
        spent[state] += gap_ms
        state = following
        rows += one.add(at(now_ms / 1000, state))
    rows += one.finish(now_ms)
    for wanted, spent_ms in spent.items():
        assert sum(number(check(row), f"{wanted}_ms") for row in rows) == spent_ms
    assert sum(number(row, "unknown_ms") for row in rows) <= 1, "the last reading's own millisecond"
