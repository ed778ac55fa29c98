"""What does an honest robot do, minute by minute? Orders, stops, faults and waiting, by kind of work."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.cities.outsider.shifts import DAY, ROTAS, WEEKS, crewed

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from tests.cities.outsider.shifts import Mask

    Counts = NDArray[np.int64]

POLL_MS = 5_000


@dataclass(frozen=True)
class Job:
    """One kind of work: ranges of cycle time (s), burst and wait (min), faults a week, power at work (W)."""

    cycle_s: tuple[float, float]
    burst_min: tuple[float, float]
    wait_min: tuple[float, float]
    faults_week: float
    power_w: tuple[int, int]
    order_h: tuple[float, float]
    drift: float


JOBS = {
    "welding": Job((150, 900), (15, 60), (2, 9), 2.0, (3_000, 14_000), (6, 60), 0.03),
    "press": Job((4, 12), (25, 120), (1, 5), 1.0, (600, 2_500), (4, 40), 0.002),
    "palletizing": Job((5, 14), (4, 16), (3, 14), 0.5, (1_500, 6_000), (3, 12), 0.02),
    "painting": Job((50, 200), (20, 90), (4, 15), 1.5, (900, 3_000), (2, 16), 0.02),
    "assembly": Job((8, 40), (8, 45), (1, 6), 1.5, (250, 900), (4, 30), 0.04),
    "tending": Job((70, 420), (15, 120), (1, 8), 1.0, (500, 2_000), (5, 70), 0.01),
    "gluing": Job((15, 60), (10, 50), (2, 8), 1.0, (300, 1_200), (2, 20), 0.05),
}


@dataclass
class Trace:
    """A machine's minutes at +08:00; all arrays are as long. `on` false: powered off."""

    run_ms: Counts
    paused_ms: Counts
    fault_ms: Counts
    on: Mask
    cycles: Counts
    cycle_ms: int
    power_w: int
    facts: dict[str, str]

    def copy(self) -> Trace:
        return dataclasses.replace(
            self,
            run_ms=self.run_ms.copy(),
            paused_ms=self.paused_ms.copy(),
            fault_ms=self.fault_ms.copy(),
            on=self.on.copy(),
            cycles=self.cycles.copy(),
        )

    def rest(self, where: Mask | slice) -> None:
        """Let nothing happen in these minutes, with the power as it is."""
        for minutes in (self.run_ms, self.paused_ms, self.fault_ms, self.cycles):
            minutes[where] = 0

    def boots(self) -> Counts:
        return np.flatnonzero(self.on[1:] & ~self.on[:-1]) + 1


def alternation(rng: np.random.Generator, minutes: int, burst: float, wait: float) -> Mask:
    """Give minutes that are mostly true for `burst` on average, then false for `wait`."""
    pairs = int(minutes / (burst + wait) * 1.5) + 20
    lengths = np.empty(2 * pairs)
    lengths[0::2] = rng.gamma(1.6, burst / 1.6, pairs)
    lengths[1::2] = rng.gamma(1.3, wait / 1.3, pairs)
    edges = np.maximum(np.rint(lengths), 1).astype(np.int64)
    flow = np.repeat(np.arange(2 * pairs) % 2 == 0, edges)
    return flow[:minutes] if len(flow) >= minutes else np.resize(flow, minutes)


def spells(rng: np.random.Generator, minutes: int, a_week: float, mean_min: float) -> Mask:
    """Mark spells that come by chance, so many a week, of a log-normal length."""
    marked = np.zeros(minutes, dtype=bool)
    for first in rng.integers(0, minutes, rng.poisson(a_week * minutes / (7 * DAY))):
        marked[first : first + 1 + int(rng.lognormal(np.log(mean_min), 0.9))] = True
    return marked


def orders(rng: np.random.Generator, job: Job, minutes: int) -> NDArray[np.float64]:
    """Give the factor by which each minute's order makes the cycle longer or shorter."""
    few = 40 + int(minutes / 60 / job.order_h[0])
    hours = np.exp(rng.uniform(np.log(job.order_h[0]), np.log(job.order_h[1]), few))
    products = rng.uniform(0.75, 1.35, int(rng.integers(2, 9)))
    factors = products[rng.integers(0, len(products), few)]
    return np.resize(np.repeat(factors, (hours * 60).astype(np.int64) + 1), minutes)


def steps_of(total: Counts) -> Counts:
    """Give what each minute added to a total."""
    steps = total.copy()
    steps[1:] -= total[:-1]
    return steps


def counted(run_ms: Counts, cycle_ms: NDArray[np.float64] | float) -> Counts:
    """Count the cycles finished in each minute of so much running."""
    return steps_of(np.floor(np.cumsum(run_ms / cycle_ms) + 1e-9).astype(np.int64))


def powered(rng: np.random.Generator, crew: Mask, habit: str) -> Mask:
    """Tell when the cabinet is on: always, or with the crew and some minutes around."""
    if habit == "always_on":
        return np.ones(len(crew), dtype=bool)
    reach = 45 if habit == "off_when_left" else 10
    before, after = int(rng.integers(4, 15)), int(rng.integers(reach, reach * 3))
    total = np.concatenate([[0], np.cumsum(crew)])
    at = np.arange(len(crew))
    near: Mask = total[np.minimum(at + before, len(crew))] - total[np.maximum(at - after, 0)] > 0
    return near


