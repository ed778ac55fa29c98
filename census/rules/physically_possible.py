"""Could a machine do this? Rates no robot reaches, and counters that had run before there was a robot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import DAY_MS, HOUR_MS, day_start_ms, write_day
from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "physically_possible"
_SLACK_MS = HOUR_MS
"""Counters of hours step by the hour, and what was not heard is counted by the next row."""
_MADE_BY_RUNNING = ("cycles", "moves", "parts", "rejects")
"""What grows only while the machine runs: its rate is over the running time, where that was heard at all."""
_LIFE_SECONDS = ("power_on_s", "run_s")
Rates = dict[str, tuple[int, float, bool]]
"""A counter's largest growth, in thousandths a second, sustained and in one step; whether it is over the running time."""
Since = dict[tuple[int, tuple[str, str, int, str]], int]
"""(day, (gateway, device, life, counter)) → from when on (UTC ms) what the counter grew by between rows may date."""


def physically_possible(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """计数在运行时间内的增长不超过机器可能的速率，两次上报之间的增长亦同，累计时间不超过日历时间；首次听到时的计数，不超过自投用日起连同出厂余量可能累计的数。达到规定天数不可能的，或预置计数的，不计；天数不足的提请复核。

    Counters grow no faster, over the time it ran, than a machine can, and counters of time no faster than time; what they grew
    by between rows counts with the rest, over the time in which it may have run. A counter at first sight is no more than could
    have been counted since the commissioning day, plus the factory allowance. Impossible on enough days, or preset, it does
    not count; on fewer days a person looks.
    """
    preset = _preset(claim, evidence, policy)
    if preset is not None:
        return preset
    rates = _rates(policy)
    days, since = evidence.days, _since(evidence)
    found = [
        (day, name)
        for before, day in zip((None, *days), days, strict=False)
        if (name := _impossible(day, before, rates, since))
    ]
    if not any(day.heard for day in evidence.days):
        return silent(RULE, "尚未听到", "not heard yet")
    if not found:
        return supports(RULE, "未见不可能的速率", "no impossible rate")
    day, name = found[0]
    zh = f"{len(found)} 天速率不可能，首见于 {write_day(day.day)} 的 {name}"
    en = f"impossible rates on {len(found)} days, first of {name} on {write_day(day.day)}"
    if len({one.day for one, _ in found}) >= policy.thresholds.impossible_days.value:
        return contradicts(RULE, zh, en)
    return silent(RULE, zh, en, review=True)


def _limits(policy: Policy) -> dict[str, int]:
    """Give each counter's largest sustained growth in thousandths a second."""
    limits = policy.thresholds
    return {
        "cycles": limits.cycles_rate_max.value * 1000 // 60,
        "moves": limits.moves_rate_max.value * 1000 // 60,
        "parts": limits.parts_rate_max.value * 1000 // 60,
        "rejects": limits.parts_rate_max.value * 1000 // 60,
        "energy_wh": limits.power_max.value * 1_000_000 // 3600,
        "power_on_s": 1000,
        "run_s": 1000,
    }


def _rates(policy: Policy) -> Rates:
    burst = policy.thresholds.rate_burst.value
    return {
        name: (limit, float("inf") if name in _LIFE_SECONDS else limit * burst, name in _MADE_BY_RUNNING)
        for name, limit in _limits(policy).items()
    }


def _since(evidence: RobotEvidence) -> Since:
    """Find from when on (UTC ms) a counter's growth between rows may date: the end of the last day it was heard on before."""
    since: Since = {}
    last: dict[tuple[str, str, int, str], int] = {}
    for day in evidence.all_days:
        for name, counter in day.counters.items():
            place = (day.gateway, day.device, day.life, name)
            if counter.unheard_inc > 0:
                since[day.day, place] = last.get(place, day_start_ms(day.day))
            last[place] = day.last_ms
    return since


def _impossible(day: DeviceDay, before: DeviceDay | None, rates: Rates, since: Since) -> str:
    """Name the first counter that grew faster over the day, or in one step, than is possible; empty when none did."""
    for name, counter in day.counters.items():
        if name not in rates:
            continue
        if counter.rate_max_milli > rates[name][1]:
            return name
        over_ms = _over_ms(day, name, rates, since)
        if over_ms > _SLACK_MS and over_ms > _SLACK_MS + _spare_ms(day, before, name, rates, since):
            return name
    return ""


def _over_ms(day: DeviceDay, name: str, rates: Rates, since: Since) -> int:
    """Give by how much the time that a counter's growth takes at the limit exceeds the day's; below 0: what is left."""
    limit, _, is_running = rates[name]
    watched_ms = min(day.window_ms, DAY_MS)
    spent_ms = (min(day.worked_ms, watched_ms) or watched_ms) if is_running else watched_ms
    over_ms = day.counters[name].inc * 1_000_000 // limit - spent_ms
    from_ms = since.get((day.day, (day.gateway, day.device, day.life, name)))
    return over_ms if from_ms is None else max(over_ms, _over_between_ms(day, name, rates, from_ms))


def _over_between_ms(day: DeviceDay, name: str, rates: Rates, from_ms: int) -> int:
    """Give by how much all growth, between rows too, at the limit exceeds the time since the counter was last heard.

    Of what grows by running, the time in which the machine is known to have stood does not count.
    """
    limit, _, is_running = rates[name]
    stood_ms = day.ready_ms + day.paused_ms + day.fault_ms + day.off_ms - day.overlap_ms if is_running else 0
    counter = day.counters[name]
    free_ms = max(0, day.last_ms - from_ms - max(0, stood_ms))
    return (counter.inc + counter.unheard_inc) * 1_000_000 // limit - free_ms


def _spare_ms(day: DeviceDay, before: DeviceDay | None, name: str, rates: Rates, since: Since) -> int:
    """Give what the day before left over: after a cut line or late data the next row on time counts the step across midnight."""
    if before is None or before.day != day.day - 1 or name not in before.counters:
        return 0
    return max(0, -_over_ms(before, name, rates, since))


def _preset(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding | None:
    first = next((day for day in evidence.all_days if day.heard), None)
    if first is None or claim.commissioned_day is None:
        return None
    since_ms = max(0, first.first_ms - day_start_ms(claim.commissioned_day))
    allowed_ms = since_ms + policy.thresholds.factory_allowance.value * HOUR_MS
    limits = _limits(policy)
    for name, counter in first.counters.items():
        possible = limits.get(name, 0) * allowed_ms // 1_000_000
        if name not in _LIFE_SECONDS and name in limits and counter.first > possible:
            return contradicts(
                RULE,
                f"首次听到时 {name} 已为 {counter.first}，至多可能 {possible}",
                f"{name} stood at {counter.first} at first sight, at most {possible} were possible",
            )
    return None
