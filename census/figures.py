"""How many? Verdicts counted into figures: totals, 完成率, 序时进度, by county and by reason. Pure, integers only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from census.breakdown import ELSEWHERE, BreakdownRow, Judged, Tally, break_down, tally
from census.calendar import day_of
from census.growth import Growth, compare_month
from census.percent import tenths, write_tenths
from census.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from census.policy import Policy, Target

__all__ = ["ELSEWHERE", "Figure", "Judged", "Tally", "count_figure", "tenths", "write_tenths"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One indicator: its tally against its target, and why claims were not confirmed."""

    target: Target
    tally: Tally
    completion_tenths: int
    progress_tenths: int
    breakdowns: Mapping[str, tuple[BreakdownRow, ...]]
    growth: Growth
    refuted_by_rule: tuple[tuple[str, int], ...]
    unproven_by_rule: tuple[tuple[str, int], ...]
    review: int

    @property
    def by_division(self) -> tuple[tuple[str, Tally], ...]:
        """The exact counts by county; what may be published of them stands in `breakdowns`."""
        return tuple((row.code, row.tally) for row in self.breakdowns["division"])

    @property
    def ahead_tenths(self) -> int:
        """Completion less the share of time gone, in tenths of a percentage point."""
        return self.completion_tenths - self.progress_tenths


def count_figure(
    target: Target,
    judged: Iterable[Judged],
    policy: Policy,
    as_of_ms: int,
    year_before: Mapping[str, int | None] | None = None,
) -> Figure:
    """Count one indicator. Each claim has exactly one outcome, one row of each table and, unless confirmed, one reason.

    `year_before` has the confirmed claims by month of the year before, for 同比.
    """
    found = list(judged)
    verdicts = [one.verdict for one in found]
    counts = tally(verdicts)
    period = policy.period
    last_day = day_of(as_of_ms - 1)
    breakdowns = break_down(found, policy, last_day)
    return Figure(
        target=target,
        tally=counts,
        completion_tenths=tenths(counts.confirmed, target.value),
        progress_tenths=tenths(period.elapsed_days(as_of_ms), period.end_day - period.first_day),
        breakdowns=breakdowns,
        growth=compare_month(breakdowns["month"], policy, last_day, year_before),
        refuted_by_rule=_by_rule(verdicts, Outcome.REFUTED),
        unproven_by_rule=_by_rule(verdicts, Outcome.UNPROVEN),
        review=sum(verdict.review for verdict in verdicts),
    )


def _by_rule(verdicts: list[Verdict], outcome: Outcome) -> tuple[tuple[str, int], ...]:
    counts = Counter(verdict.reason for verdict in verdicts if verdict.outcome is outcome)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
