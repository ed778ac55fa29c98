"""Whatever a counter is heard to say, is its sum of increases never more than was truly run?"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.counter import AGREEING, CounterRule, CounterTrack, StepKind, step_counters

RATE = 60
GROWTH = st.lists(st.tuples(st.integers(1, 120_000), st.floats(0, 1)), min_size=1, max_size=30)


def truth(growth: list[tuple[int, float]], start: int) -> list[tuple[int, int]]:
    """Make (time, value) of an honest counter: each step takes some ms and grows by a share of what the rate allows."""
    at_ms, value, out = 0, start, [(0, start)]
    for elapsed_ms, share in growth:
        at_ms += elapsed_ms
        value += int(share * RATE * elapsed_ms / 60_000)
        out.append((at_ms, value))
    return out


def total(readings: list[tuple[int, int]], modulus: int | None = None) -> int:
    tracks = {"c": CounterTrack(CounterRule(RATE, modulus))}
    return sum(step_counters(tracks, {"c": value}, at_ms)["c"].increase for at_ms, value in readings)


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 2**40), st.booleans()), max_size=40))
def test_no_increase_is_ever_negative_and_none_beats_the_rate(heard: list[tuple[int, int, bool]]) -> None:
    rule = CounterRule(RATE, 2**32)
    one = CounterTrack(rule)
    for at_ms, value, booted in sorted(heard, key=lambda item: item[0]):
        before_ms = one.last_ms
        step = step_counters({"c": one}, {"c": value}, at_ms, booted=booted)["c"]
        assert 0 <= step.increase <= rule.possible(at_ms - before_ms) + rule.possible(0) * AGREEING
        assert step.elapsed_ms >= 0
        assert len(one.aside) <= AGREEING


@given(GROWTH, st.integers(0, 2**32))
def test_an_honest_counter_sums_to_last_less_first(growth: list[tuple[int, float]], start: int) -> None:
    readings = truth(growth, start)
    assert total(readings) == readings[-1][1] - start


@given(GROWTH, st.integers(0, 2**32), st.data())
def test_the_sum_does_not_depend_on_which_readings_were_heard(
    growth: list[tuple[int, float]], start: int, data: st.DataObject
) -> None:
    readings = truth(growth, start)
    heard = data.draw(st.lists(st.booleans(), min_size=len(readings), max_size=len(readings)))
    kept = [item for item, is_heard in zip(readings, heard, strict=True) if is_heard]
    some = [readings[0], *[item for item in kept if item not in {readings[0], readings[-1]}], readings[-1]]
    assert total(some) == total(readings)


@given(GROWTH, st.integers(1, 2**16))
def test_an_honest_counter_of_16_bits_sums_to_what_was_run(
    growth: list[tuple[int, float]], left: int
) -> None:
    readings = truth(growth, 2**16 - left)
    wrapped = [(at_ms, value % 2**16) for at_ms, value in readings]
    assert total(wrapped, 2**16) == readings[-1][1] - readings[0][1]


@settings(max_examples=200)
@given(GROWTH, st.data())
def test_no_schedule_of_glitches_adds_a_single_cycle(
    growth: list[tuple[int, float]], data: st.DataObject
) -> None:
    """Glitches are values that cannot stand at that time, fewer in a row than it takes to agree."""
    start = 10**6
    readings, heard, run = truth(growth, start), [], 0
    for at_ms, value in readings[1:]:
        if run < AGREEING - 1 and data.draw(st.booleans()):
            low, high = st.integers(0, start - 1), st.integers(10**7, 2**33)
            heard.append((at_ms, data.draw(st.one_of(st.just(0), low, high))))
            run += 1
        else:
            heard.append((at_ms, value))
            run = 0
    accepted = [value for (_, value), (_, true) in zip(heard, readings[1:], strict=True) if value == true]
    grown = (accepted[-1] if accepted else start) - start
    assert total([readings[0], *heard]) == grown


@settings(max_examples=200)
@given(st.lists(GROWTH, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_no_schedule_of_resets_adds_a_single_cycle(
    lives: list[list[tuple[int, float]]], declared: list[bool]
) -> None:
    """Each life starts again at 0; some restarts are told by the device's clock, others are not."""
    one = CounterTrack(CounterRule(RATE))
    at_ms, summed, run = 0, 0, 0
    for number, growth in enumerate(lives):
        readings = truth(growth, 10**6 if number == 0 else 0)
        run += readings[-1][1] - readings[0][1]
        for index, (since_ms, value) in enumerate(readings):
            booted = number > 0 and index == 0 and declared[number]
            summed += step_counters({"c": one}, {"c": value}, at_ms + since_ms, booted=booted)["c"].increase
        at_ms += readings[-1][0] + 1_000
    assert summed <= run


@given(st.integers(1_000, 2**31), st.lists(st.integers(0, 900), min_size=1, max_size=10))
def test_a_low_reading_never_becomes_the_baseline_by_itself(last: int, lows: list[int]) -> None:
    one = CounterTrack(CounterRule(RATE))
    step_counters({"c": one}, {"c": last}, 0)
    agreeing = 0
    for index, low in enumerate(lows):
        step = step_counters({"c": one}, {"c": low}, (index + 1) * 30_000)["c"]
        ordered = index == 0 or 0 <= low - lows[index - 1] <= CounterRule(RATE).possible(30_000)
        agreeing = agreeing + 1 if ordered and agreeing else 1
        if agreeing >= AGREEING:
            assert step.kind is StepKind.UNEXPLAINED
            return
        assert (step.kind, one.last) == (StepKind.ODD, last)


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 2**16)), min_size=2, max_size=20))
def test_two_counters_that_fall_together_never_roll_over(values: list[tuple[int, int]]) -> None:
    tracks = {name: CounterTrack(CounterRule(10**6, 2**16)) for name in ("a", "b")}
    step_counters(tracks, {"a": values[0][0], "b": values[0][1]}, 0)
    for index, (pair, _) in enumerate(pairwise(values)):
        before = {name: one.last for name, one in tracks.items()}
        heard = dict(zip("ab", values[index + 1], strict=True))
        fell = [name for name, value in heard.items() if (last := before[name]) is not None and value < last]
        kinds = {step.kind for step in step_counters(tracks, heard, (index + 1) * 1_000).values()}
        assert pair == values[index]
        assert len(fell) < 2 or StepKind.ROLLOVER not in kinds
