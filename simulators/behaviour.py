"""How does a machine spend its day? A behaviour's states and totals at each poll, the same for the same key."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.world import Behaviour

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FIRST_WEEKDAY = 6
"""The world's day 0, 24 December 2017, is a Sunday."""
HOLIDAYS = frozenset({8, *range(53, 60), *range(102, 105), *range(126, 129), 176, 274, *range(281, 288)})
"""World days of New Year, Spring Festival, Qingming, Labour Day, Dragon Boat, Mid-Autumn and National Day 2018."""
HOLIDAY_WORK = 0.1
SCRIPTS = frozenset({"constant", "periodic", "jitter"})
LUNCH_H = (12, 13)
LUNCH_DUTY = 0.4
"""How likely a machine runs over lunch, of what it does otherwise."""
SPREAD = (5**0.5 - 1) / 2
"""Multiples of the golden section fall evenly between whole numbers."""
_SEASON_SHARE, _SEASON_PEAK_DAY = 0.08, 300


@dataclass(slots=True)
class Totals:
    """What a machine's own counters would show."""

    cycles: int = 0
    energy_wh: int = 0
    on_s: int = 0
    run_s: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """A machine at one instant."""

    at_ms: int
    state: MachineState
    cycles: int
    energy_wh: int
    on_s: int
    run_s: int
    current_ma: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a machine is at a poll, and what it adds until the next."""

    state: MachineState
    current_ma: int
    cycles: int = 0
    energy_wh: int = 0
    on_s: int = 0
    run_s: int = 0


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What a day decides before its first poll: the shift after local midnight, how likely it runs, how long a cycle takes."""

    opens_ms: int
    closes_ms: int
    duty: float
    cycle_ms: float
    works: bool = field(kw_only=True)


def day_moments(
    behaviour: Behaviour, day: int, start_ms: int, poll_ms: int, totals: Totals
) -> Iterator[Moment]:
    """Give the machine at each poll of one day (local midnight = `start_ms`), moving its totals on.

    What happens between two polls is decided at the first of them, from the behaviour's key and day alone.
    """
    for number, step in enumerate(told_steps(behaviour, day, poll_ms)):
        yield Moment(
            start_ms + number * poll_ms,
            step.state,
            behaviour.first_count + totals.cycles,
            totals.energy_wh,
            behaviour.first_on_s + totals.on_s,
            behaviour.first_on_s // 2 + totals.run_s,
            step.current_ma,
        )
        totals.cycles += step.cycles
        totals.energy_wh += step.energy_wh
        totals.on_s += step.on_s
        totals.run_s += step.run_s


def works_on(behaviour: Behaviour, day: int) -> bool:
    """Tell whether the machine works at all on a day."""
    day = source_day(behaviour, day)
    return _works(behaviour, day, random.Random(f"{behaviour.key}/{day}"))


def source_day(behaviour: Behaviour, day: int) -> int:
    """Give the day whose work is told on a day: a copy's source, or the week that is played again."""
    day -= behaviour.delay_days
    since = day - behaviour.replay_from_day
    if behaviour.replay_days and since >= behaviour.replay_days:
        return behaviour.replay_from_day + since % behaviour.replay_days
    return day


def told_steps(behaviour: Behaviour, day: int, poll_ms: int) -> list[Step]:
    """Give a day's steps as they are told: a copy's hours later than its source's, scaled and disturbed."""
    source = source_day(behaviour, day)
    steps = _steps(behaviour, source, poll_ms)
    late = behaviour.delay_hours * HOUR_MS // poll_ms
    if late:
        steps = (*_steps(behaviour, source - 1, poll_ms)[-late:], *steps[:-late])
    if behaviour.noise or behaviour.noise_key:
        rng = random.Random(f"noise {behaviour.noise_key}/{day}")
        return [_disturbed(step, behaviour, rng) for step in steps]
    return list(steps)


def _disturbed(step: Step, behaviour: Behaviour, rng: random.Random) -> Step:
    factor = behaviour.scale * (1 + rng.uniform(-behaviour.noise, behaviour.noise))
    return replace(
        step,
        cycles=round(step.cycles * factor),
        current_ma=round(step.current_ma * factor),
        energy_wh=round(step.energy_wh * factor),
    )


