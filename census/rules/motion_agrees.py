"""Does anything move while it is said to run? Motion or energy must agree with the running time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS
from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "motion_agrees"


def motion_agrees(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """运行须有动作或能耗相佐：工作日里关节电流、关节速度、末端速度、功率起伏、电能，所听到的至少一项达到规定水平。所听到的各项在规定天数的工作日里均无动静的，不计；一项也未听到的，不作判断。

    Running is borne out by motion or energy: on working days at least one of joint current, joint speed, tool speed, the
    swing of power, or energy, of those heard, reaches its level. Where all that are heard stay still on enough working days
    it does not count; where none is heard there is no answer.
    """
    limits = policy.thresholds
    working = [day for day in evidence.days if day.worked_ms >= limits.working_day_running_min.value * 60_000]
    levels = _levels(policy)
    told = [moved for day in working if (moved := _moved(day, levels, limits.still_power.value)) is not None]
    still = told.count(False)
    if still >= limits.motion_days.value:
        return contradicts(
            RULE,
            f"{still} 个工作日称在运行而无动作或能耗",
            f"said to run on {still} working days without motion or energy",
        )
    if still:
        return silent(
            RULE, f"{still} 个工作日没有动静", f"nothing moved on {still} working days", review=True
        )
    if len(told) >= limits.motion_days.value:
        return supports(
            RULE, f"{len(told)} 个工作日有动作或能耗", f"motion or energy on {len(told)} working days"
        )
    return silent(
        RULE,
        f"听到动作或能耗的工作日仅 {len(told)} 天",
        f"motion or energy heard on only {len(told)} working days",
    )


def _levels(policy: Policy) -> tuple[tuple[str, int], ...]:
    """Give each gauge of motion and the least that is no standstill, in the gauge's unit."""
    limits = policy.thresholds
    return (
        ("joint_current_ma", limits.still_current.value),
        ("joint_speed_mdeg_s", limits.still_joint_speed.value * 1000),
        ("tcp_speed_mm_s", limits.still_tcp_speed.value),
    )


def _moved(day: DeviceDay, levels: tuple[tuple[str, int], ...], still_power: int) -> bool | None:
    """Tell whether anything moved on a day; None when nothing was heard that could."""
    heard = None
    gauges = day.gauges
    for name, least in levels:
        gauge = gauges.get(name)
        if gauge is not None and gauge.n:
            if gauge.max >= least or -gauge.min >= least:
                return True
            heard = False
    power = gauges.get("power_w")
    if power is not None and power.n:
        if power.max - power.min >= still_power:
            return True
        heard = False
    energy = day.counters.get("energy_wh")
    if energy is not None:
        return energy.inc * HOUR_MS >= still_power * day.worked_ms
    return heard
