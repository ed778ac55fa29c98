"""Does anything move while it is said to run? Motion or energy must agree with the running time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS
from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "motion_agrees"
FLAT_DAYS_MIN = 8
"""Days from which a line is drawn through power and running time."""
FLAT_SPREAD = 0.08
"""Standard deviation of the days' shares of running below which they are too alike to say anything."""


def motion_agrees(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """运行须有动作或能耗相佐：工作日里关节电流、关节速度、末端速度、功率起伏、电能，所听到的至少一项达到规定水平。所听到的各项在规定天数的工作日里均无动静的，不计；一项也未听到的，不作判断。仅凭电能的，运行多的日子平均功率须高于运行少的日子，待机照常耗电而与运行无关的，不予认定并提请复核。

    Running is borne out by motion or energy: on working days at least one of joint current, joint speed, tool speed, the
    swing of power, or energy, of those heard, reaches its level. Where all that are heard stay still on enough working days
    it does not count; where none is heard there is no answer. Where energy alone speaks, days of more running must draw more
    power than days of less: a standing draw that knows nothing of the running is no answer, and a person looks.
    """
    limits = policy.thresholds
    enough_ms = limits.working_day_running_min.value * 60_000
    levels, power_w = _levels(policy), limits.still_power.value
    working = [day for day in evidence.days if day.worked_ms >= enough_ms]
    told = [moved for day in working if (moved := _moved(day, levels, power_w)) is not None]
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
        if not any(_gauge_moved(day, levels, power_w) for day in working) and _is_flat(
            evidence.days, power_w
        ):
            return silent(
                RULE, "电能与运行时间无关", "the energy knows nothing of the running time", review=True
            )
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
    moved = _gauge_moved(day, levels, still_power)
    energy = day.counters.get("energy_wh")
    if moved or energy is None:
        return moved
    return energy.inc * HOUR_MS >= still_power * day.worked_ms


def _gauge_moved(day: DeviceDay, levels: tuple[tuple[str, int], ...], still_power: int) -> bool | None:
    """Tell whether a gauge of motion or the swing of power says so; None when no such gauge was heard."""
    if not day.gauges:
        return None
    heard, gauges = None, day.gauges
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
        if power.max > power.min:
            # One value all day, in whole kilowatts say, is a meter too coarse to tell.
            heard = False
    return heard


def _is_flat(days: Sequence[DeviceDay], still_power: int) -> bool:
    """Tell whether mean power surely does not rise with the share of time running: by least squares over days.

    Sure is a slope that, three standard errors added, stays below half of what drives that move draw more. Days whose
    shares are too alike say nothing.
    """
    points = [
        (day.worked_ms / on_ms, day.counters["energy_wh"].inc * HOUR_MS / on_ms)
        for day in days
        if "energy_wh" in day.counters and (on_ms := day.window_ms - day.unknown_ms - day.off_ms) >= HOUR_MS
    ]
    count = len(points)
    if count < FLAT_DAYS_MIN:
        return False
    share = sum(one for one, _ in points) / count
    power = sum(one for _, one in points) / count
    spread = sum((one - share) ** 2 for one, _ in points)
    if spread < count * FLAT_SPREAD**2:
        return False
    slope = sum((one - share) * (drawn - power) for one, drawn in points) / spread
    left = sum((drawn - power - slope * (one - share)) ** 2 for one, drawn in points)
    error = float((left / (count - 2) / spread) ** 0.5)
    return slope + 3 * error < still_power / 2
