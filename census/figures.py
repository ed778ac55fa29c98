"""How many? Verdicts counted into figures: totals, 完成率, 序时进度, by county and by reason. Pure, integers only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from census.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from census.policy import Policy, Target

ELSEWHERE = ""
"""The division of claims that name none of the policy's."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and where it counts (the policy's division code, or ELSEWHERE)."""

    verdict: Verdict
    division: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Claims by outcome; `claimed` is the sum of the other three."""

    claimed: int
    confirmed: int
    refuted: int
    unproven: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One indicator: its tally against its target, and why claims were not confirmed."""

    target: Target
    tally: Tally
    completion_tenths: int
    progress_tenths: int
    by_division: tuple[tuple[str, Tally], ...]
    refuted_by_rule: tuple[tuple[str, int], ...]
    unproven_by_rule: tuple[tuple[str, int], ...]
    review: int

    @property
    def ahead_tenths(self) -> int:
        """Completion less the share of time gone, in tenths of a percentage point."""
        return self.completion_tenths - self.progress_tenths


def count_figure(target: Target, judged: Iterable[Judged], policy: Policy, as_of_ms: int) -> Figure:
    """Count one indicator. Each claim has exactly one outcome, one division and, unless confirmed, one reason."""
    found = list(judged)
    verdicts = [one.verdict for one in found]
    tally = _tally(verdicts)
    period = policy.period
    return Figure(
        target=target,
        tally=tally,
        completion_tenths=tenths(tally.confirmed, target.value),
        progress_tenths=tenths(period.elapsed_days(as_of_ms), period.end_day - period.first_day),
        by_division=_by_division(found, policy),
        refuted_by_rule=_by_rule(verdicts, Outcome.REFUTED),
        unproven_by_rule=_by_rule(verdicts, Outcome.UNPROVEN),
        review=sum(verdict.review for verdict in verdicts),
    )


def tenths(part: int, whole: int) -> int:
    """Give part of whole in tenths of a percent, halves rounded up."""
    return (part * 2000 + whole) // (2 * whole)


def write_tenths(value: int, *, signed: bool = False) -> str:
    """Write tenths as a decimal with one place; `signed` puts a plus before what is not negative."""
    sign = "-" if value < 0 else "+" if signed else ""
    return f"{sign}{abs(value) // 10}.{abs(value) % 10}"


def _tally(verdicts: Iterable[Verdict]) -> Tally:
    counts = Counter(verdict.outcome for verdict in verdicts)
    return Tally(counts.total(), counts[Outcome.CONFIRMED], counts[Outcome.REFUTED], counts[Outcome.UNPROVEN])


def _by_division(found: list[Judged], policy: Policy) -> tuple[tuple[str, Tally], ...]:
    grouped: dict[str, list[Verdict]] = {}
    for one in found:
        grouped.setdefault(one.division, []).append(one.verdict)
    codes = [division.code for division in policy.divisions]
    if ELSEWHERE in grouped:
        codes.append(ELSEWHERE)
    return tuple((code, _tally(grouped.get(code, ()))) for code in codes)


def _by_rule(verdicts: list[Verdict], outcome: Outcome) -> tuple[tuple[str, int], ...]:
    counts = Counter(verdict.reason for verdict in verdicts if verdict.outcome is outcome)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
