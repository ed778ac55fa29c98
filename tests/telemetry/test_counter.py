"""Are the recorded counter accidents of other projects judged rightly, one by one?

The sequences are those of the issues named in each test, in the issue's own unit scaled to integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.counter import AGREEING, CounterRule, CounterTrack, Step, StepKind, step_counters

if TYPE_CHECKING:
    from collections.abc import Sequence

Judged = list[tuple[StepKind, int]]
FIRST, NORMAL, ODD = StepKind.FIRST, StepKind.NORMAL, StepKind.ODD
ROLLOVER, DECLARED, UNEXPLAINED = StepKind.ROLLOVER, StepKind.DECLARED, StepKind.UNEXPLAINED


def track(rate: int = 100, modulus: int | None = None) -> CounterTrack:
    return CounterTrack(CounterRule(rate, modulus))


def follow(
    one: CounterTrack, values: Sequence[int], *, every_ms: int = 30_000, start_ms: int = 0
) -> list[Step]:
    return [
        step_counters({"c": one}, {"c": value}, start_ms + index * every_ms)["c"]
        for index, value in enumerate(values)
    ]


def judged(steps: Sequence[Step]) -> Judged:
    return [(step.kind, step.increase) for step in steps]


def test_hass_wibeee_191_a_reset_of_438_816_wh_wipes_nothing() -> None:
    """D1, luuuis/hass_wibeee#191: the meter restarts at 0; a naive difference is -438,816 Wh."""
    one = track(rate=500)
    steps = follow(one, [438_700, 438_816, 0, 40, 90, 130])
    assert judged(steps) == [(FIRST, 0), (NORMAL, 116), (ODD, 0), (ODD, 0), (UNEXPLAINED, 90), (NORMAL, 40)]


def test_home_assistant_101155_a_reset_with_evidence_counts_what_stands_after_it() -> None:
    """D1, home-assistant/core#101155: the device says that it restarted, so its new value is its increase."""
    one = track(rate=500)
    follow(one, [438_816])
    assert step_counters({"c": one}, {"c": 12}, 10_000, booted=True)["c"] == Step(DECLARED, 12, 10_000)
    assert judged(follow(one, [15], start_ms=20_000)) == [(NORMAL, 3)]


def test_a_declared_reset_to_a_value_that_cannot_have_been_run_counts_nothing() -> None:
    one = track(rate=60)
    follow(one, [438_816])
    assert step_counters({"c": one}, {"c": 5_000}, 10_000, booted=True)["c"] == Step(DECLARED, 0, 10_000)
    assert one.last == 5_000


def test_a_restart_that_kept_its_counter_is_an_ordinary_step() -> None:
    one = track()
    follow(one, [1_000])
    assert step_counters({"c": one}, {"c": 1_001}, 10_000, booted=True)["c"].kind is NORMAL


def test_evcc_30267_one_glitch_to_0_books_no_lifetime_total_as_today() -> None:
    """D2, evcc-io/evcc#30267 (more than 100 GW): 0 once, then the total again."""
    one = track(rate=1_000)
    steps = follow(one, [8_123_456, 8_123_470, 0, 8_123_490])
    assert judged(steps) == [(FIRST, 0), (NORMAL, 14), (ODD, 0), (NORMAL, 20)]


def test_sem_community_782_a_dip_of_two_readings_is_no_15_mwh() -> None:
    """D2, traktore-org/sem-community#782 (15.5 MWh): two low readings, then the total again."""
    one = track(rate=1_000)
    steps = follow(one, [15_500_000, 0, 3, 15_500_030])
    assert judged(steps) == [(FIRST, 0), (ODD, 0), (ODD, 0), (NORMAL, 30)]


def test_refoss_14_0_then_3746_within_3_4_seconds() -> None:
    """D2, Refoss/refoss_rpc#14: first reading 0, then 3.746 kWh 3.4 s later: never an increase."""
    one = track(rate=400)
    steps = follow(one, [0, *[3_746] * 18, 3_747, 3_748], every_ms=3_400)
    assert judged(steps) == [(FIRST, 0), *[(ODD, 0)] * 18, (UNEXPLAINED, 1), (NORMAL, 1)]


def test_grott_99_a_tenth_less_does_not_count_the_whole_total_again() -> None:
    """D2, johanmeijer/grott#99: the value falls by 0.1 and comes back; a reset detector adds the whole total."""
    one = track(rate=100)
    steps = follow(one, [45_678, 45_679, 45_678, 45_679, 45_680])
    assert judged(steps) == [(FIRST, 0), (NORMAL, 1), (ODD, 0), (NORMAL, 0), (NORMAL, 1)]


@pytest.mark.parametrize("modulus", [100, 10_000, 2**15, 2**16, 10**8, 2**31, 2**32])
def test_a_rollover_of_a_known_modulus_counts_across(modulus: int) -> None:
    """D3: BCD, signed and unsigned registers of 16 and 32 bits."""
    one = track(rate=60, modulus=modulus)
    steps = follow(one, [modulus - 5, modulus - 1, 3, 4])
    assert judged(steps) == [(FIRST, 0), (NORMAL, 4), (ROLLOVER, 4), (NORMAL, 1)]


def test_a_rollover_must_be_possible_at_the_rate() -> None:
    one = track(rate=60, modulus=65_536)
    assert judged(follow(one, [65_000, 5, 6, 7]))[1:] == [(ODD, 0), (ODD, 0), (UNEXPLAINED, 2)]


