"""Is the telemetry a machine's and not a script's? Counts that never vary, repeat, or come back like clockwork."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy, Thresholds
    from census.robot_evidence import RobotEvidence

RULE = "not_scripted"


def not_scripted(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """数据出自机器而非脚本：窗口与工作循环不成整数倍，真实计数逐窗总有出入。工作日里各窗增量一成不变，或按固定周期重复，达到规定天数的；每小时计数与若干小时前分毫不差达到规定比例的；虽有抖动，仍按固定周期起伏、相关达到规定程度的，不计。计数太少的窗口不作比较。

    The telemetry is a machine's, not a script's: a window is no multiple of a cycle, so real counts differ from window to
    window. Increments that never change, or repeat with a fixed period, on enough working days; hourly counts of which too
    many are the very counts of some hours before; or that rise and fall with a fixed period under their jitter as strongly
    as the policy says, do not count. Windows with few counts are not compared.
    """
    limits = policy.thresholds
    enough_ms = limits.working_day_running_min.value * 60_000
    working = [day for day in evidence.days if day.worked_ms >= enough_ms]
    alike = _alike(working, limits.scripted_share.value)
    constant = sum(_is_constant(day, limits) for day in alike)
    periodic = sum(_is_periodic(day, limits) for day in alike)
    if constant + periodic >= limits.scripted_days.value and 2 * (constant + periodic) >= len(working):
        return contradicts(
            RULE,
            f"{constant} 天各窗增量不变，{periodic} 天按固定周期重复",
            f"increments never changed on {constant} days and repeated with a fixed period on {periodic}",
        )
    for rhythm in evidence.rhythms:
        if rhythm.equal >= limits.equal_hours.value:
            return contradicts(
                RULE,
                f"{rhythm.equal}% 的小时计数与 {rhythm.equal_h} 小时前分毫不差（{rhythm.equal_pairs} 对）",
                f"{rhythm.equal}% of its hours have the very count of {rhythm.equal_h} h before ({rhythm.equal_pairs} pairs)",
            )
        if rhythm.strength >= limits.rhythm_strength.value and rhythm.rise >= limits.rhythm_rise.value:
            return contradicts(
                RULE,
                f"每小时计数按 {rhythm.period_h} 小时周期起伏（相关 {rhythm.strength}%，{rhythm.pairs} 对）",
                f"hourly counts come back every {rhythm.period_h} h (correlation {rhythm.strength}%, {rhythm.pairs} pairs)",
            )
    rich = limits.copy_patterns.value
    varied = len([day for day in working if day.pattern_windows >= rich]) - constant - periodic
    if varied >= limits.copy_days.value:
        return supports(
            RULE, f"{varied} 个工作日数据有真实出入", f"{varied} working days vary as real work does"
        )
    return silent(
        RULE, f"可判断的工作日仅 {max(varied, 0)} 天", f"only {max(varied, 0)} working days to tell by"
    )


def _alike(days: list[DeviceDay], share: int) -> list[DeviceDay]:
    """Keep the few days whose increments are alike enough to be looked at closely; a machine's own hardly ever are."""
    return [
        day
        for day in days
        if (told := day.increments).constant * 100 >= share * (told.active - 1)
        or told.repeated * 100 >= share * (told.active - told.period)
    ]


def _counts_enough(day: DeviceDay, limits: Thresholds) -> bool:
    grown = max((counter.inc for counter in day.counters.values()), default=0)
    active = day.increments.active
    return active >= limits.scripted_windows.value and grown >= limits.scripted_growth.value * active


def _is_constant(day: DeviceDay, limits: Thresholds) -> bool:
    told = day.increments
    enough = told.constant * 100 >= limits.scripted_share.value * (told.active - 1)
    return enough and told.active > 1 and _counts_enough(day, limits)


def _is_periodic(day: DeviceDay, limits: Thresholds) -> bool:
    told = day.increments
    left = told.active - told.period
    again = told.repeated * 100 >= limits.scripted_share.value * left
    if not (again and told.period > 0 and left >= limits.scripted_windows.value // 2):
        return False
    return _counts_enough(day, limits) and not _is_constant(day, limits)
