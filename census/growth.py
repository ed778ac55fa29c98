"""How does a month compare? 环比 with the month before, 同比 with the same month a year before; no base, no percentage. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from census.breakdown import month_of
from census.percent import tenths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from census.breakdown import BreakdownRow
    from census.policy import Policy

NO_MONTH = ("尚无完整月份", "no whole month of the period is over")
NO_BEFORE = ("统计期内没有上月", "the period has no month before")
NO_YEAR = ("未给出上年同期结果", "no result of the year before was given")
MONTH_HIDDEN = ("本月因单元过小不公布", "the month itself is a cell too small to publish")
HIDDEN = ("基数因单元过小不公布", "the base is a cell too small to publish")
ZERO = ("基数为零", "the base is zero")


@dataclass(frozen=True, slots=True)
class Change:
    """A comparison: the base month and its value, the change in tenths of a percent, or the reason there is none."""

    base_month: str
    base: int | None
    change_tenths: int | None
    reason: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Growth:
    """The last whole month's confirmed claims, beside the month before and the same month a year before."""

    month: str
    confirmed: int | None
    on_month: Change
    on_year: Change


def compare_month(
    months: tuple[BreakdownRow, ...],
    policy: Policy,
    as_of_day: int,
    year_before: Mapping[str, int | None] | None,
) -> Growth:
    """Compare the last month that is over on `as_of_day`; `year_before` has last year's confirmed claims by month."""
    values = {row.code: row.published()["confirmed"] for row in months if row.code}
    month = _last_whole(policy, as_of_day)
    if month is None or month not in values:
        nothing = Change("", None, None, NO_MONTH)
        return Growth("", None, nothing, nothing)
    value = values[month]
    before = _shifted(month, 1)
    on_month = (
        _change(value, before, values[before]) if before in values else Change(before, None, None, NO_BEFORE)
    )
    last_year = _shifted(month, 12)
    on_year = (
        _change(value, last_year, year_before[last_year])
        if year_before is not None and last_year in year_before
        else Change(last_year, None, None, NO_YEAR)
    )
    return Growth(month, value, on_month, on_year)


def _change(value: int | None, month: str, base: int | None) -> Change:
    if value is None:
        return Change(month, base, None, MONTH_HIDDEN)
    if base is None:
        return Change(month, None, None, HIDDEN)
    if base == 0:
        return Change(month, 0, None, ZERO)
    change = tenths(abs(value - base), base)
    return Change(month, base, change if value >= base else -change)


def _last_whole(policy: Policy, as_of_day: int) -> str | None:
    """Find the last month of the period that is over when `as_of_day` is the last day seen."""
    last = min(as_of_day, policy.period.end_day - 1)
    month = month_of(last + 1)
    before = _shifted(month, 1)
    return before if before >= month_of(policy.period.first_day) else None


def _shifted(month: str, months: int) -> str:
    """Give the month some months earlier."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 - months
    return date(number // 12, number % 12 + 1, 1).isoformat()[:7]
