"""How does a machine spend its day? A behaviour's states and totals at each poll, the same for the same key."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.reading import MachineState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.world import Behaviour

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FIRST_WEEKDAY = 6
"""The world's day 0, 24 December 2017, is a Sunday."""


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


def day_moments(
    behaviour: Behaviour, day: int, start_ms: int, poll_ms: int, totals: Totals
) -> Iterator[Moment]:
    """Give the machine at each poll of one day (local midnight = `start_ms`), moving its totals on.

    What happens between two polls is decided at the first of them, from the behaviour's key and day alone.
    """
    day -= behaviour.delay_days
    rng = random.Random(f"{behaviour.key}/{day}")
    works = _works(behaviour, day, rng)
    opens = behaviour.shift_start_h * HOUR_MS + rng.randint(-20, 20) * 60_000
    closes = opens + behaviour.shift_h * HOUR_MS
    for offset in range(0, DAY_MS, poll_ms):
        state = _state(rng, behaviour.duty, in_shift=opens <= offset < closes, works=works)
        running = state is MachineState.RUNNING
        current = int(behaviour.current_ma * rng.uniform(0.8, 1.2)) if running else rng.randint(20, 90)
        yield Moment(
            start_ms + offset,
            state,
            behaviour.first_count + totals.cycles,
            totals.energy_wh,
            totals.on_s,
            totals.run_s,
            current,
        )
        if state is not MachineState.OFF:
            totals.on_s += poll_ms // 1000
            totals.energy_wh += poll_ms * rng.randint(60, 90) // HOUR_MS
        if running:
            totals.cycles += int(poll_ms / (behaviour.cycle_s * 1000) * rng.uniform(0.9, 1.1))
            totals.run_s += poll_ms // 1000
            totals.energy_wh += poll_ms * rng.randint(350, 900) // HOUR_MS


def _works(behaviour: Behaviour, day: int, rng: random.Random) -> bool:
    weekend = (FIRST_WEEKDAY + day) % 7 >= 5
    open_today = rng.random() < (behaviour.weekend if weekend else 0.97)
    if behaviour.pattern == "show":
        return day == behaviour.show_day
    return open_today and behaviour.pattern == "work"


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
