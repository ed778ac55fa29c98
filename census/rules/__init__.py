"""Which questions are put to a claim? Every rule in one explicit table; a rule's docstring is its published wording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.rules.claimed_once import claimed_once
from census.rules.first_worked_in_period import first_worked_in_period
from census.rules.gateway_enrolled import gateway_enrolled
from census.rules.is_robot import is_robot
from census.rules.level import level
from census.rules.live_use import live_use
from census.rules.motion_agrees import motion_agrees
from census.rules.new_by_evidence import new_by_evidence
from census.rules.new_in_period import new_in_period
from census.rules.not_a_copy import not_a_copy
from census.rules.not_a_replacement import not_a_replacement
from census.rules.not_relocated import not_relocated
from census.rules.not_scripted import not_scripted
from census.rules.own_identity import own_identity
from census.rules.physically_possible import physically_possible
from census.rules.registered_entity import registered_entity
from census.rules.unbroken_chain import unbroken_chain
from census.rules.usage_plausible import usage_plausible
from census.rules.works import works

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.finding import Finding
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

    RobotRule = Callable[[RobotClaim, RobotEvidence, Policy], Finding]
    EnterpriseRule = Callable[[EnterpriseClaim, EnterpriseEvidence, Policy], Finding]

ROBOT_RULES: Mapping[str, RobotRule] = {
    "claimed_once": claimed_once,
    "is_robot": is_robot,
    "own_identity": own_identity,
    "not_relocated": not_relocated,
    "not_a_replacement": not_a_replacement,
    "new_by_evidence": new_by_evidence,
    "first_worked_in_period": first_worked_in_period,
    "works": works,
    "physically_possible": physically_possible,
    "motion_agrees": motion_agrees,
    "not_scripted": not_scripted,
    "not_a_copy": not_a_copy,
    "gateway_enrolled": gateway_enrolled,
    "unbroken_chain": unbroken_chain,
}
ENTERPRISE_RULES: Mapping[str, EnterpriseRule] = {
    "registered_entity": registered_entity,
    "new_in_period": new_in_period,
    "live_use": live_use,
    "usage_plausible": usage_plausible,
    "level": level,
}
RULES: Mapping[str, RobotRule | EnterpriseRule] = {**ROBOT_RULES, **ENTERPRISE_RULES}
"""All rules by name."""


def wording(name: str) -> tuple[str, str]:
    """Give a rule's published wording, Chinese and English, from its docstring."""
    zh, _, en = (RULES[name].__doc__ or "").partition("\n\n")
    return zh.strip(), " ".join(en.split())
