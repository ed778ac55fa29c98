"""Did the enterprise first go on cloud inside the period? Use before it refutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import days_between, parse_day, write_day
from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.gaps import tell_gaps

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.policy import Policy

RULE = "new_in_period"
_FILES = frozenset({"enterprises", "gateways"})


def new_in_period(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:
    """上云日期、云服务商记录的起始日与首次使用均在统计期内。早于统计期的，不计。采集网关的试运行不算上云。服务商所报批次编号有缺的，或名单、网关台账中有读不出的行涉及该企业的，不予支持并提请复核。

    The claimed day, the provider's `since` and the first use lie inside the period; earlier use is not new. A gateway's
    own trial run before the period is no use of cloud. Where batches of its provider's
    reporter are missing, or a listing or a gateway that cannot be read names it, this rule does not support, and a person looks.
    """
    start, end = policy.period.first_day, policy.period.end_day
    unread = evidence.unread & _FILES
    if claim.claimed_day is not None and claim.claimed_day >= end and "enterprises" in unread:
        return silent_for_unread(RULE, unread)
    if claim.claimed_day is not None and not start <= claim.claimed_day < end:
        when = write_day(claim.claimed_day)
        return contradicts(
            RULE, f"上云日期 {when} 不在统计期内", f"claimed on cloud since {when}, outside the period"
        )
    since = [day for usage in evidence.usage if (day := _since(usage.since)) is not None]
    used = [usage.days[0] for usage in evidence.usage if usage.days]
    first = min([*since, *used], default=None)
    if first is not None and first < start:
        when = write_day(first)
        return contradicts(RULE, f"{when} 已上云，早于统计期", f"on cloud since {when}, before the period")
    own = days_between(evidence.edge_days, start, end)
    begun = min([*used, *own[:1]], default=None)
    if begun is None or not start <= begun < end:
        return silent(RULE, "尚无使用记录", "no use heard yet")
    if unread or evidence.gaps:
        return silent_for_unread(RULE, unread) if unread else _awaited(evidence)
    when = write_day(begun)
    return supports(RULE, f"{when} 首次使用", f"first used on {when}")


def _awaited(evidence: EnterpriseEvidence) -> Finding:
    return silent(RULE, *tell_gaps(evidence.gaps), review=True)


def _since(text: str) -> int | None:
    """Read a provider's `since`; what is no date says nothing."""
    try:
        return parse_day(text)
    except ValueError:
        return None