def utilization(rng: np.random.Generator, style: str, minutes: int) -> NDArray[np.float64]:
    """Give the share of its possible work that each minute gets: ramps, seasons, good and bad days."""
    days = minutes // DAY + 1
    level = np.clip(rng.normal(0.93, 0.07, days), 0.4, 1.0)
    if style == "ramp":
        level *= np.clip(np.linspace(0.15, days / float(rng.uniform(14, 35)), days), 0.1, 1.0)
    if style == "season":
        level *= 0.72 + 0.28 * np.cos(np.arange(days) / float(rng.uniform(8, 25)) + float(rng.uniform(0, 6)))
    return np.repeat(level, DAY)[:minutes]


def work(
    rng: np.random.Generator,
    dates: list[dt.date],
    *,
    job: str | None = None,
    style: str = "plain",
    crew: Mask | None = None,
    flow: Mask | None = None,
    takt_ms: NDArray[np.float64] | None = None,
) -> Trace:
    """Make an honest robot's trace. `flow` and `takt_ms` come from the line it stands in."""
    kind = job or str(rng.choice(list(JOBS)))
    about = JOBS[kind]
    rota, week = str(rng.choice(ROTAS)), str(rng.choice(WEEKS, p=[0.2, 0.4, 0.3, 0.1]))
    manned = crewed(rng, rota, week, dates) if crew is None else crew
    minutes = len(manned)
    habit = str(rng.choice(["always_on", "off_when_left", "off_at_once"], p=[0.45, 0.3, 0.25]))
    fault = spells(rng, minutes, about.faults_week, 14) & manned
    burst, wait = float(rng.uniform(*about.burst_min)), float(rng.uniform(*about.wait_min))
    busy = alternation(rng, minutes, burst, wait) if flow is None else flow
    dull = rng.random(minutes // 15 + 1) < np.resize(
        utilization(rng, style, minutes)[::15], minutes // 15 + 1
    )
    running = manned & busy & ~fault & np.repeat(dull, 15)[:minutes]
    edge = running & ~(np.roll(running, 1) & np.roll(running, -1))
    run_ms = np.where(running, 60_000, 0).astype(np.int64)
    run_ms[edge] = rng.integers(2, 13, int(edge.sum())) * POLL_MS
    cycle_ms = float(rng.uniform(*about.cycle_s)) * 1_000
    wobble = 1 + about.drift * np.repeat(rng.standard_normal(minutes // 60 + 1), 60)[:minutes]
    lengths = (
        orders(rng, about, minutes) * cycle_ms * np.clip(wobble, 0.7, 1.4) if takt_ms is None else takt_ms
    )
    on = powered(rng, manned, habit)
    paused = np.where(manned & on & ~running & ~fault, 60_000 - run_ms, 0)
    if rng.random() < 0.5:
        paused[:] = 0
    return Trace(
        run_ms=run_ms,
        paused_ms=paused.astype(np.int64),
        fault_ms=np.where(fault & on, 60_000 - run_ms, 0).astype(np.int64),
        on=on | (run_ms > 0),
        cycles=counted(run_ms, lengths),
        cycle_ms=int(np.mean(lengths)),
        power_w=int(rng.integers(*about.power_w)),
        facts={"job": kind, "rota": rota, "week": week, "style": style, "habit": habit},
    )


def line_of_robots(rng: np.random.Generator, dates: list[dt.date], count: int) -> list[Trace]:
    """Make robots of one line: one conveyor stops them all, minutes apart; each has a few stops of its own."""
    crew = crewed(rng, str(rng.choice(ROTAS)), str(rng.choice(WEEKS)), dates)
    minutes = len(crew)
    flow = alternation(rng, minutes, float(rng.uniform(15, 60)), float(rng.uniform(3, 15)))
    takt = orders(rng, JOBS["assembly"], minutes) * float(rng.uniform(9_000, 40_000))
    made, lag = [], 0
    for number in range(count):
        own = alternation(rng, minutes, float(rng.uniform(60, 300)), 2.0)
        times = 1.0 if rng.random() < 0.7 else 0.5
        made.append(
            work(
                rng,
                dates,
                job=str(rng.choice(["assembly", "gluing", "palletizing"])),
                style="line",
                crew=crew,
                flow=np.roll(flow, lag) & own,
                takt_ms=np.roll(takt, lag) * times,
            )
        )
        made[-1].facts.update(place=str(number + 1), lag_min=str(lag))
        lag += int(rng.integers(0, 7))
    return made


def twins(rng: np.random.Generator, dates: list[dt.date], count: int) -> list[Trace]:
    """Make robots of one model in one hall on one rota, with one job, each with stops and orders of its own."""
    job = str(rng.choice(list(JOBS)))
    crew = crewed(rng, str(rng.choice(ROTAS)), str(rng.choice(WEEKS)), dates)
    return [work(rng, dates, job=job, style="twin", crew=crew) for _ in range(count)]
