"""Does an enrolled gateway bear witness? Everything else is silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import write_instant
from census.enrolments import OPEN_MS
from census.finding import Finding, silent, silent_for_unread, supports

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "gateway_enrolled"


def gateway_enrolled(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """数据来自当时已登记且未撤销的网关，签名有效，达到规定天数。未登记网关的数据，以及撤销之后的数据，不作任何依据，既不算有，也不算无。网关台账中有读不出的行涉及该网关的，不作判断并提请复核。

    The data came, signed, from a gateway enrolled and not revoked at the time, on enough days. Data of a gateway never
    enrolled, or after its revocation, bears no witness either way. Where a gateway's row cannot be read, this rule stays silent and a
    person looks.
    """
    if not evidence.bindings:
        return silent(RULE, "没有绑定任何设备", "bound to no device")
    if "gateways" in evidence.unread:
        return silent_for_unread(RULE, ("gateways",))
    days = len({day.day for day in evidence.days if day.heard})
    if days >= policy.thresholds.evidence_days.value:
        return supports(RULE, f"{days} 天可信数据", f"{days} days of good evidence")
    why_zh, why_en = _why(evidence)
    return silent(RULE, f"可信数据仅 {days} 天{why_zh}", f"only {days} days of good evidence{why_en}")


def _why(evidence: RobotEvidence) -> tuple[str, str]:
    """Say what the enrolments have to do with it, where they are known."""
    for gateway, spans in sorted(evidence.spans.items()):
        if not spans:
            return f"；{gateway} 未登记", f"; {gateway} is not enrolled"
        end = max(until for _, until in spans)
        if end < OPEN_MS:
            when = write_instant(end)[:10]
            return f"；{gateway} 的登记至 {when} 为止", f"; the enrolment of {gateway} ended on {when}"
    return "", ""
