"""Does an enrolled gateway with an unbroken chain bear witness? Everything else is silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, silent, supports

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "gateway_enrolled"


def gateway_enrolled(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """数据来自当时已登记且未撤销的网关，签名有效、哈希链完好，达到规定天数。未登记、已撤销或断链批次的数据不作任何依据，既不算有，也不算无。

    The data came from a gateway enrolled and not revoked at the time, signed, with its chain's links intact, on enough
    days. Data of gateways not enrolled or revoked, and of batches whose link is broken, bears no witness either way.
    """
    if not evidence.bindings:
        return silent(RULE, "没有绑定任何设备", "bound to no device")
    days = len({day.day for day in evidence.days if day.heard})
    if days >= policy.thresholds.evidence_days.value:
        return supports(RULE, f"{days} 天可信数据", f"{days} days of good evidence")
    return silent(RULE, f"可信数据仅 {days} 天", f"only {days} days of good evidence")
