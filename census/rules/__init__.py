"""Which questions are put to a claim? Every rule in one explicit table; a rule's docstring is its published wording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.rules.claimed_once import claimed_once
from census.rules.first_worked_in_period import first_worked_in_period
from census.rules.gateway_enrolled import gateway_enrolled
from census.rules.is_robot import is_robot
from census.rules.live_use import live_use
from census.rules.new_by_evidence import new_by_evidence
from census.rules.new_in_period import new_in_period
from census.rules.not_a_copy import not_a_copy
from census.rules.own_identity import own_identity
from census.rules.registered_entity import registered_entity
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
    "new_by_evidence": new_by_evidence,
    "first_worked_in_period": first_worked_in_period,
    "works": works,
    "not_a_copy": not_a_copy,
    "gateway_enrolled": gateway_enrolled,
}
ENTERPRISE_RULES: Mapping[str, EnterpriseRule] = {
    "registered_entity": registered_entity,
    "new_in_period": new_in_period,
    "live_use": live_use,
}
RULES: Mapping[str, RobotRule | EnterpriseRule] = {**ROBOT_RULES, **ENTERPRISE_RULES}
"""All rules by name."""


def wording(name: str) -> tuple[str, str]:
    """Give a rule's published wording, Chinese and English, from its docstring."""
    zh, _, en = (RULES[name].__doc__ or "").partition("\n\n")
    return zh.strip(), " ".join(en.split())