def test_a_modulus_rounded_down_by_scaling_still_rolls_over() -> None:
    """65,536 tenths are 6,553 whole: the counter's last value before the wrap equals the rounded modulus."""
    one = track(rate=60, modulus=6_553)
    assert judged(follow(one, [6_553, 1]))[1:] == [(ROLLOVER, 1)]


def test_a_value_above_the_modulus_is_no_rollover() -> None:
    one = track(rate=60, modulus=65_536)
    assert judged(follow(one, [70_000, 1]))[1:] == [(ODD, 0)]


def test_without_a_modulus_nothing_rolls_over() -> None:
    assert judged(follow(track(), [65_535, 1]))[1:] == [(ODD, 0)]


def test_a_word_order_mistake_of_exactly_65_536_is_not_counted() -> None:
    """D3: the low word wraps before the high word is read: 65,535 → 131,071 → 65,537."""
    steps = follow(track(rate=60), [65_534, 65_535, 131_071, 65_537, 65_538])
    assert judged(steps)[1:] == [(NORMAL, 1), (ODD, 0), (NORMAL, 2), (NORMAL, 1)]


def both(values: Sequence[tuple[int, int]], *, rate: int = 60) -> list[tuple[Judged, Judged]]:
    tracks = {"cycles": track(rate, 65_536), "parts": track(rate, 65_536)}
    out = []
    for index, (cycles, parts) in enumerate(values):
        steps = step_counters(tracks, {"cycles": cycles, "parts": parts}, index * 10_000)
        out.append((judged([steps["cycles"]]), judged([steps["parts"]])))
    return out


def test_a_counter_that_falls_alone_rolled_over() -> None:
    assert both([(65_530, 100), (2, 101)])[1] == ([(ROLLOVER, 8)], [(NORMAL, 1)])


def test_two_counters_that_fall_together_were_reset_even_near_the_modulus() -> None:
    assert both([(65_530, 65_000), (2, 1)])[1] == ([(ODD, 0)], [(ODD, 0)])
    assert both([(65_530, 65_530), (2, 1)])[1] == ([(ODD, 0)], [(ODD, 0)])


def test_store_surprise_1_two_resets_are_not_taken_for_wraps() -> None:
    """Two real resets near 2^32 once showed 24,270 and 10,514 cycles in a day where 16.4 a minute is the most."""
    one = track(rate=17, modulus=2**32)
    steps = follow(one, [2**32 - 24_000, 2**32 - 23_990, 270, 275, 280], every_ms=60_000)
    assert judged(steps)[1:] == [(NORMAL, 10), (ODD, 0), (ODD, 0), (UNEXPLAINED, 10)]


def test_agreement_takes_three_in_a_row() -> None:
    assert AGREEING == 3
    one = track(rate=60)
    follow(one, [10_000, 5, 6])
    assert (one.last, len(one.aside)) == (10_000, 2)
    follow(one, [7], start_ms=90_000)
    assert (one.last, one.aside) == (7, [])


def test_agreement_takes_a_minute_however_fast_the_polls() -> None:
    """A device that shows 0 for the first seconds after power-up has not lost its lifetime total."""
    one = track(rate=60)
    steps = follow(one, [15, *[0] * 60, 15], every_ms=1_000)
    assert judged(steps)[1:] == [(ODD, 0)] * 60 + [(NORMAL, 0)]
    assert one.aside == []
    steps = follow(one, [0] * 62, every_ms=1_000, start_ms=100_000)
    assert judged(steps)[59:] == [(ODD, 0), (UNEXPLAINED, 0), (NORMAL, 0)]


def test_readings_that_do_not_agree_start_the_count_again() -> None:
    one = track(rate=60)
    steps = follow(one, [10_000, 5, 4, 3, 2, 9_999_999, 1, 2, 3])
    assert judged(steps)[1:] == [(ODD, 0)] * 7 + [(UNEXPLAINED, 2)]


def test_a_leap_is_set_aside_like_a_fall() -> None:
    one = track(rate=60)
    steps = follow(one, [100, 50_000, 101, 60_000, 60_001, 102])
    assert judged(steps)[1:] == [(ODD, 0), (NORMAL, 1), (ODD, 0), (ODD, 0), (NORMAL, 1)]


def test_a_believable_reading_forgets_what_was_set_aside() -> None:
    one = track(rate=60)
    steps = follow(one, [100, 0, 0, 101, 0, 0, 102, 0, 0, 0])
    assert [step.kind for step in steps[1:]] == [ODD, ODD, NORMAL, ODD, ODD, NORMAL, ODD, ODD, UNEXPLAINED]


def test_the_possible_increase_has_a_minute_of_slack() -> None:
    rule = CounterRule(rate_max_per_min=60)
    assert rule.possible(0) == 61
    assert rule.possible(60_000) == 121
    assert rule.possible(-5_000) == 61, "a clock that steps back does not make a step impossible"


def test_each_step_says_how_long_it_took() -> None:
    one = track()
    steps = follow(one, [1, 2], every_ms=7_000)
    assert [step.elapsed_ms for step in steps] == [0, 7_000]
    set_aside, accepted = follow(one, [0, 3], every_ms=5_000, start_ms=20_000)
    assert set_aside.elapsed_ms == 0
    assert accepted.elapsed_ms == 18_000, "since the last accepted reading"


def test_a_counter_that_was_not_heard_keeps_its_place() -> None:
    tracks = {"a": track(), "b": track()}
    step_counters(tracks, {"a": 1, "b": 1}, 0)
    step_counters(tracks, {"a": 2}, 10_000)
    assert step_counters(tracks, {"a": 3, "b": 4}, 20_000)["b"] == Step(NORMAL, 3, 20_000)
