"""Did the robot first work inside the period? Work before it refutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import write_day
from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "first_worked_in_period"


def first_worked_in_period(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """投用日期与首次工作均在统计期内；绑定之外的数据也用于判断首次工作。统计期之前已工作，或申报的投用日期在统计期之外的，不计。

    The commissioning day and the first work lie inside the period; rows outside the binding bear witness to first work
    too. One that worked before the period, or was commissioned outside it by its own claim, does not count.
    """
    period = policy.period
    if claim.commissioned_day is not None and not period.holds(claim.commissioned_day):
        when = write_day(claim.commissioned_day)
        return contradicts(
            RULE, f"投用日期 {when} 不在统计期内", f"commissioned on {when}, outside the period"
        )
    least_ms = policy.thresholds.first_work_running_min.value * 60_000
    first = next((day.day for day in evidence.all_days if day.worked_ms >= least_ms), None)
    if first is None:
        return silent(RULE, "尚未听到工作", "no work heard yet")
    when = write_day(first)
    if first < period.first_day:
        return contradicts(RULE, f"{when} 已在工作，早于统计期", f"worked on {when}, before the period")
    if first >= period.end_day:
        return silent(
            RULE, f"{when} 才首次工作，晚于统计期", f"first heard working on {when}, after the period"
        )
    if claim.commissioned_day is None:
        return silent(RULE, "申报没有投用日期", "the claim gives no commissioning day")
    return supports(RULE, f"{when} 首次工作", f"first worked on {when}")
