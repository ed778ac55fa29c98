"""Does the enterprise really use the cloud? By its own gateways or its provider, on enough days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, supports
from census.rolling import has_window

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.policy import Policy

RULE = "live_use"


def live_use(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """统计期内任一滚动窗口中，有规定天数的实际使用：自有网关在线且至少一台设备听得清楚（甲级），或云服务商签名的使用记录（乙级）。暂停不算使用；全部服务均已注销的，不计；从未听到的，不作判断。

    On enough days of a rolling window inside the period there was real use: its own gateway's heartbeats with at least one
    device well heard (grade A), or usage sealed by the provider (grade B). Suspended is no use; where every service was
    cancelled it does not count; never heard is no answer.
    """
    limits, period = policy.thresholds, policy.period
    own = [day for day in evidence.edge_days if period.holds(day)]
    if has_window(own, limits.use_window.value, limits.use_days.value):
        return supports(RULE, f"自有网关在线 {len(own)} 天", f"its own gateway on {len(own)} days")
    statuses = {status for usage in evidence.usage for status in usage.statuses}
    if statuses == {"cancelled"}:
        return contradicts(RULE, "云服务均已注销", "every service was cancelled")
    first, end = period.first_day, period.end_day
    used = sorted({day for usage in evidence.usage for day in usage.days if first <= day < end})
    if has_window(used, limits.use_window.value, limits.use_days.value):
        return supports(RULE, f"实际使用 {len(used)} 天", f"used on {len(used)} days")
    return silent(
        RULE,
        f"自有网关 {len(own)} 天，实际使用 {len(used)} 天，尚不足以判断",
        f"own gateway on {len(own)} days, used on {len(used)}: not enough to tell",
    )
