"""Which step of the ladder has the enterprise reached? By the services that are really used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, silent, supports

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.policy import Policy

RULE = "level"


def level(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:
    """上云等级逐级认定：以实际使用的服务种类（基础设施、管理、业务）定级；申报等级高于实际的，按实际等级记，提请复核，不影响是否计数。

    Levels are climbed step by step: the kinds of services really used (infrastructure, management, business) decide. A claim
    above what is used is entered at the level reached and a person looks; whether it counts does not depend on it.
    """
    places = [_place(row.level, policy) for row in claim.listings if row.level]
    wanted = max((place for place in places if place is not None), default=None) if places else None
    if wanted is None:
        return silent(RULE, "申报没有等级", "the claim gives no level of the ladder")
    claimed, reached = policy.levels[wanted], _reached(_used(evidence), policy)
    if reached is None:
        return silent(RULE, f"申报{claimed.zh}，尚无使用记录", f"claims {claimed.en}; no use heard yet")
    real = policy.levels[reached]
    if reached >= wanted:
        return supports(RULE, f"达到{real.zh}", f"reached {real.en}")
    return silent(
        RULE, f"申报{claimed.zh}，实际{real.zh}", f"claims {claimed.en}, reached {real.en}", review=True
    )


def _used(evidence: EnterpriseEvidence) -> set[str]:
    """Name the kinds of services in active use."""
    return {
        service
        for usage in evidence.usage
        if usage.days
        for service, status in zip(usage.services, usage.statuses, strict=False)
        if status == "active"
    }


def _reached(used: set[str], policy: Policy) -> int | None:
    """Find the highest level whose kinds of services are all used."""
    places = [place for place, one in enumerate(policy.levels) if len(used) >= one.services]
    return max(places, default=None) if used else None


def _place(code: str, policy: Policy) -> int | None:
    """Give the step of the ladder, from 0, that a claim's level names; None when it names none."""
    for place, one in enumerate(policy.levels):
        if code == one.code or code in one.former:
            return place
    return None
