"""How do findings become a verdict? Any contradiction refutes; every required support confirms; else unproven. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from census.calendar import days_between
from census.finding import Answer, Finding
from census.rolling import has_window
from census.rules import ENTERPRISE_RULES, ROBOT_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

GRADE_REASON = "grade"
"""Why a claim stays unproven when every rule supports it, but by evidence of a grade the policy does not take."""


class Outcome(StrEnum):
    """A claim's verdict."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNPROVEN = "unproven"


_CONFIRMED, _REFUTED, _UNPROVEN = Outcome
_SUPPORTS, _CONTRADICTS = Answer.SUPPORTS, Answer.CONTRADICTS


class Verdict(NamedTuple):
    """What became of one claim: `reason` is the first rule that stands in its way, empty when confirmed."""

    outcome: Outcome
    grade: str
    findings: tuple[Finding, ...]
    reason: str = ""

    @property
    def review(self) -> bool:
        """Whether a person should look."""
        return True in [finding.review for finding in self.findings]


def judge(
    findings: Iterable[Finding], required: tuple[str, ...], grade: str, grades: tuple[str, ...]
) -> Verdict:
    """Combine findings. Silence never confirms and never refutes, so adding silence never flips a verdict."""
    found = tuple(findings)
    supported = set()
    for rule, answer, *_ in found:
        if answer is _CONTRADICTS:
            return Verdict(_REFUTED, grade, found, rule)
        if answer is _SUPPORTS:
            supported.add(rule)
    for rule in required:
        if rule not in supported:
            return Verdict(_UNPROVEN, grade, found, rule)
    if grade not in grades:
        return Verdict(_UNPROVEN, grade, found, GRADE_REASON)
    return Verdict(_CONFIRMED, grade, found)


def judge_robot(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Verdict:
    """Put every robot rule to one claim."""
    findings = [rule(claim, evidence, policy) for rule in ROBOT_RULES.values()]
    return judge(findings, policy.robots.required, robot_grade(evidence), policy.robots.grades)


def judge_enterprise(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Verdict:
    """Put every enterprise rule to one claim."""
    findings = [rule(claim, evidence, policy) for rule in ENTERPRISE_RULES.values()]
    grade = enterprise_grade(evidence, policy)
    return judge(findings, policy.enterprises.required, grade, policy.enterprises.grades)


def robot_grade(evidence: RobotEvidence) -> str:
    """Grade by the weakest of what counts: C unsigned, A identity read from the device, B declared; empty when unheard."""
    told = [identity for identity in evidence.identities if identity.serial]
    if not told and not evidence.days:
        return ""
    if not all(day.signed for day in evidence.days) or not all(identity.signed for identity in told):
        return "C"
    return "A" if any(identity.is_read for identity in told) else "B"


def enterprise_grade(evidence: EnterpriseEvidence, policy: Policy) -> str:
    """Grade A where its own gateways suffice, B where the provider reports, empty when unheard."""
    limits, period = policy.thresholds, policy.period
    own = days_between(evidence.edge_days, period.first_day, period.end_day)
    if own and (not evidence.usage or has_window(own, limits.use_window.value, limits.use_days.value)):
        return "A"
    return "B" if evidence.usage else ""
