"""Does the robot work? Idleness is told only where it was heard well."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.rolling import has_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "works"
_FILES = frozenset({"bindings", "replacements", "gateways"})
_DAY = attrgetter("day")


def works(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """统计期内、投用之后，任一滚动窗口中有规定天数每天运行达到规定时间。投用后已在一个窗口内听清规定天数、工作天数仍不足的，认定为未工作；听不清的日子与法定节假日不作为未工作的依据；绑定、更换或网关台账中有读不出的行涉及本申报的，不认定为未工作。

    Inside the period and since commissioning it ran long enough on enough days of a rolling window. Once it was heard well
    on enough days of one window and still worked on fewer, it does not work; days not heard well and public holidays prove no idleness,
    nor do any where a binding, replacement or gateway of its stands in a row that cannot be read.
    """
    limits = policy.thresholds
    days = _judged(claim, evidence, policy)
    enough_ms = limits.working_day_running_min.value * 60_000
    working = _distinct([day.day for day in days if day.worked_ms >= enough_ms])
    if has_window(working, limits.working_window.value, limits.working_days.value):
        return supports(RULE, f"{len(working)} 个工作日", f"{len(working)} working days")
    heard = _distinct(
        day.day
        for day in days
        if not policy.is_holiday(day.day)
        and day.heard_well(limits.heard_polls.value, limits.heard_cover.value)
    )
    is_well_heard = has_window(heard, limits.working_window.value, limits.heard_days.value)
    if is_well_heard and len(working) < limits.working_days.value:
        if unread := evidence.unread & _FILES:
            return silent_for_unread(RULE, unread)
        return contradicts(
            RULE,
            f"听清 {len(heard)} 天，工作仅 {len(working)} 天",
            f"heard well on {len(heard)} days, worked on {len(working)}",
        )
    return silent(
        RULE,
        f"工作 {len(working)} 天，听清 {len(heard)} 天，尚不足以判断",
        f"{len(working)} working days, {len(heard)} heard well: not enough to tell",
    )


def _judged(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Sequence[DeviceDay]:
    """Cut the days, which come in order, to those inside the period and since commissioning."""
    days, start = evidence.days, max(policy.period.first_day, claim.commissioned_day or 0)
    return days[bisect_left(days, start, key=_DAY) : bisect_left(days, policy.period.end_day, key=_DAY)]


def _distinct(days: Iterable[int]) -> list[int]:
    return sorted(set(days))
