"""How is a storm called up? `mfl storm`: one seed, many, or the long run of a night; exit 1 on any violation."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.storm import Tally
    from simulators.storm_run import Outcome

NIGHT_SEEDS, NIGHT_STATES, NIGHT_KILLS = 5_000, 15_000, 1_000
STATES_A_RUN = 1_500
"""Power-cut states made of one recorded run; the next ones come from a run of another seed."""


@click.command()
@click.option("--seed", type=int, help="Replay this one.")
@click.option("--seeds", type=click.IntRange(1), help="Run that many, from --from on.")
@click.option("--from", "first", default=0, show_default=True, help="The first seed.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1))
@click.option(
    "--nights",
    type=click.FloatRange(0, 10, min_open=True),
    help="1: 5,000 seeds, 15,000 power cuts, 1,000 SIGKILLs; 0.1: a tenth of each.",
)
def storm(*, seed: int | None, seeds: int | None, first: int, processes: int, nights: float | None) -> None:
    """Production code over virtual time, disk and network, with faults by seed: nothing lost or twice. 风暴测试."""
    if sum(given is not None for given in (seed, seeds, nights)) > 1:
        raise click.UsageError("one of --seed, --seeds and --nights")
    fine = True
    if nights is not None:
        fine = _power_cuts(first, round(NIGHT_STATES * nights)) and _kills(first, round(NIGHT_KILLS * nights))
    if seed is not None:
        chosen = range(seed, seed + 1)
    else:
        chosen = range(first, first + (round(NIGHT_SEEDS * nights) if nights is not None else seeds or 100))
    fine = _seeds(chosen, 1 if seed is not None else processes) and fine
    sys.exit(0 if fine else 1)


def _seeds(seeds: range, processes: int) -> bool:
    from simulators.storm import failure_lines, table_lines, tally_seeds  # noqa: PLC0415

    commit, done = _commit(), 0

    def seen(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if outcome.problems:
            _echo(failure_lines(outcome, commit))
        elif done % 100 == 0:
            click.echo(f"{done} of {len(seeds)} seeds", err=True)

    tally: Tally = tally_seeds(seeds, processes, seen)
    click.echo(f"\nseeds {seeds[0]} to {seeds[-1]}, commit {commit}\n")
    _echo(table_lines(tally))
    if len(seeds) >= 100 and tally.absent:
        click.echo(f"faults that never happened: {', '.join(tally.absent)}")
        return False
    return not tally.failed


def _power_cuts(first: int, states: int) -> bool:
    from simulators.storm import quiet_folder  # noqa: PLC0415
    from simulators.storm_power import cut_everywhere  # noqa: PLC0415

    made, run, problems = 0, first, 0
    while made < states:
        with quiet_folder() as folder:
            tally = cut_everywhere(run, min(STATES_A_RUN, states - made), folder)
        _echo(f"power cut, run {run}: {problem}" for problem in tally.problems[:10])
        made, run, problems = made + tally.states, run + 1, problems + len(tally.problems)
    click.echo(f"power-cut states started: {made:,} of {run - first} runs; with violations: {problems}")
    return not problems


def _kills(first: int, kills: int) -> bool:
    from simulators.kill_run import kill_often  # noqa: PLC0415
    from simulators.storm import quiet_folder  # noqa: PLC0415

    def seen(number: int) -> None:
        if number % 100 == 0:
            click.echo(f"{number} of {kills} kills", err=True)

    with quiet_folder() as folder:
        tally = asyncio.run(kill_often(kills, random.Random(first), folder, seen))
    _echo(f"kill: {problem}" for problem in tally.problems[:10])
    click.echo(
        f"SIGKILLs: {tally.kills:,}, of them in the start {tally.in_start:,}; readings accepted {tally.accepted:,}, "
        f"delivered {tally.delivered:,}; violations: {len(tally.problems)}"
    )
    return not tally.problems


def _commit() -> str:
    """Name the code that runs, as far as git knows it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(  # noqa: S603 - a fixed command
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
    )
    return found.stdout.strip() or "unknown"


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
