"""Is it a robot by definition? By its claim and by what the device says of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, supports

if TYPE_CHECKING:
    from census.evidence import Identity
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "is_robot"


def is_robot(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """申报类别属于工业机器人，轴数不少于政策规定；听到的身份为控制器、仪表、模拟器或轴数不足的，以及设备自称为控制器的，不计。登记名称有此字样，或为软件库默认名称的，不作判断并提请复核。

    The claimed category is an industrial robot's and the axes are enough; a device whose heard identity is a controller's,
    a meter's or a simulator's, has too few axes, or that calls itself a controller, is none. Where only the declared name
    says so, or the name is a software library's default, the rule stays silent and a person looks.
    """
    least = policy.thresholds.robot_axes_min.value
    said = _said_otherwise(evidence, policy)
    if said is not None:
        return said
    if claim.axes is not None and claim.axes < least:
        return contradicts(RULE, f"申报仅 {claim.axes} 轴", f"the claim says {claim.axes} axes")
    if claim.category and claim.category not in policy.robots.categories:
        return contradicts(
            RULE, f"类别 {claim.category} 不是工业机器人", f"category {claim.category} is no robot"
        )
    if claim.axes is None or not claim.category:
        return silent(RULE, "申报缺类别或轴数", "the claim gives no category or axes")
    doubts = (*policy.robots.not_robot_words, *policy.robots.review_words)
    doubtful = next((word for identity in evidence.identities if (word := _word(identity, doubts))), "")
    if doubtful:
        return silent(
            RULE, f"设备名称含“{doubtful}”字样", f"the device's name says {doubtful!r}", review=True
        )
    return supports(RULE, f"{claim.category}，{claim.axes} 轴", f"{claim.category}, {claim.axes} axes")


def _said_otherwise(evidence: RobotEvidence, policy: Policy) -> Finding | None:
    kinds, least = policy.robots.not_robot_kinds, policy.thresholds.robot_axes_min.value
    for identity in evidence.identities:
        if identity.kind in kinds:
            return contradicts(
                RULE, f"设备身份为 {identity.kind}", f"the device's identity is {identity.kind}"
            )
        if identity.axes is not None and identity.axes < least:
            return contradicts(
                RULE, f"设备身份仅 {identity.axes} 轴", f"the device says {identity.axes} axes"
            )
        word = _word(identity, policy.robots.not_robot_words) if identity.is_read else ""
        if word:
            name = f"{identity.manufacturer} {identity.model}".strip()
            return contradicts(RULE, f"设备自称 {name}", f"the device calls itself {name}")
    return None


def _word(identity: Identity, words: tuple[str, ...]) -> str:
    """Find a whole word of the list in what the device is called."""
    named = set(re.split(r"[^a-z0-9]+", f"{identity.manufacturer} {identity.model}".lower()))
    return next((word for word in words if word in named), "")
