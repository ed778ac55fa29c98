"""A day's steps by columns are the plain ones, number for number, whatever a machine does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from simulators import behaviour as plain_steps
from simulators.rows.draws import Draws, shares_of, walk
from simulators.rows.steps import CODE, Steps, told_steps
from simulators.world import Behaviour

WORKS = Behaviour(key="rows", shift_start_h=7, shift_h=12, weekend=1.0, first_count=3)
BEHAVIOURS = {
    "work": WORKS,
    "long shift": replace(WORKS, shift_h=16, duty=0.95),
    "idle": replace(WORKS, pattern="idle"),
    "show": replace(WORKS, pattern="show", show_day=10),
    "constant": replace(WORKS, pattern="constant"),
    "periodic": replace(WORKS, pattern="periodic", period=7),
    "jitter": replace(WORKS, pattern="jitter", period=1),
    "delayed": replace(WORKS, delay_days=2, delay_hours=5),
    "scaled": replace(WORKS, delay_days=1, scale=1.37, noise_key="k"),
    "noisy": replace(WORKS, delay_hours=3, noise=0.11, noise_key="k"),
    "replay": replace(WORKS, replay_from_day=3, replay_days=7),
    "motionless": replace(WORKS, moves=False),
    "fast": replace(WORKS, cycle_s=0.05),
}
DAYS = (6, 8, 10, 11, 57)
"""A Saturday, New Year, the day of the show, a working day, and the Spring Festival."""


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("poll_ms", [20_000, 900_000, 7_000_000])
def test_every_step_of_a_day_is_the_plain_one(name: str, poll_ms: int) -> None:
    behaviour = BEHAVIOURS[name]
    for day in DAYS:
        plain, told = plain_steps.told_steps(behaviour, day, poll_ms), told_steps(behaviour, day, poll_ms)
        for column in Steps.__slots__:
            wanted = [CODE[step.state] if column == "state" else getattr(step, column) for step in plain]
            assert getattr(told, column).tolist() == wanted, (day, column)


def test_a_cycle_longer_than_a_poll_is_counted_when_it_ends() -> None:
    """At a poll a minute a machine of 90 s cycles counted nothing at all, and neither did a script."""
    by_poll = {}
    for poll_ms in (20_000, 900_000):
        steps = plain_steps.told_steps(replace(WORKS, cycle_s=90, duty=0.95), 10, poll_ms)
        by_poll[poll_ms] = sum(step.cycles for step in steps) / sum(step.run_s for step in steps)
    assert by_poll[20_000] == pytest.approx(by_poll[900_000], rel=0.15)
    script = plain_steps.told_steps(replace(WORKS, cycle_s=90, pattern="constant"), 10, 20_000)
    assert {step.cycles for step in script if step.run_s} == {1}


def test_draws_are_those_of_the_generator_at_any_word() -> None:
    count = 60
    for skipped in range(8):
        plain, draws = random.Random(5), Draws(random.Random(5), count)
        for _ in range(skipped):
            plain.getrandbits(32)
        after = draws.after_whole(20, 90)
        assert draws.shares()[skipped] == _copy(plain).random()
        assert int(draws.whole(after[[skipped]], 20, 90)[0]) == _copy(plain).randint(20, 90)
    assert shares_of(random.Random(6), 9).tolist() == [_random_at(6, number) for number in range(9)]


def _copy(rng: random.Random) -> random.Random:
    copy = random.Random()
    copy.setstate(rng.getstate())
    return copy


def _random_at(seed: int, number: int) -> float:
    rng = random.Random(seed)
    return [rng.random() for _ in range(number + 1)][-1]


def test_words_that_run_out_are_told_and_drawn_on() -> None:
    draws = Draws(random.Random(7), 12)
    table = draws.after_whole(20, 90)
    assert walk([(table, 50)])[-1] == draws.count
    draws.more(400)
    longer = walk([(draws.after_whole(20, 90), 50)])
    assert longer[-1] < draws.count
    rng = random.Random(7)
    assert draws.whole(longer[1:], 20, 90).tolist() == [rng.randint(20, 90) for _ in range(50)]
