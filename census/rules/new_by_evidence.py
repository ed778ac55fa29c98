"""Is the robot new, by positive evidence? A claim of newness alone is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import day_start_ms, write_day
from census.finding import Finding, contradicts, silent, supports
from census.papers import normal_serial

if TYPE_CHECKING:
    from census.evidence import DeviceDay
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "new_by_evidence"
LIFETIME_COUNTERS = ("power_on_s", "run_s")
"""Counters over the robot's whole life, in seconds."""


def new_by_evidence(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """新机须有正面证据，三者有其一：（一）首次听到时的累计时间，不超过自投用日起可能运行的时间加出厂余量；（二）设备出现之前，所在网关已在线满规定天数；（三）从设备读出的序列号别处未曾出现，且与发票行相符。累计时间超出可能的，不计。

    New needs positive evidence, any of: (a) a lifetime counter at first sight no greater than could be run since the
    commissioning day, plus the factory allowance; (b) the gateway had been heard for enough days before the device
    appeared; (c) a serial read from the device, seen nowhere earlier, that matches an invoice line. One whose lifetime
    counter is beyond what could be run is not new.
    """
    if claim.addition not in policy.robots.additions_new:
        return silent(RULE, f"申报方式为 {claim.addition}", f"the claim itself says {claim.addition}")
    counted = _by_counter(claim, evidence, policy)
    if counted is not None:
        return counted
    least = policy.thresholds.gateway_before.value
    if evidence.gateway_days_before >= least:
        days = evidence.gateway_days_before
        return supports(
            RULE, f"设备出现前网关已在线 {days} 天", f"the gateway was heard {days} days before the device"
        )
    return _by_invoice(claim, evidence)


def _first_day(evidence: RobotEvidence) -> DeviceDay | None:
    return next((day for day in evidence.all_days if day.heard), None)


def _by_counter(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding | None:
    first = _first_day(evidence)
    if first is None or claim.commissioned_day is None:
        return None
    since_s = max(0, first.first_ms - day_start_ms(claim.commissioned_day)) // 1000
    allowed_s = since_s + policy.thresholds.factory_allowance.value * 3600
    seen = [first.counters[name].first for name in LIFETIME_COUNTERS if name in first.counters]
    if not seen:
        return None
    hours, allowed_h = max(seen) // 3600, allowed_s // 3600
    if max(seen) > allowed_s:
        return contradicts(
            RULE,
            f"首次听到时已累计 {hours} 小时，最多可能 {allowed_h} 小时",
            f"{hours} h on its counter at first sight, at most {allowed_h} h were possible",
        )
    return supports(
        RULE,
        f"首次听到时累计 {hours} 小时，可能 {allowed_h} 小时",
        f"{hours} h at first sight of {allowed_h} h possible",
    )


def _by_invoice(claim: RobotClaim, evidence: RobotEvidence) -> Finding:
    read = {normal_serial(one.serial) for one in evidence.identities if one.is_read and one.serial}
    for line in evidence.invoices:
        if line.uscc == claim.uscc and normal_serial(line.serial) in read:
            when = write_day(line.issued_day)
            return supports(
                RULE,
                f"读出的序列号与发票 {line.invoice}（{when}）相符",
                f"the serial read is on invoice {line.invoice} of {when}",
            )
    return silent(RULE, "没有新机的正面证据", "no positive evidence of being new")
