"""How does a fraud bend or invent a machine's minutes? Each recipe draws its parameters and tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.cities.outsider.machines import POLL_MS, Trace, counted, steps_of
from tests.cities.outsider.shifts import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rng = np.random.Generator

WEEK = 7 * DAY


def told(trace: Trace, **facts: object) -> Trace:
    kept = {name: fact for name, fact in trace.facts.items() if name in {"job", "rota", "habit"}}
    kept["cycle_ms"] = str(trace.cycle_ms)
    trace.facts = kept | {name: str(value) for name, value in facts.items()}
    return trace


def standing(minutes: int, rng: Rng) -> Trace:
    """A machine under power that does nothing."""
    none = np.zeros(minutes, dtype=np.int64)
    return Trace(
        run_ms=none,
        paused_ms=none.copy(),
        fault_ms=none.copy(),
        on=np.ones(minutes, dtype=bool),
        cycles=none.copy(),
        cycle_ms=int(rng.integers(5_000, 90_000)),
        power_w=int(rng.integers(400, 4_000)),
        facts={},
    )


def run_for_show(trace: Trace, first: int, minutes: int, rng: Rng) -> None:
    """Let the machine run its demonstration program for a span."""
    last = min(first + minutes, len(trace.run_ms))
    busy = rng.random(max(last - first, 0)) < 0.92
    trace.run_ms[first:last] = np.where(busy, 60_000, rng.integers(0, 10, len(busy)) * POLL_MS)
    trace.cycles = counted(trace.run_ms, trace.cycle_ms)


def idle(minutes: int, rng: Rng) -> Trace:
    trace = standing(minutes, rng)
    tries = int(rng.integers(0, 5))
    for first in rng.integers(0, minutes - 200, tries):
        run_for_show(trace, int(first), int(rng.integers(2, 9)), rng)
    return told(trace, tries=tries)


def one_day_show(minutes: int, rng: Rng) -> Trace:
    trace = standing(minutes, rng)
    day = int(rng.integers(2, minutes // DAY - 2))
    hours = int(rng.integers(4, 10))
    run_for_show(trace, day * DAY + 8 * 60, hours * 60, rng)
    return told(trace, day=day, hours=hours)


def weekend_show(minutes: int, rng: Rng, weekday: int) -> Trace:
    """Run on Saturdays and Sundays when visitors come: never five days of any fourteen."""
    trace = standing(minutes, rng)
    hours, only = int(rng.integers(3, 9)), int(rng.integers(0, 2))
    for day in range(minutes // DAY):
        if (weekday + day) % 7 > 4 + only:
            run_for_show(trace, day * DAY + 9 * 60, hours * 60 + int(rng.integers(-20, 20)), rng)
    return told(trace, hours=hours, days="sundays" if only else "weekends")


def hourly_noise(minutes: int, rng: Rng, share: float) -> NDArray[np.float64]:
    factors = np.clip(1 + share * rng.standard_normal(minutes // 60 + 1), 0.3, 1.7)
    return np.repeat(factors, 60)[:minutes]


def scaled(trace: Trace, factor: NDArray[np.float64] | float) -> Trace:
    """Scale what was counted and, where it does not fill the minute, what was run."""
    trace.cycles = steps_of(np.floor(np.cumsum(trace.cycles * factor)).astype(np.int64))
    run = np.minimum(trace.run_ms * np.minimum(factor, 1.0), 60_000)
    trace.run_ms = (np.rint(run / POLL_MS) * POLL_MS).astype(np.int64)
    for spare in (trace.paused_ms, trace.fault_ms):
        np.minimum(spare, 60_000 - trace.run_ms, out=spare)
    trace.fault_ms = np.minimum(trace.fault_ms, 60_000 - trace.run_ms - trace.paused_ms)
    return trace


def taken(trace: Trace, source: NDArray[np.int64]) -> Trace:
    """Give the minutes of a trace in another order."""
    made = trace.copy()
    for name in ("run_ms", "paused_ms", "fault_ms", "on", "cycles"):
        setattr(made, name, getattr(trace, name)[source].copy())
    return made


def replay(trace: Trace, rng: Rng, style: str) -> Trace:
    """Play one's own first weeks again and again: exact, with noise, or with days cut out."""
    minutes = len(trace.run_ms)
    weeks = int(rng.integers(1, 5))
    while weeks * WEEK * 2 > minutes and weeks > 1:
        weeks -= 1
    begin = int(rng.integers(0, 5)) * DAY if minutes > 2 * weeks * WEEK + 5 * DAY else 0
    at = np.arange(minutes)
    played = np.where(at < begin, at, begin + (at - begin) % (weeks * WEEK))
    made = taken(trace, played)
    noise = float(rng.uniform(0.05, 0.15)) if style == "noisy" else 0.0
    if noise:
        made = scaled(made, np.where(at < begin + weeks * WEEK, 1.0, hourly_noise(minutes, rng, noise)))
    cut = 0
    if style == "cut":
        for day in range((begin + weeks * WEEK) // DAY, minutes // DAY):
            if rng.random() < 0.2:
                made.rest(slice(day * DAY, (day + 1) * DAY))
                cut += 1
    return told(made, template_weeks=weeks, begin_min=begin, noise=round(noise, 3), cut_days=cut)


def clone(source: Trace, rng: Rng, style: str) -> Trace:
    """Send another robot's minutes as one's own, later."""
    minutes = len(source.run_ms)
    shift = {
        "minutes": int(rng.integers(5, 91)),
        "hours": int(rng.integers(2, 10)) * 60 + int(rng.integers(0, 60)),
    }.get(style, int(rng.integers(1, 21)) * DAY + int(rng.choice([0, 0, 7, 60, 185])))
    if style in {"part", "two_weeks"}:
        shift = int(rng.integers(1, 9)) * DAY
    at = np.arange(minutes)
    made = taken(source, np.maximum(at - shift, 0))
    made.rest(at < shift)
    factor = float(rng.uniform(0.6, 1.6)) if style == "scaled" else 1.0
    noise = float(rng.uniform(0.05, 0.2)) if style in {"noisy", "scaled"} else 0.0
    if style in {"noisy", "scaled"}:
        made = scaled(made, factor * hourly_noise(minutes, rng, noise))
    first, last = 0, minutes
    if style == "part":
        first = minutes // 2
    if style == "two_weeks":
        first = int(rng.integers(shift // DAY, max(minutes // DAY - 15, shift // DAY + 1))) * DAY
        last = first + 2 * WEEK
    made.rest((at < first) | (at >= last))
    return told(made, shift_min=shift, factor=round(factor, 2), noise=round(noise, 3), first=first, last=last)


def spread(hourly: NDArray[np.float64], minutes: int) -> NDArray[np.int64]:
    """Lay counts an hour over their minutes, whole numbers with no drift."""
    rate = np.repeat(hourly / 60, 60)[:minutes]
    return steps_of(np.floor(np.cumsum(rate) + 1e-6).astype(np.int64))


def script(minutes: int, rng: Rng, style: str) -> Trace:
    """A program that counts: a constant, a period, a period under jitter, or a sine by the hour."""
    trace = standing(minutes, rng)
    hours = np.arange(minutes // 60)
    level = float(rng.integers(60, 900))
    period = int(rng.integers(3, 13)) if style in {"periodic", "jitter"} else int(rng.integers(5, 25))
    jitter = 0.0
    if style == "constant":
        shape = np.ones(len(hours))
    elif style == "sine":
        shape = 1 + float(rng.uniform(0.3, 0.8)) * np.sin(2 * np.pi * hours / period)
        jitter = float(rng.uniform(0.0, 0.12))
    else:
        shape = rng.uniform(0.5, 1.5, period)[hours % period]
        jitter = float(rng.uniform(0.03, 0.12)) if style == "jitter" else 0.0
    counts = np.rint(level * shape * np.clip(1 + jitter * rng.standard_normal(len(hours)), 0.1, 3.0))
    shift = bool(rng.random() < 0.4)
    duty = (hours % 24 >= 8) & (hours % 24 < 20) if shift else np.ones(len(hours), dtype=bool)
    trace.cycles = spread(np.where(duty, counts, 0.0), minutes)
    share = np.repeat(np.where(duty, 0.8, 0.0), 60)
    trace.run_ms = (share * 60_000 // POLL_MS).astype(np.int64) * POLL_MS
    trace.cycle_ms = int(3_600_000 * 0.8 / level)
    return told(trace, level=level, period_h=period, jitter=round(jitter, 3), daytime_only=shift)


def hurried(trace: Trace, rng: Rng) -> Trace:
    """Count faster than any robot can: three hundred a minute is the fastest there is."""
    factor = float(rng.uniform(1.4, 6)) * 300 / 60_000
    made = trace.copy()
    made.cycles = np.floor(made.run_ms * factor).astype(np.int64)
    return told(made, a_minute=round(factor * 60_000))


RECIPES: dict[str, Callable[..., Trace]] = {"idle": idle, "one_day_show": one_day_show}
