"""Where and when do the claims count? Tables by county, month, cluster, industry and size, with rank and change. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from census.suppress import suppressed_cells
from census.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from census.policy import Policy

ELSEWHERE = ""
"""The row of claims that name none of the policy's codes."""
DIMENSIONS = ("division", "month", "cluster", "industry", "size")
TALLY = ("claimed", "confirmed", "refuted", "unproven")


class Judged(NamedTuple):
    """A verdict and where it counts: the policy's codes, or ELSEWHERE, and the claim's day (ordinal)."""

    verdict: Verdict
    division: str
    cluster: str = ELSEWHERE
    industry: str = ELSEWHERE
    size: str = ELSEWHERE
    day: int | None = None

    @property
    def month(self) -> str:
        """The claim's month as `2018-03`; ELSEWHERE when it gives no day."""
        return month_of(self.day) if self.day is not None else ELSEWHERE


@dataclass(frozen=True, slots=True)
class Tally:
    """Claims by outcome; `claimed` is the sum of the other three."""

    claimed: int
    confirmed: int
    refuted: int
    unproven: int


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """One row: exact counts, which of them must not be published, and its rank by confirmed claims.

    `rank` is among the published cells; None for the row of claims that name no code, and for a count that is not
    published. `rank_change` is how many places it rose since the end of the month before among those that could have been
    published then; None when there is no month before.
    """

    code: str
    tally: Tally
    hidden: frozenset[str] = field(default_factory=frozenset)
    rank: int | None = None
    rank_change: int | None = None

    def published(self) -> dict[str, int | None]:
        """Give the counts that may be published; None stands for one that may not."""
        return {name: None if name in self.hidden else getattr(self.tally, name) for name in TALLY}


@lru_cache(maxsize=4096)  # ten years of days
def month_of(day: int) -> str:
    """Give a day's month as `2018-03`."""
    return date.fromordinal(day).isoformat()[:7]


def months_until(first_day: int, end_day: int) -> list[str]:
    """List the months from a first day to an end (exclusive)."""
    return sorted({month_of(day) for day in range(first_day, end_day)})


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Count verdicts by outcome."""
    return _tally(Counter(verdict.outcome for verdict in verdicts))


def _tally(counts: Counter[Outcome]) -> Tally:
    return Tally(counts.total(), counts[Outcome.CONFIRMED], counts[Outcome.REFUTED], counts[Outcome.UNPROVEN])


def break_down(
    judged: Sequence[Judged], policy: Policy, as_of_day: int
) -> dict[str, tuple[BreakdownRow, ...]]:
    """Make every table. `as_of_day` is the last whole day seen; months after it have no row of their own."""
    before = month_of(as_of_day)
    codes = _codes(policy, as_of_day)
    outcomes = [one.verdict.outcome for one in judged]
    earlier = [
        one for one in judged if one.verdict.outcome is Outcome.CONFIRMED and ELSEWHERE < one.month < before
    ]
    tables = {}
    for dimension in DIMENSIONS:
        code_of = attrgetter(dimension)
        tables[dimension] = _table(
            Counter(zip(map(code_of, judged), outcomes, strict=True)),
            Counter(map(code_of, earlier)) if dimension != "month" else None,
            codes[dimension],
            policy.thresholds.small_cell.value,
        )
    return tables


def _codes(policy: Policy, as_of_day: int) -> Mapping[str, list[str]]:
    period = policy.period
    end = min(max(as_of_day + 1, period.first_day), period.end_day)
    return {
        "division": [one.code for one in policy.divisions],
        "month": months_until(period.first_day, end),
        "cluster": [one.code for one in policy.clusters],
        "industry": [one.code for one in policy.industries],
        "size": [one.code for one in policy.sizes],
    }


def _table(
    counted: Mapping[tuple[str, Outcome], int],
    earlier: Mapping[str, int] | None,
    codes: list[str],
    least: int,
) -> tuple[BreakdownRow, ...]:
    """Make a table of counts by code and outcome; `earlier` has those confirmed before this month, None for no ranks."""
    outcomes: dict[str, Counter[Outcome]] = {code: Counter() for code in codes}
    for (code, outcome), count in counted.items():
        outcomes.setdefault(code if code in outcomes else ELSEWHERE, Counter())[outcome] += count
    tallies = {code: _tally(found) for code, found in outcomes.items()}
    cells = suppressed_cells([[getattr(one, name) for name in TALLY] for one in tallies.values()], least)
    hidden = [
        frozenset(TALLY[column] for row, column in cells if row == place) for place in range(len(tallies))
    ]
    shown = {
        code: counts.confirmed
        for (code, counts), gaps in zip(tallies.items(), hidden, strict=True)
        if code in codes and "confirmed" not in gaps
    }
    ranks, changes = _ranks(shown, earlier, least) if earlier is not None else ({}, {})
    return tuple(
        BreakdownRow(code, counts, gaps, ranks.get(code), changes.get(code))
        for (code, counts), gaps in zip(tallies.items(), hidden, strict=True)
    )


def _ranks(
    shown: Mapping[str, int], earlier: Mapping[str, int], least: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Rank the published counts of confirmed claims, and tell how many places each rose since those before this month.

    Only published cells are ranked, and for the change only those that could have been published then: a place among cells
    that are not shown would tell what they are.
    """
    then = {code: earlier.get(code, 0) for code in shown if not 0 < earlier.get(code, 0) < least}
    if not any(then.values()):
        return _places(shown), {}
    before, now = _places(then), _places({code: shown[code] for code in then})
    return _places(shown), {code: before[code] - now[code] for code in then}


def _places(counts: Mapping[str, int]) -> dict[str, int]:
    """Give each code its place, the most first; equal counts share a place."""
    return {code: 1 + sum(other > count for other in counts.values()) for code, count in counts.items()}
