"""How do many storms end in one table? Seeds in a few processes, and the sum of what they showed, violations first."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.storm_faults import FAULTS, OUTAGE
from simulators.storm_run import Outcome, run_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LINES_MAX = 10
"""Violations told of one seed; the seed replays the rest."""
FAST = Path("/dev/shm")  # noqa: S108 - a place, not a name: each storm makes its own directory in it
"""Memory in the shape of files, where there is some: a storm's disk is virtual, and its files need not be safe."""
CHUNK = 4


@dataclass(slots=True)
class Tally:
    """The sum over seeds."""

    seeds: int = 0
    failed: list[Outcome] = field(default_factory=list)
    accepted: int = 0
    delivered: int = 0
    declared: int = 0
    batches: int = 0
    duplicates: int = 0
    lost: int = 0
    double: int = 0
    fresh: int = 0
    delay_max: float = 0.0
    tries_max: int = 0
    hours: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Take one seed's outcome in."""
        self.seeds += 1
        if outcome.problems:
            self.failed.append(outcome)
        self.accepted += outcome.accepted
        self.delivered += outcome.delivered
        self.declared += outcome.declared
        self.batches += outcome.batches
        self.duplicates += outcome.duplicates
        self.lost += outcome.lost
        self.double += outcome.double
        self.fresh += outcome.fresh
        self.delay_max = max(self.delay_max, outcome.delay_max)
        self.tries_max = max(self.tries_max, outcome.tries_max)
        self.hours += outcome.hours
        self.faults += outcome.faults

    @property
    def absent(self) -> list[str]:
        """Kinds of fault that never happened: such a run proves nothing about them."""
        return [kind for kind in (*FAULTS, OUTAGE) if not self.faults[kind]]


def fast_place() -> Path | None:
    """Give a place in memory for a storm's files; None for the system's own."""
    return FAST if FAST.is_dir() and os.access(FAST, os.W_OK) else None


@contextmanager
def quiet_folder() -> Iterator[Path]:
    """Give a folder that goes when it is no longer needed; production code logs nothing meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="storm-", dir=fast_place()))
    try:
        yield folder
    finally:
        logging.disable(before)
        shutil.rmtree(folder, ignore_errors=True)


def run_one(seed: int) -> Outcome:
    """Run one seed in a folder of its own."""
    with quiet_folder() as folder:
        return run_seed(seed, folder)


def run_seeds(seeds: Sequence[int], processes: int = 1) -> Iterator[Outcome]:
    """Run seeds, in their order, in one process or several."""
    if processes <= 1:
        yield from map(run_one, seeds)
        return
    # Fresh processes: a fork would inherit whatever threads and open files the caller has.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_one, seeds, chunksize=CHUNK)


def tally_seeds(
    seeds: Sequence[int], processes: int = 1, seen: Callable[[Outcome], None] = lambda _: None
) -> Tally:
    """Run seeds and add them up; `seen` is told of each."""
    tally = Tally()
    for outcome in run_seeds(seeds, processes):
        tally.add(outcome)
        seen(outcome)
    return tally


def failure_lines(outcome: Outcome, commit: str) -> Iterable[str]:
    """Say what one seed broke, and how to see it again."""
    yield f"seed {outcome.seed} commit {commit}: {len(outcome.problems)} violations"
    yield from (f"  {problem}" for problem in outcome.problems[:LINES_MAX])
    yield f"  replay: ./run storm --seed {outcome.seed}"


def table_lines(tally: Tally) -> Iterable[str]:
    """Write the figures: seeds, account, faults per kind."""
    rows = (
        ("seeds", tally.seeds),
        ("with violations", len(tally.failed)),
        ("hours of virtual time", round(tally.hours)),
        ("readings accepted", tally.accepted),
        ("readings delivered", tally.delivered),
        ("readings lost to rot, declared", tally.declared),
        ("batches stored", tally.batches),
        ("duplicates on the wire", tally.duplicates),
        ("lost", tally.lost),
        ("double", tally.double),
        ("fresh batches while a backlog drains, and after", tally.fresh),
        ("their largest delay in windows", round(tally.delay_max, 2)),
        ("most failing tries in a minute", tally.tries_max),
    )
    yield "| figure | value |"
    yield "|---|---:|"
    yield from (f"| {name} | {value:,} |" for name, value in rows)
    yield ""
    yield "| fault | times |"
    yield "|---|---:|"
    yield from (f"| {kind} | {tally.faults[kind]:,} |" for kind in sorted({*FAULTS, OUTAGE, *tally.faults}))
