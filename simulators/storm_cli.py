"""How is a storm called up? `mfl storm`: one seed, many, or the long run of a night; exit 1 on any violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.storm import Tally
    from simulators.storm_run import Outcome

PROGRESS_SEEDS = 100
"""Seeds between two words on how far it is."""


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
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write what the night showed as a page, violations and all.",
)
def storm(
    *,
    seed: int | None,
    seeds: int | None,
    first: int,
    processes: int,
    nights: float | None,
    report: Path | None,
) -> None:
    """Production code over virtual time, disk and network, with faults by seed: nothing lost or twice. 风暴测试."""
    if sum(given is not None for given in (seed, seeds, nights)) > 1:
        raise click.UsageError("one of --seed, --seeds and --nights")
    if report is not None and nights is None:
        raise click.UsageError("--report goes with --nights")
    if nights is not None:
        fine = _night(nights, first, processes, report)
    elif seed is not None:
        fine = _seeds(range(seed, seed + 1), 1)
    else:
        fine = _seeds(range(first, first + (seeds or 100)), processes)
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


def _night(nights: float, first: int, processes: int, report: Path | None) -> bool:
    from simulators.storm_night import Extent, Night, Result, run_night  # noqa: PLC0415
    from simulators.storm_page import page, violation_lines  # noqa: PLC0415

    commit, began_s = _commit(), time.monotonic()
    told = 0

    def seen(night: Night, result: Result) -> None:
        nonlocal told
        minutes, done = (time.monotonic() - began_s) / 60, night.seeds.seeds
        if not isinstance(result, list) or done - told >= PROGRESS_SEEDS:
            told = done
            left = f", about {minutes / done * (extent.seeds - done):.0f} min to go" if done else ""
            click.echo(
                f"{minutes:.0f} min: {night.kills.kills:,} kills, {night.cuts.states:,} power cuts, "
                f"{done:,} of {extent.seeds:,} seeds{left}",
                err=True,
            )

    extent = Extent.of(nights, first)
    night = run_night(extent, processes, seen)
    _echo(violation_lines(night, commit))
    day = datetime.fromtimestamp(time.time_ns() / 1e9, UTC).date()
    text = page(night, nights, day, commit)
    click.echo(text, nl=False)
    if report is not None:
        report.write_text(text, encoding="utf-8")
    return night.is_clean


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
