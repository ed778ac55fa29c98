"""How does a machine spend its day, as columns? The steps of simulators/behaviour.py, number for number, all polls at once.

A test compares every kind of behaviour with the plain one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simulators.behaviour import (
    DAY_MS,
    HOUR_MS,
    LUNCH_DUTY,
    LUNCH_H,
    SCRIPTS,
    SPREAD,
    plan_day,
    scripted_step,
    source_day,
)
from simulators.rows.draws import Draws, shares_of, walk
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulators.rows.draws import Share, Whole
    from simulators.world import Behaviour

STATES = tuple(MachineState)
"""A state's number is its place here."""
CODE = {state: number for number, state in enumerate(STATES)}
_OUT, _STANDS, _WORKS, _LUNCH = range(4)
"""What may be drawn at a poll: outside the shift, on a day without work, at work, at work over lunch."""
_WORDS_A_STEP = {True: 9, False: 6}
"""Words a step takes on a day with and without work, with some to spare; when they run out, more are drawn."""
_FEW_WORDS = 512
_CURRENT, _WATTS, _MORE_WATTS = (20, 90), (60, 90), (350, 900)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a machine is at each poll of a day (`state` as a number), and what it adds until the next."""

    state: Whole
    current_ma: Whole
    cycles: Whole
    energy_wh: Whole
    on_s: Whole
    run_s: Whole

    def joined(self, after: Steps) -> Steps:
        """Give these steps and then others."""
        return Steps(
            *(np.concatenate([getattr(self, name), getattr(after, name)]) for name in self.__slots__)
        )

    def cut(self, part: slice) -> Steps:
        """Give some of the steps."""
        return Steps(*(getattr(self, name)[part] for name in self.__slots__))


def told_steps(behaviour: Behaviour, day: int, poll_ms: int) -> Steps:
    """Give a day's steps as they are told: a copy's hours later than its source's, scaled and disturbed."""
    source = source_day(behaviour, day)
    steps = source_steps(behaviour, source, poll_ms)
    late = behaviour.delay_hours * HOUR_MS // poll_ms
    if late:
        before = source_steps(behaviour, source - 1, poll_ms)
        steps = before.cut(slice(-late, None)).joined(steps.cut(slice(0, -late)))
    if behaviour.noise or behaviour.noise_key:
        return _disturbed(steps, behaviour, random.Random(f"noise {behaviour.noise_key}/{day}"))
    return steps


def _disturbed(steps: Steps, behaviour: Behaviour, rng: random.Random) -> Steps:
    noise = behaviour.noise
    shares = shares_of(rng, len(steps.state))
    factor = behaviour.scale * (1 + (-noise + (noise - -noise) * shares))
    return replace(
        steps,
        cycles=_rounded(steps.cycles * factor),
        current_ma=_rounded(steps.current_ma * factor),
        energy_wh=_rounded(steps.energy_wh * factor),
    )


def _rounded(values: Share) -> Whole:
    return np.rint(values).astype(np.int64)


