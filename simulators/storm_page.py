"""What did a night of faults show? The reference page: what was tried, by which command, when, on which commit, and what it bounds."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from simulators.storm import failure_lines, table_lines
from simulators.storm_run import count_double, count_lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from simulators.storm_night import Night

VIOLATIONS_MAX = 100
"""Lines of violations on the page; the seeds replay the rest."""
COLUMNS = (
    "trials",
    "number",
    "violations",
    "readings accepted",
    "readings delivered",
    "declared lost to rot",
    "duplicates on the wire",
    "lost",
    "double",
)
Cell = str | int


def page(night: Night, nights: float, day: date, commit: str) -> str:
    """Write the page; `day` is the UTC day on which the night ended."""
    first = f" --from {night.extent.first}" if night.extent.first else ""
    found = "nothing was found wrong" if night.is_clean else "**there were violations, listed below**"
    lines = [
        "# Faults",
        "",
        "What the gateway and the store were put through, production code both, and what it cost. How it is done, and what it is not:",
        "[0010](../decisions/0010-storm.md). Made by one run, not by hand:",
        "",
        "```",
        f"./run storm --nights {nights:g}{first} --report FILE",
        "```",
        "",
        f"Date {day.isoformat()} (UTC), commit `{commit}`: {found}.",
        "",
        *_trial_lines(night),
        "",
        "A power cut's readings are those acknowledged before it, and those found in what it left, which may be more: kept, and not yet",
        "acknowledged. Only seeds have a wire, and bits that are turned, whose loss must be declared.",
        "",
        bound_sentence(night),
        "",
        *_violation_lines(night, commit),
        "## Seeds",
        "",
        *table_lines(night.seeds),
        "",
        "## Power cuts and kills",
        "",
        "| figure | value |",
        "|---|---:|",
        f"| calls of recorded runs, each cut behind | {night.cuts.calls:,} |",
        f"| batches answered for before a cut, all found | {night.cuts.answered:,} |",
        f"| SIGKILLs in the start of the process | {night.kills.in_start:,} |",
        f"| SIGKILLs at a random moment of its work | {night.kills.kills - night.kills.in_start:,} |",
    ]
    return "\n".join(lines) + "\n"


def _trial_lines(night: Night) -> Iterator[str]:
    seeds, cuts, kills = night.seeds, night.cuts, night.kills
    yield _row(COLUMNS)
    yield "|---|" + "---:|" * (len(COLUMNS) - 1)
    for name, number, problems, accepted, delivered in (
        ("power cuts", cuts.states, cuts.problems, cuts.acknowledged, cuts.found),
        ("SIGKILLs", kills.kills, kills.problems, kills.accepted, kills.delivered),
    ):
        lost, double = count_lost(problems), count_double(problems)
        yield _row((name, number, len(problems), accepted, delivered, 0, "", lost, double))
    violations = sum(len(outcome.problems) for outcome in seeds.failed)
    counts = (
        seeds.accepted,
        seeds.delivered,
        seeds.declared,
        seeds.duplicates,
        seeds.lost,
        seeds.double,
    )
    yield _row(("seeds", seeds.seeds, violations, *counts))


def _row(cells: Iterable[Cell]) -> str:
    told = (f"{cell:,}" if isinstance(cell, int) else cell for cell in cells)
    return f"| {' | '.join(told)} |"


def bound_sentence(night: Night) -> str:
    """Say what clean trials bound: 3/n at 95 % (the rule of three); trials with a violation bound nothing."""
    trials = (
        ("seeds", night.seeds.seeds, bool(night.seeds.failed)),
        ("power cuts", night.cuts.states, bool(night.cuts.problems)),
        ("kills", night.kills.kills, bool(night.kills.problems)),
    )
    told = [
        f"{number:,} {name} by {_percent(number)}"
        if number and not failed
        else f"{number:,} {name} by nothing"
        for name, number, failed in trials
    ]
    return (
        f"n clean trials bound the chance of a failure a trial by 3/n at 95 %: {', '.join(told)}; as far as trials do not "
        "depend on each other, which power cuts of one recorded run do in part."
    )


def _percent(trials: int) -> str:
    return f"{min(100.0, 300 / trials):.3f}".rstrip("0").rstrip(".") + " %"


def _violation_lines(night: Night, commit: str) -> Iterator[str]:
    if night.is_clean:
        return
    yield from ("## Violations", "", "```")
    lines = list(violation_lines(night, commit))
    yield from islice(lines, VIOLATIONS_MAX)
    if len(lines) > VIOLATIONS_MAX:
        yield f"and {len(lines) - VIOLATIONS_MAX} lines more"
    yield from ("```", "")


def violation_lines(night: Night, commit: str) -> Iterator[str]:
    """Tell all that was wrong, and how to see it again."""
    yield from night.broken
    yield from (f"kills: {problem}" for problem in night.kills.problems)
    yield from night.cuts.problems
    for outcome in night.seeds.failed:
        yield from failure_lines(outcome, commit)
