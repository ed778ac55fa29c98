"""Is the telemetry the robot's own? Neither another's copied nor its own replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, silent_for_unread, supports

if TYPE_CHECKING:
    from census.compare import Copy
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "not_a_copy"


def not_a_copy(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """数据不是另一设备数据的复制，也不是自身往日数据的重放：图样足够丰富的日子，逐窗完全相同达到规定天数的；或去除各自节律之后，逐时起伏仍与另一设备、或与自身先前任一时移相关达到规定程度的（时移、缩放、加噪声的复制由此识别）。与自身相关较弱的或为固定周计划，提请复核。后收到者不计；先后无法裁断的，两者均不予认定并提请复核。局限：同一企业同一车间、相距 line_lag 以内的同步不作判断，复制同线相邻设备者不能由此识别；可比不足四十八个独立小时的亦然。

    The data is no copy of another device's and no replay of its own: days rich enough to compare that are equal window by
    window on enough days, or, each device's own rhythm taken out, hours that still rise and fall with another's or with
    its own of any time before as strongly as the policy says (which tells copies shifted in time, scaled, or with noise).
    Where a device goes with itself less strongly, a fixed weekly plan may do it and a person looks. The one received later
    is contradicted; where the order decides nothing, both stay silent and a person looks. A limit: within one workshop of
    one firm, what goes together within `line_lag` is not judged, so a copy of a neighbour on the line is not told here; nor
    is one of fewer than 48 independent hours in common.
    """
    mine = {(binding.gateway, binding.device) for binding in evidence.bindings}
    replay = next((copy for copy in evidence.copies if copy.other in mine), None)
    if replay is not None and replay.strength < policy.thresholds.replay_certain.value:
        zh, en = _replayed(replay)
        return silent(RULE, f"{zh}，或为固定的周计划", f"{en}; it may be a fixed weekly plan", review=True)
    if replay is not None:
        return contradicts(RULE, *_replayed(replay))
    later = next((copy for copy in evidence.copies if copy.later), None)
    if later is not None:
        return _copied(later, evidence)
    undecided = next((copy for copy in evidence.copies if copy.later is None), None)
    if undecided is not None:
        return silent(
            RULE,
            f"{_zh(undecided)}，先后无法裁断",
            f"{_en(undecided)}; the order decides nothing",
            review=True,
        )
    limits = policy.thresholds
    rich = limits.copy_patterns.value
    comparable = len([day for day in evidence.days if day.pattern_windows >= rich])
    if comparable < limits.copy_days.value:
        return silent(RULE, f"可比的日子仅 {comparable} 天", f"only {comparable} days rich enough to compare")
    return supports(
        RULE,
        f"{comparable} 天可比，无一与他处相同",
        f"{comparable} days compared, none copied",
        review=bool(evidence.copies),
    )


def _copied(later: Copy, evidence: RobotEvidence) -> Finding:
    if later.kind == "correlated" and "gateways" in evidence.unread:
        # Whether the two stand in one workshop is what the unread row may say.
        return silent_for_unread(RULE, ("gateways",))
    return contradicts(RULE, _zh(later), _en(later))


def _replayed(copy: Copy) -> tuple[str, str]:
    zh, en = _apart(copy)
    if copy.kind == "exact":
        return f"{copy.days} 天与自身 {zh}前完全相同", f"{copy.days} days equal its own {en} earlier"
    return (
        f"{copy.days} 天与自身 {zh}前的起伏相关 {copy.strength}%",
        f"{copy.days} days go with its own {en} earlier (correlation {copy.strength}%)",
    )


def _apart(copy: Copy) -> tuple[str, str]:
    """Tell the shift in whole days, or else in hours."""
    days, hours = divmod(abs(copy.shift * 24 + copy.lag_h), 24)
    return (
        (f"{days * 24 + hours} 小时", f"{days * 24 + hours} hours")
        if hours
        else (f"{days} 天", f"{days} days")
    )


def _zh(copy: Copy) -> str:
    other = f"{copy.other[0]}/{copy.other[1]}"
    if copy.kind == "exact":
        return f"{copy.days} 天与 {other} 完全相同"
    return f"{copy.days} 天与 {other} 错开 {_apart(copy)[0]}后起伏相关 {copy.strength}%"


def _en(copy: Copy) -> str:
    other = f"{copy.other[0]}/{copy.other[1]}"
    if copy.kind == "exact":
        return f"{copy.days} days equal those of {other}"
    return (
        f"{copy.days} days go with those of {other}, {_apart(copy)[1]} apart (correlation {copy.strength}%)"
    )
