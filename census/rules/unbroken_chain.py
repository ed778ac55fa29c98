"""Does the gateway's chain hold? Batches behind a broken link bear no witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, silent, supports

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "unbroken_chain"


def unbroken_chain(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """网关各批次的哈希首尾相接。自最后一个完好批次至前驱哈希不符的批次，其间数据不作依据；完好的日子达到规定天数，方予支持。断裂既不算有，也不算无，提请复核。

    Each batch names the hash of the one before. From the last good one to the batch whose predecessor's hash is wrong the
    data bears no witness; only enough days without such a break support. A break speaks neither for nor against, and a
    person looks.
    """
    heard = {(day.gateway, day.day) for day in evidence.days if day.heard}
    if not heard:
        return silent(RULE, "没有可信数据", "no good evidence", review=bool(evidence.broken_days))
    whole = {day for gateway, day in heard if (gateway, day) not in evidence.broken_days}
    broken = len(evidence.broken_days)
    if len(whole) >= policy.thresholds.evidence_days.value:
        zh = f"{len(whole)} 天链条完好" + (f"，{broken} 天有断裂" if broken else "")
        en = f"{len(whole)} days unbroken" + (f", {broken} with a broken link" if broken else "")
        return supports(RULE, zh, en, review=bool(broken))
    return silent(
        RULE,
        f"链条完好仅 {len(whole)} 天，{broken} 天有断裂",
        f"only {len(whole)} days unbroken, {broken} with a broken link",
        review=bool(broken),
    )
