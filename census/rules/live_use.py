"""Does the enterprise really use the cloud? By its own gateways or its provider, on enough days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import days_between
from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.rolling import has_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.evidence import Usage
    from census.policy import Policy

RULE = "live_use"


def live_use(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """统计期内任一滚动窗口中，有规定天数的实际使用：自有网关在线且至少一台设备听得清楚（甲级），或云服务商签名的使用记录（乙级）。暂停不算使用；全部服务均已注销的，不计；从未听到的，不作判断。

    On enough days of a rolling window inside the period there was real use: its own gateway's heartbeats with at least one
    device well heard (grade A), or usage sealed by the provider (grade B). Suspended is no use; where every service was
    cancelled it does not count; never heard is no answer.
    """
    window, least = policy.thresholds.use_window.value, policy.thresholds.use_days.value
    first, end = policy.period.first_day, policy.period.end_day
    own = days_between(evidence.edge_days, first, end)
    if own and has_window(own, window, least):
        return supports(RULE, f"自有网关在线 {len(own)} 天", f"its own gateway on {len(own)} days")
    statuses = {status for usage in evidence.usage for status in usage.statuses}
    if statuses == {"cancelled"} and "gateways" in evidence.unread:
        return silent_for_unread(RULE, ("gateways",))
    if statuses == {"cancelled"}:
        return contradicts(RULE, "云服务均已注销", "every service was cancelled")
    used = _used_days(evidence.usage, first, end)
    if has_window(used, window, least):
        return supports(RULE, f"实际使用 {len(used)} 天", f"used on {len(used)} days")
    return silent(
        RULE,
        f"自有网关 {len(own)} 天，实际使用 {len(used)} 天，尚不足以判断",
        f"own gateway on {len(own)} days, used on {len(used)}: not enough to tell",
    )


def _used_days(usage: Sequence[Usage], first: int, end: int) -> Sequence[int]:
    """Give the days of use in [first, end), sorted, each once; nearly every enterprise has one provider."""
    told = [days_between(one.days, first, end) for one in usage]
    return told[0] if len(told) == 1 else sorted(set().union(*told))
