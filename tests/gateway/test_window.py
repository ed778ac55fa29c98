"""Is a window's row exactly what was heard in it, its boundaries half-open, its silence declared?"""

from __future__ import annotations

import pytest

from gateway.window import WindowFold
from telemetry.reading import MachineState
from tests.gateway.window_samples import (
    FAULT,
    PROFILE,
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


def test_a_minute_of_work_is_one_row() -> None:
    one = fold()
    rows = add(
        one, [at(second, cycles=second // 5, gauges={"power_w": second}) for second in range(0, 61, 10)]
    )
    (row,) = rows
    assert (row.measurement, row.tags, row.time_ms) == ("machine", {"device": "r1", "gateway": "gw-1"}, 0)
    assert row.fields == {
        "window_ms": 60_000,
        "running_ms": 60_000,
        "ready_ms": 0,
        "paused_ms": 0,
        "fault_ms": 0,
        "off_ms": 0,
        "unknown_ms": 0,
        "state": "running",
        "starts": 0,
        "changes": 0,
        "boots": 0,
        "readings": 6,
        "bad": 0,
        "polls_due": 6,
        "polls_ok": 6,
        "quality": "good",
        "profile": "acme_r1@0123456789ab",
        "late": False,
        "cycles_from": 0,
        "cycles_raw": 10,
        "cycles_inc": 10,
        "cycles_step_max": 2,
        "cycles_step_ms": 10_000,
        "power_w_n": 6,
        "power_w_sum": 150,
        "power_w_min": 0,
        "power_w_max": 50,
    }
    assert one.open_readings == 1


def test_windows_are_half_open() -> None:
    one = fold()
    assert one.add(at(59.999)) == []
    (row,) = add(one, [at(60)])
    assert number(row, "readings") == 1
    (row,) = add(one, [at(119.999), at(120)])
    assert (row.time_ms, number(row, "readings")) == (60_000, 2)


def test_time_across_a_boundary_is_shared_by_the_two_windows() -> None:
    one = fold()
    rows = add(one, [at(55), at(65, READY), at(125)])
    assert [picked(row, "running_ms ready_ms unknown_ms") for row in rows] == [
        {"running_ms": 5_000, "ready_ms": 0, "unknown_ms": 55_000},
        {"running_ms": 5_000, "ready_ms": 0, "unknown_ms": 55_000},
    ]


@pytest.mark.parametrize(("gap_s", "running_ms"), [(20, 20_000), (20.001, 0), (0, 0)])
def test_time_counts_up_to_twice_the_poll_interval(gap_s: float, running_ms: int) -> None:
    one = fold()
    add(one, [at(1), at(1 + gap_s, READY)])
    (row,) = one.finish(60_000)
    assert number(check(row), "running_ms") == running_ms


def test_a_bad_answer_between_two_good_ones_takes_no_time_and_gives_no_value() -> None:
    one = fold()
    add(one, [at(0, cycles=1), bad(10), at(20, cycles=2)])
    (row,) = one.finish(60_000)
    assert picked(check(row), "running_ms unknown_ms readings bad polls_ok cycles_inc") == {
        "running_ms": 20_000,
        "unknown_ms": 40_000,
        "readings": 3,
        "bad": 1,
        "polls_ok": 2,
        "cycles_inc": 1,
    }


def test_only_bad_answers_are_an_unknown_state_of_bad_quality() -> None:
    one = fold()
    add(one, [at(0), bad(61), bad(71)])
    (row,) = one.close_until(120_000)
    assert picked(check(row), "state quality unknown_ms readings bad polls_ok") == {
        "state": "unknown",
        "quality": "bad",
        "unknown_ms": 60_000,
        "readings": 2,
        "bad": 2,
        "polls_ok": 0,
    }


def test_a_good_answer_with_an_unknown_state_is_unknown_time() -> None:
    one = fold()
    add(one, [at(0, MachineState.UNKNOWN), at(10), at(20, MachineState.UNKNOWN), at(30)])
    (row,) = one.finish(60_000)
    assert picked(check(row), "running_ms unknown_ms changes") == {
        "running_ms": 10_000,
        "unknown_ms": 50_000,
        "changes": 0,
    }


def test_a_silent_device_still_gets_its_rows() -> None:
    one = fold()
    add(one, [at(0, cycles=7)])
    rows = [check(row) for row in one.close_until(180_000)]
    assert [row.time_ms for row in rows] == [0, 60_000, 120_000]
    assert [
        picked(row, "polls_due polls_ok unknown_ms state quality cycles_from cycles_raw cycles_inc")
        for row in rows[1:]
    ] == [
        {
            "polls_due": 6,
            "polls_ok": 0,
            "unknown_ms": 60_000,
            "state": "unknown",
            "quality": "bad",
            "cycles_from": 7,
            "cycles_raw": 7,
            "cycles_inc": 0,
        }
    ] * 2
    assert one.close_until(180_000) == []


def test_a_device_never_heard_has_no_counters() -> None:
    (row,) = fold().close_until(60_000)
    assert not [name for name in check(row).fields if name.startswith(("cycles", "run_s", "power_w"))]


def test_a_runs_first_window_starts_when_the_run_does_and_its_last_ends_with_it() -> None:
    one = fold(start_ms=45_000)
    first, last = add(one, [at(50), at(60)]) + [check(row) for row in one.finish(75_000)]
    assert (first.time_ms, number(first, "window_ms")) == (45_000, 15_000)
    assert (last.time_ms, number(last, "window_ms")) == (60_000, 15_000)
    assert picked(first, "running_ms unknown_ms polls_due") == {
        "running_ms": 10_000,
        "unknown_ms": 5_000,
        "polls_due": 2,
    }
    assert picked(last, "running_ms unknown_ms polls_due") == {
        "running_ms": 0,
        "unknown_ms": 15_000,
        "polls_due": 1,
    }


def test_a_run_that_ends_on_the_grid_leaves_no_empty_row() -> None:
    assert [row.time_ms for row in fold().finish(60_000)] == [0]
    assert fold().finish(0) == []


@pytest.mark.parametrize("now_ms", [0, 5_000, 30_000, 59_999])
def test_a_run_never_ends_before_its_last_reading(now_ms: int) -> None:
    one = fold()
    add(one, [at(0), at(10), at(20), at(30)])
    (row,) = one.finish(now_ms)
    assert number(check(row), "readings") == 4
    assert number(row, "window_ms") > 30_000
    assert one.open_readings == 0


def test_a_reading_at_the_very_start_and_end_of_a_run_is_not_lost() -> None:
    one = fold(start_ms=60_000)
    add(one, [at(60)])
    (row,) = one.finish(60_000)
    assert picked(check(row), "window_ms readings") == {"window_ms": 1, "readings": 1}


@pytest.mark.parametrize("window_ms", [7, 70_000, 86_400_001])
def test_a_window_divides_a_day(window_ms: int) -> None:
    with pytest.raises(ValueError, match="does not divide a day"):
        WindowFold(
            gateway="g",
            device="d",
            profile=PROFILE,
            profile_id="p",
            poll_interval_ms=1,
            window_ms=window_ms,
            run_start_ms=0,
        )


@pytest.mark.parametrize(
    ("answers", "poll_ms", "quality"),
    [
        (6, 10_000, "good"),
        (5, 10_000, "uncertain"),
        (9, 6_000, "good"),
        (8, 6_000, "uncertain"),
        (1, 10_000, "uncertain"),
        (0, 10_000, "bad"),
    ],
)
def test_a_window_is_good_when_nine_tenths_of_its_polls_were_answered(
    answers: int, poll_ms: int, quality: str
) -> None:
    one = fold(poll_ms=poll_ms)
    add(one, [at(index * poll_ms / 1000) for index in range(answers)])
    (row,) = one.close_until(60_000)
    assert row.fields["quality"] == quality


def test_polls_due_add_up_over_windows_shorter_than_the_interval() -> None:
    one = fold(poll_ms=90_000)
    assert sum(number(row, "polls_due") for row in one.close_until(540_000)) == 6


def test_starts_and_changes_are_transitions_that_were_seen() -> None:
    one = fold()
    states = [RUNNING, RUNNING, READY, RUNNING, FAULT, MachineState.UNKNOWN, RUNNING]
    add(one, [at(index, state) for index, state in enumerate(states)])
    (row,) = one.close_until(60_000)
    assert picked(row, "starts changes state") == {"starts": 1, "changes": 3, "state": "running"}


def test_a_device_that_restarts_declares_its_reset() -> None:
    one = fold()
    add(one, [at(0, boot=5_000, cycles=900), at(10, boot=5_010, cycles=901), at(20, boot=3, cycles=2)])
    (row,) = one.close_until(60_000)
    assert picked(row, "boots cycles_from cycles_raw cycles_inc cycles_resets cycles_unexplained") == {
        "boots": 1,
        "cycles_from": 900,
        "cycles_raw": 2,
        "cycles_inc": 3,
        "cycles_resets": 1,
        "cycles_unexplained": None,
    }


def test_a_restart_heard_without_its_counters_still_declares_their_reset() -> None:
    one = fold()
    add(
        one,
        [at(0, boot=5_000, cycles=900), at(10, boot=3), at(20, boot=13, cycles=2), at(30, boot=23, cycles=1)],
    )
    (row,) = one.close_until(60_000)
    assert picked(row, "boots cycles_inc cycles_resets cycles_odd") == {
        "boots": 1,
        "cycles_inc": 2,
        "cycles_resets": 1,
        "cycles_odd": 1,
    }


def test_a_rollover_is_counted_across_and_named() -> None:
    one = fold()
    add(one, [at(0, cycles=65_530, run_s=5), at(10, cycles=4, run_s=6)])
    (row,) = one.close_until(60_000)
    assert picked(row, "cycles_inc cycles_rollovers cycles_raw run_s_inc run_s_rollovers") == {
        "cycles_inc": 10,
        "cycles_rollovers": 1,
        "cycles_raw": 4,
        "run_s_inc": 1,
        "run_s_rollovers": None,
    }


def test_a_glitch_stands_in_odd_and_moves_nothing() -> None:
    one = fold()
    add(one, [at(0, cycles=900), at(10, cycles=0), at(20, cycles=901)])
    (row,) = one.close_until(60_000)
    assert picked(row, "cycles_from cycles_raw cycles_inc cycles_odd") == {
        "cycles_from": 900,
        "cycles_raw": 901,
        "cycles_inc": 1,
        "cycles_odd": 1,
    }


def test_a_glitch_at_the_end_of_a_window_is_not_its_raw_value() -> None:
    one = fold()
    first, second = add(
        one, [at(0, cycles=900), at(59, cycles=0), at(61, cycles=0), at(62, cycles=901), at(120)]
    )
    assert picked(first, "cycles_raw cycles_inc cycles_odd") == {
        "cycles_raw": 900,
        "cycles_inc": 0,
        "cycles_odd": 1,
    }
    assert picked(second, "cycles_from cycles_raw cycles_inc") == {
        "cycles_from": 900,
        "cycles_raw": 901,
        "cycles_inc": 1,
    }


def test_squares_are_summed_for_the_cycle_time_only() -> None:
    one = fold()
    add(
        one,
        [
            at(0, gauges={"cycle_time_ms": 3, "power_w": -3}),
            at(1, gauges={"cycle_time_ms": 4, "power_w": -4}),
        ],
    )
    (row,) = one.close_until(60_000)
    assert picked(
        check(row), "cycle_time_ms_sq cycle_time_ms_sum power_w_sq power_w_min power_w_max power_w_sum"
    ) == {
        "cycle_time_ms_sq": 25,
        "cycle_time_ms_sum": 7,
        "power_w_sq": None,
        "power_w_min": -4,
        "power_w_max": -3,
        "power_w_sum": -7,
    }