def source_steps(behaviour: Behaviour, day: int, poll_ms: int) -> Steps:
    """Plan a source's day."""
    rng = random.Random(f"{behaviour.key}/{day}")
    plan = plan_day(behaviour, day, rng)
    offsets = np.arange(0, DAY_MS, poll_ms)
    in_shift = (plan.opens_ms <= offsets) & (offsets < plan.closes_ms)
    at_lunch = (LUNCH_H[0] * HOUR_MS <= offsets) & (offsets < LUNCH_H[1] * HOUR_MS)
    kinds = np.where(in_shift, np.where(at_lunch, _LUNCH, _WORKS) if plan.works else _STANDS, _OUT)
    machine = _Machine(behaviour, poll_ms, plan.duty, plan.cycle_ms)
    if behaviour.pattern not in SCRIPTS:
        return machine.steps(kinds, rng)
    found = _scripted_steps(behaviour, day * (DAY_MS // poll_ms) + np.arange(len(offsets)), poll_ms)
    drawn = machine.steps(kinds[~in_shift], rng)
    for name in Steps.__slots__:
        getattr(found, name)[~in_shift] = getattr(drawn, name)
    return found


def _scripted_steps(behaviour: Behaviour, numbers: Whole, poll_ms: int) -> Steps:
    """Give a script's polls; it begins anew after a few of them."""
    turns = {"constant": 1, "periodic": behaviour.period, "jitter": 16}[behaviour.pattern]
    table = [scripted_step(behaviour, number, poll_ms) for number in range(turns)]
    place = numbers % turns
    states = np.array([CODE[step.state] for step in table])
    amounts = [np.array([getattr(step, name) for step in table])[place] for name in Steps.__slots__[1:]]
    return Steps(states[place], *amounts)


@dataclass(frozen=True, slots=True)
class _Machine:
    """A behaviour on one day: how likely it runs at a poll, and how long a cycle takes."""

    behaviour: Behaviour
    poll_ms: int
    duty: float
    cycle_ms: float

    def steps(self, kinds: Whole, rng: random.Random) -> Steps:
        """Draw the steps of polls of these kinds, one after another."""
        per_step = _WORDS_A_STEP[bool((kinds >= _WORKS).any())]
        draws = Draws(rng, per_step * len(kinds) + _FEW_WORDS)
        while True:
            drawn = self._drawn(draws, kinds)
            if drawn is not None:
                return drawn
            draws.more(draws.count)

    def _drawn(self, draws: Draws, kinds: Whole) -> Steps | None:
        """Give the steps; None when the words do not suffice."""
        shares = draws.shares()
        after_current, after_watts = draws.after_whole(*_CURRENT), draws.after_whole(*_WATTS)
        after_more = draws.after_whole(*_MORE_WATTS)
        after_off = np.append(after_current[2:], (draws.count, draws.count))
        after_on = after_watts[after_off]
        moves = self.behaviour.moves
        after_run = np.minimum((after_more[after_on + 2] if moves else after_on) + 2, draws.count)
        runs = {_WORKS: self.duty, _LUNCH: self.duty * LUNCH_DUTY}
        tables = {
            kind: after_on
            if kind == _STANDS
            else np.where(shares < 0.8, after_off, after_on)
            if kind == _OUT
            else np.where(shares < runs[kind], after_run, after_on)
            for kind in np.unique(kinds).tolist()
        }
        turns = np.flatnonzero(np.diff(kinds, prepend=-1, append=-1))
        places = walk([(tables[int(kinds[first])], last - first) for first, last in pairwise(turns.tolist())])
        if places[-1] >= draws.count:
            return None
        places = places[:-1]
        state = self._states(kinds, shares[places])
        current_at, watts_at = after_off[places], after_on[places]
        watts = np.where(state == CODE[MachineState.OFF], 0, draws.whole(watts_at, *_WATTS))
        running = state == CODE[MachineState.RUNNING]
        current = draws.whole(current_at, *_CURRENT)
        pace_at = watts_at
        if moves:
            more_at = after_more[watts_at + 2]
            swing = 0.8 + (1.2 - 0.8) * shares[watts_at]
            current = np.where(running, (self.behaviour.current_ma * swing).astype(np.int64), current)
            watts = np.where(running, watts + draws.whole(more_at, *_MORE_WATTS), watts)
            pace_at = more_at
        pace = 0.9 + (1.1 - 0.9) * shares[pace_at]
        return self._made(state, current, watts, pace)

    def _states(self, kinds: Whole, draw: Share) -> Whole:
        """Give each poll's state, as a share drawn there says."""
        duty = np.where(kinds == _LUNCH, self.duty * 0.4, self.duty * 1.0)
        ready, paused = CODE[MachineState.READY], CODE[MachineState.PAUSED]
        idle = np.where(draw < 0.99, paused, CODE[MachineState.FAULT])
        works = np.where(
            draw < duty, CODE[MachineState.RUNNING], np.where(draw < duty + 0.7 * (1 - duty), ready, idle)
        )
        out = np.where(draw < 0.8, CODE[MachineState.OFF], ready)
        return np.where(kinds == _OUT, out, np.where(kinds == _STANDS, ready, works))

    def _made(self, state: Whole, current: Whole, watts: Whole, pace: Share) -> Steps:
        behaviour, poll_ms = self.behaviour, self.poll_ms
        running: NDArray[np.bool_] = state == CODE[MachineState.RUNNING]
        is_on = state != CODE[MachineState.OFF]
        nothing = np.zeros(len(state), np.int64)
        cycles = poll_ms / self.cycle_ms * pace
        begun = np.where(cycles < 1, np.arange(len(state)) * SPREAD % 1.0, 0.0)
        return Steps(
            state,
            current if behaviour.moves else nothing,
            cycles=np.where(running, (cycles + begun).astype(np.int64), 0),
            energy_wh=poll_ms * watts // HOUR_MS if behaviour.moves else nothing,
            on_s=np.where(is_on, poll_ms // 1000, 0),
            run_s=np.where(running, poll_ms // 1000, 0),
        )
