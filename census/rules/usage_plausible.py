"""Are the provider's numbers those of real use? Copied, invented and inflated ones are told by their looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Answer, Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.evidence import Usage, UsageLooks
    from census.policy import Policy
    from census.usage_chance import Alike

RULE = "usage_plausible"
_GRAVEST_FIRST = (Answer.CONTRADICTS, Answer.SILENT, Answer.SUPPORTS)
"""Of several reporters the worst numbers speak, and of equally bad ones the first."""
TIED_PART = 4
"""Days equal to another's that began the same day leave the rest alone while they are at most one in so many."""


def usage_plausible(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:
    """云服务商报送的用量须像真实使用：与同一服务商更早上云的另一企业逐日相同达到规定天数的，或多家企业同日起逐日相同的，为复制；用量虽不相等而每日起伏与同一服务商另一企业相同、且在其后的，同为复制；日复一日不变、几乎全为整数、每用户请求数或用户数超出可能的，为虚报，不计。两家同日起相同、无从分辨的，均不予认定并提请复核；相同的日子不足四分之一的，只是这些日子不计。

    Numbers sealed by a provider must look like use: day for day those of another customer whose use began earlier, or of
    several that began the same day, are copied; so are those that go up and down with another customer's by chance, after
    it, though they are not equal; the same every day, nearly all round, or with more requests a user or more
    users than can be, are inflated, and do not count. Of two that began the same day neither is confirmed and a person looks;
    where fewer than a quarter of the days are equal, only these days do not count.
    """
    found = [_judged(claim, usage, policy, evidence.unread) for usage in evidence.usage]
    if not found:
        return silent(RULE, "没有服务商用量", "no provider reports it") if not evidence.edge_days else _own()
    return min(found, key=lambda finding: _GRAVEST_FIRST.index(finding.answer))


def _own() -> Finding:
    return supports(
        RULE, "由自有网关证明，不依赖服务商用量", "shown by its own gateways, no provider's numbers"
    )


def _judged(claim: EnterpriseClaim, usage: Usage, policy: Policy, unread: frozenset[str]) -> Finding:
    limits, looks = policy.thresholds, usage.looks
    copied = limits.copy_days.value
    if looks.behind_days >= copied:
        return contradicts(
            RULE,
            f"{looks.behind_days} 天用量与更早上云的另一企业逐日相同",
            f"{looks.behind_days} days equal those of a customer whose use began earlier",
        )
    if looks.tied_days >= copied:
        zh = f"{looks.tied_days} 天用量与另外 {looks.twins - 1} 家企业逐日相同"
        en = f"{looks.tied_days} days equal those of {looks.twins - 1} other customers"
        if looks.twins >= limits.usage_copies_min.value:
            return contradicts(RULE, zh, en)
        # A stranger that copies a few days of one's numbers must not take the others away.
        left = len(usage.days) - looks.tied_days
        if left < limits.use_days.value or looks.tied_days * TIED_PART > len(usage.days):
            return silent(RULE, f"{zh}，无从分辨", f"{en}; nothing tells which is real", review=True)
    followed = _followed(looks.alike, policy)
    if followed is not None:
        return followed
    inflated = _inflated(claim, looks, policy, unread)
    if inflated is not None:
        return contradicts(RULE, *inflated)
    return supports(
        RULE,
        f"{looks.told_days} 天用量可比，未见异常",
        f"{looks.told_days} days of numbers compared, nothing odd",
        review=max(looks.twin_days, looks.tied_days) >= copied or _goes_together(looks.alike, policy),
    )


def _goes_together(alike: Alike | None, policy: Policy) -> bool:
    limits = policy.thresholds
    return (
        alike is not None
        and alike.percent >= limits.usage_alike.value
        and alike.beyond >= limits.usage_alike_beyond.value
        and alike.days >= limits.copy_days.value
    )


def _followed(alike: Alike | None, policy: Policy) -> Finding | None:
    """Judge numbers that go with another customer's and do not come before them; None when there are none."""
    if alike is None or alike.order < 0 or not _goes_together(alike, policy):
        return None
    zh = f"{alike.days} 天用量的起伏有 {alike.percent}% 与另一企业相同"
    en = f"on {alike.days} days {alike.percent} % of the ups and downs are another customer's"
    if alike.lag_d:
        zh, en = f"{zh}，晚 {alike.lag_d} 天", f"{en}, {alike.lag_d} days later"
    if alike.order > 0 and alike.percent >= policy.thresholds.usage_alike_certain.value:
        return contradicts(RULE, zh, en)
    return silent(RULE, f"{zh}，须查", f"{en}; a person looks", review=True)


def _inflated(
    claim: EnterpriseClaim, looks: UsageLooks, policy: Policy, unread: frozenset[str]
) -> tuple[str, str] | None:
    limits = policy.thresholds
    told = looks.told_days
    if looks.requests_a_user_max > limits.requests_a_user_max.value:
        many = looks.requests_a_user_max
        return f"每用户每日请求达 {many} 次", f"{many} requests a user in one day"
    # A listing that could not be read may state a greater size.
    users = None if "enterprises" in unread else _users_max(claim, policy)
    if users is not None and looks.users_max > users:
        return (
            f"活跃用户 {looks.users_max}，按规模至多 {users}",
            f"{looks.users_max} active users, at most {users} for its size",
        )
    if told < limits.usage_told_days.value:
        return None
    if looks.distinct_days * 100 <= limits.usage_distinct_share.value * told:
        return (
            f"{told} 天用量仅 {looks.distinct_days} 种数值",
            f"only {looks.distinct_days} different numbers on {told} days",
        )
    if looks.round_days * 100 >= limits.usage_round_share.value * told:
        return (
            f"{told} 天中 {looks.round_days} 天全为整数",
            f"round numbers on {looks.round_days} of {told} days",
        )
    return None


def _users_max(claim: EnterpriseClaim, policy: Policy) -> int | None:
    """Give the most users a claim's stated size allows; None when no listing states a bounded size."""
    bounds = policy.staff_max
    staff = [bounds[row.size] for row in claim.listings if row.size in bounds]
    return max(staff) * policy.thresholds.users_factor.value if staff else None
