"""Did the robot take another's place? A replacement is no addition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.papers import normal_serial

if TYPE_CHECKING:
    from census.ledger import Replacement, RobotClaim
    from census.policy import Policy
    from census.robot_evidence import Predecessor, RobotEvidence

RULE = "not_a_replacement"
_FILES = frozenset({"replacements", "bindings"})


def not_a_replacement(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """以旧换新不是新增：申报方式为更换的，或更换凭证表明其序列号换下旧机的，或同一设备位置上此前有另一序列号在工作、且该序列号此后未在别处出现的，不计。本申报自身在统计期内更换本体并有凭证的，仍作一台，提请复核。更换或绑定台账中有读不出的行涉及本申报的，不作判断并提请复核。

    A replacement is no addition: one whose claim says so, whose serial by a replacement's document took an older robot's
    place, or in whose place another serial worked before and was heard nowhere since, does not count. A claim whose own
    body was exchanged, with its document, after it was heard in place remains one robot, and a person looks.
    Where a replacement or binding that cannot be read names it, this rule stays silent and a person looks.
    """
    if claim.addition == "replacement":
        return contradicts(RULE, "申报方式为更换", "the claim itself says replacement")
    if unread := evidence.unread & _FILES:
        return silent_for_unread(RULE, unread)
    for paper in evidence.replaced:
        if paper.robot == claim.robot and paper.document and _heard_in_place(paper, evidence):
            return supports(
                RULE,
                f"本机 {paper.old_serial} 更换为 {paper.new_serial}，凭证 {paper.document or '缺'}",
                f"its own body {paper.old_serial} became {paper.new_serial}, document {paper.document or 'missing'}",
                review=True,
            )
        return contradicts(
            RULE,
            f"换下 {paper.robot} 的 {paper.old_serial}，凭证 {paper.document or '缺'}",
            f"it replaced {paper.old_serial} of {paper.robot}, document {paper.document or 'missing'}",
        )
    return _by_predecessors(evidence)


def _by_predecessors(evidence: RobotEvidence) -> Finding:
    stayed = next((one for one in evidence.predecessors if one.moved_to is None), None)
    if stayed is not None:
        return contradicts(RULE, *_told(stayed))
    if not evidence.all_days:
        return silent(RULE, "尚未听到", "not heard yet")
    if evidence.predecessors:
        zh, en = _told(evidence.predecessors[0])
        return silent(RULE, f"{zh}，后在别处出现", f"{en}, and was heard elsewhere later", review=True)
    return supports(RULE, "没有换下旧机的迹象", "no sign of an older robot in its place")


def _heard_in_place(paper: Replacement, evidence: RobotEvidence) -> bool:
    old = normal_serial(paper.old_serial)
    return any(normal_serial(one.serial) == old for one in evidence.identities)


def _told(one: Predecessor) -> tuple[str, str]:
    where = f"{one.gateway}/{one.device}"
    return f"{where} 此前由 {one.serial} 工作", f"{one.serial} worked at {where} before"
