"""Is the claim well-formed, and the robot claimed only once? Of two claims the one heard first stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS
from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.uscc import fault

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import Rival, RobotEvidence

RULE = "claimed_once"
_FILES = frozenset({"robots", "bindings"})


def claimed_once(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """申报格式正确，统一社会信用代码有效，一个序列号、一台设备只申报一次。同一机器人的两份申报，以平台先收到数据者为准，后者不计；先后无法裁断的，两者均不予认定并提请复核。申报或绑定中有读不出的行涉及本申报的，不作判断并提请复核。

    The claim is well-formed, its social credit code holds, and one serial and one device are claimed once. Of two claims
    on one robot the one heard later by the store is contradicted; where the order decides nothing, both stay silent and
    a person looks. So it is where a claim or binding that cannot be read names the robot, its serial or its device.
    """
    wrong = fault(claim.uscc)
    if wrong:
        return contradicts(
            RULE,
            f"统一社会信用代码 {claim.uscc} 无效（{wrong}）",
            f"the code {claim.uscc} does not hold ({wrong})",
        )
    if not claim.serial:
        return silent(RULE, "申报没有序列号", "the claim gives no serial")
    if unread := evidence.unread & _FILES:
        return silent_for_unread(RULE, unread)
    if not evidence.rivals:
        return supports(RULE, "序列号只申报一次", "the serial is claimed once")
    return _among_rivals(evidence, policy.thresholds.order_margin.value * HOUR_MS)


def _among_rivals(evidence: RobotEvidence, margin_ms: int) -> Finding:
    names = ", ".join(rival.robot for rival in evidence.rivals[:5])
    earlier = [rival for rival in evidence.rivals if _leads(rival, evidence.first_received_ms, margin_ms)]
    if earlier:
        return contradicts(
            RULE,
            f"{earlier[0].robot} 申报同一机器人，且先被收到数据",
            f"{earlier[0].robot} claims the same robot and was heard first",
        )
    mine = evidence.first_received_ms
    if mine is not None and all(
        rival.first_received_ms is None or rival.first_received_ms - mine > margin_ms
        for rival in evidence.rivals
    ):
        return supports(
            RULE,
            f"另有 {names} 申报，本申报先被收到数据",
            f"also claimed by {names}; this one was heard first",
            review=True,
        )
    return silent(
        RULE,
        f"与 {names} 申报同一机器人，先后无法裁断",
        f"claimed by {names} as well; the order decides nothing",
        review=True,
    )


def _leads(rival: Rival, mine: int | None, margin_ms: int) -> bool:
    """Tell whether both were heard and the rival earlier by more than the margin; the unheard are not judged."""
    return (
        mine is not None
        and rival.first_received_ms is not None
        and mine - rival.first_received_ms > margin_ms
    )
