"""What is tried in a night? Kills, power cuts and seeds, spread over a few processes that are never idle before the end.

The kills are one long piece, for they follow one another on one disk; they mostly wait for the process they start. So they
are handed out first, and the other processes go on with power cuts and then seeds.
"""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from simulators.kill_run import KillTally, kill_often
from simulators.storm import Tally, quiet_folder, run_one
from simulators.storm_power import PowerTally, cut_everywhere
from simulators.storm_run import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SEEDS, STATES, KILLS = 5_000, 15_000, 1_000
"""What one night tries."""
STATES_A_RUN = 1_500
"""Power-cut states made of one recorded run; the next ones come from a run of another seed."""
SEEDS_A_PIECE = 4

Result = KillTally | PowerTally | list[Outcome]
Piece = tuple[str, "Callable[[], Result]"]
"""A piece of work that a process takes whole, and its name."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is tried, and from which seed on."""

    first: int
    seeds: int
    states: int
    kills: int

    @classmethod
    def of(cls, nights: float, first: int) -> Extent:
        """Give the share of a night, at least one of each."""
        return cls(first, *(max(1, round(count * nights)) for count in (SEEDS, STATES, KILLS)))


@dataclass(slots=True)
class Night:
    """What has been tried so far, and what was wrong with it."""

    extent: Extent
    seeds: Tally = field(default_factory=Tally)
    cuts: PowerTally = field(default_factory=PowerTally)
    kills: KillTally = field(default_factory=KillTally)
    broken: list[str] = field(default_factory=list)
    """Pieces that gave no result, and faults that never happened: what was not tried proves nothing."""

    @property
    def is_clean(self) -> bool:
        """Tell whether all was tried and nothing was wrong."""
        return not (self.seeds.failed or self.cuts.problems or self.kills.problems or self.broken)

    def add(self, result: Result) -> None:
        """Take a piece's result in."""
        if isinstance(result, KillTally):
            self.kills = result
        elif isinstance(result, PowerTally):
            self.cuts.add(result)
        else:
            for outcome in result:
                self.seeds.add(outcome)


def run_kills(first: int, kills: int) -> KillTally:
    """Kill one gateway that many times."""
    with quiet_folder() as folder:
        return asyncio.run(kill_often(kills, random.Random(first), folder))


def run_cuts(seed: int, states: int) -> PowerTally:
    """Cut the power of one recorded run in that many ways."""
    with quiet_folder() as folder:
        return cut_everywhere(seed, states, folder)


def run_piece(seeds: range) -> list[Outcome]:
    """Run a few seeds."""
    return [run_one(seed) for seed in seeds]


def pieces_of(extent: Extent) -> Iterator[Piece]:
    """Cut the night into pieces, in the order in which they are handed out."""
    yield "kills", partial(run_kills, extent.first, extent.kills)
    for number, start in enumerate(range(0, extent.states, STATES_A_RUN)):
        run = extent.first + number
        yield f"power cuts, run {run}", partial(run_cuts, run, min(STATES_A_RUN, extent.states - start))
    end = extent.first + extent.seeds
    for start in range(extent.first, end, SEEDS_A_PIECE):
        chosen = range(start, min(start + SEEDS_A_PIECE, end))
        yield f"seeds {chosen[0]} to {chosen[-1]}", partial(run_piece, chosen)


def run_night(extent: Extent, processes: int, seen: Callable[[Night, Result], None]) -> Night:
    """Try it all; `seen` is told of each piece. One that breaks off is a finding, and does not stop the others."""
    night = Night(extent)
    for name, result in _results(list(pieces_of(extent)), processes):
        if isinstance(result, Exception):
            night.broken.append(f"{name}: ended early: {result!r}")
        else:
            night.add(result)
            seen(night, result)
    if extent.seeds >= 100 and night.seeds.absent:
        night.broken.append(f"faults that never happened: {', '.join(night.seeds.absent)}")
    night.seeds.failed.sort(key=lambda outcome: outcome.seed)
    return night


def _results(pieces: list[Piece], processes: int) -> Iterable[tuple[str, Result | Exception]]:
    if processes <= 1:
        for name, work in pieces:
            yield name, _result(work)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        names = {pool.submit(work): name for name, work in pieces}
        try:
            for future in as_completed(names):
                yield names[future], _result(future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result(work: Callable[[], Result]) -> Result | Exception:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever ends a piece is a finding
        return error