def plan_day(behaviour: Behaviour, day: int, rng: random.Random) -> DayPlan:
    """Draw a source's day from its generator (which has drawn nothing yet)."""
    works = _works(behaviour, day, rng)
    opens_ms = behaviour.shift_start_h * HOUR_MS + rng.randint(-20, 20) * 60_000
    season = 1 + _SEASON_SHARE * math.cos(2 * math.pi * (day - _SEASON_PEAK_DAY) / 365)
    duty = min(0.96, behaviour.duty * season * rng.uniform(0.88, 1.0))
    cycle_ms = behaviour.cycle_s * 1000 * rng.uniform(0.8, 1.25)
    return DayPlan(opens_ms, opens_ms + behaviour.shift_h * HOUR_MS, duty, cycle_ms, works=works)


@lru_cache(maxsize=64)
def _steps(behaviour: Behaviour, day: int, poll_ms: int) -> tuple[Step, ...]:
    """Plan a source's day. Kept for the copies that tell parts of two days in one."""
    rng = random.Random(f"{behaviour.key}/{day}")
    plan = plan_day(behaviour, day, rng)
    steps = []
    for number, offset in enumerate(range(0, DAY_MS, poll_ms)):
        in_shift = plan.opens_ms <= offset < plan.closes_ms
        if in_shift and behaviour.pattern in SCRIPTS:
            steps.append(scripted_step(behaviour, day * (DAY_MS // poll_ms) + number, poll_ms))
            continue
        lunch = LUNCH_H[0] * HOUR_MS <= offset < LUNCH_H[1] * HOUR_MS
        duty = plan.duty * (LUNCH_DUTY if lunch else 1.0)
        state = _state(rng, duty, in_shift=in_shift, works=plan.works)
        steps.append(_step(behaviour, state, (poll_ms, number), plan.cycle_ms, rng))
    return tuple(steps)


def _works(behaviour: Behaviour, day: int, rng: random.Random) -> bool:
    weekend = (FIRST_WEEKDAY + day) % 7 >= 5
    likely = HOLIDAY_WORK if day in HOLIDAYS else behaviour.weekend if weekend else 0.97
    open_today = rng.random() < likely
    if behaviour.pattern == "show":
        return day == behaviour.show_day
    return behaviour.pattern in SCRIPTS or (open_today and behaviour.pattern == "work")


def _state(rng: random.Random, duty: float, *, in_shift: bool, works: bool) -> MachineState:
    draw = rng.random()
    if not in_shift:
        return MachineState.OFF if draw < 0.8 else MachineState.READY
    if not works:
        return MachineState.READY
    if draw < duty:
        return MachineState.RUNNING
    if draw < duty + 0.7 * (1 - duty):
        return MachineState.READY
    return MachineState.PAUSED if draw < 0.99 else MachineState.FAULT


def cycles_done(cycles: float, number: int) -> int:
    """Give the whole cycles that end in a poll, the day's `number`th; of cycles longer than a poll, some polls see none end."""
    return int(cycles + number * SPREAD % 1.0) if cycles < 1 else int(cycles)


def _step(
    behaviour: Behaviour, state: MachineState, poll: tuple[int, int], cycle_ms: float, rng: random.Random
) -> Step:
    poll_ms, number = poll
    running = state is MachineState.RUNNING
    current = rng.randint(20, 90)
    watts = rng.randint(60, 90) if state is not MachineState.OFF else 0
    if running and behaviour.moves:
        current = int(behaviour.current_ma * rng.uniform(0.8, 1.2))
        watts += rng.randint(350, 900)
    return Step(
        state,
        current if behaviour.moves else 0,
        cycles=cycles_done(poll_ms / cycle_ms * rng.uniform(0.9, 1.1), number) if running else 0,
        energy_wh=poll_ms * watts // HOUR_MS if behaviour.moves else 0,
        on_s=poll_ms // 1000 if state is not MachineState.OFF else 0,
        run_s=poll_ms // 1000 if running else 0,
    )


def scripted_step(behaviour: Behaviour, number: int, poll_ms: int) -> Step:
    """Give a script's poll: constant, from a table of `period` entries, or with a small generator's jitter on it."""
    factor = 1.0
    if behaviour.pattern != "constant":
        table = random.Random(f"script {behaviour.key}")
        factors = [table.uniform(0.7, 1.3) for _ in range(behaviour.period)]
        factor = factors[number % behaviour.period]
    if behaviour.pattern == "jitter":
        # A linear congruential generator of 16 states, started anew with every 16 polls.
        factor = 1 + (5 * (number % 16) ** 2 + 3 * number) % 16 / 100
    return Step(
        MachineState.RUNNING,
        int(behaviour.current_ma * factor),
        cycles=max(1, int(poll_ms / (behaviour.cycle_s * 1000) * factor)),
        energy_wh=int(poll_ms * 600 // HOUR_MS * factor),
        on_s=poll_ms // 1000,
        run_s=poll_ms // 1000,
    )
