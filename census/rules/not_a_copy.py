"""Is the telemetry the robot's own? Neither another's copied nor its own replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.compare import Copy
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "not_a_copy"


def not_a_copy(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """数据不是另一设备数据的复制，也不是自身往日数据的重放：图样足够丰富的日子，逐窗完全相同达到规定天数的，后收到者不计；先后无法裁断的，两者均不予认定并提请复核。

    The data is no copy of another device's and no replay of its own: where days rich enough to compare are equal window by
    window on enough days, the one received later is contradicted; where the order decides nothing, both stay silent and a
    person looks.
    """
    mine = {(binding.gateway, binding.device) for binding in evidence.bindings}
    replay = next((copy for copy in evidence.copies if copy.other in mine), None)
    if replay is not None:
        return contradicts(
            RULE,
            f"{replay.days} 天与自身 {abs(replay.shift)} 天前完全相同",
            f"{replay.days} days equal its own {abs(replay.shift)} days earlier",
        )
    later = next((copy for copy in evidence.copies if copy.later), None)
    if later is not None:
        return contradicts(RULE, _zh(later), _en(later))
    undecided = next((copy for copy in evidence.copies if copy.later is None), None)
    if undecided is not None:
        return silent(
            RULE,
            f"{_zh(undecided)}，先后无法裁断",
            f"{_en(undecided)}; the order decides nothing",
            review=True,
        )
    limits = policy.thresholds
    comparable = sum(day.pattern_windows >= limits.copy_patterns.value for day in evidence.days)
    if comparable < limits.copy_days.value:
        return silent(RULE, f"可比的日子仅 {comparable} 天", f"only {comparable} days rich enough to compare")
    return supports(
        RULE,
        f"{comparable} 天可比，无一与他处相同",
        f"{comparable} days compared, none copied",
        review=bool(evidence.copies),
    )


def _zh(copy: Copy) -> str:
    return f"{copy.days} 天与 {copy.other[0]}/{copy.other[1]} 完全相同"


def _en(copy: Copy) -> str:
    return f"{copy.days} days equal those of {copy.other[0]}/{copy.other[1]}"
