"""Is it a valid and registered legal entity within the policy's scope? By check digits and register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import write_day
from census.finding import Finding, contradicts, silent, supports
from census.uscc import fault, is_sole_trader

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.ledger import RegistryRow
    from census.policy import Policy

RULE = "registered_entity"


def registered_entity(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:
    """统一社会信用代码两位校验均有效，且在登记库中存续；个体工商户按政策规定计或不计。代码无效、未登记或已注销的，不计。

    Both check characters of the social credit code hold and the register has the entity as active; sole traders count as
    the policy says. An invalid or unregistered code, or an entity struck off, does not count.
    """
    wrong = fault(claim.uscc)
    if wrong:
        return contradicts(
            RULE,
            f"统一社会信用代码 {claim.uscc} 无效（{wrong}）",
            f"the code {claim.uscc} does not hold ({wrong})",
        )
    if is_sole_trader(claim.uscc) and not policy.enterprises.sole_traders_count:
        return contradicts(RULE, "个体工商户不在统计范围", "a sole trader, outside this count")
    if not policy.enterprises.register_required:
        return supports(RULE, "代码有效", "the code holds")
    if not evidence.has_register:
        return silent(RULE, "没有登记库摘录", "there is no extract of the register")
    if evidence.registry is None:
        return contradicts(RULE, "登记库中没有此代码", "the register has no such code")
    return _by_register(evidence.registry, claim.claimed_day)


def _by_register(row: RegistryRow, claimed_day: int | None) -> Finding:
    if row.status == "struck_off":
        return contradicts(RULE, "已注销或吊销", "struck off the register")
    if row.until_day is not None and claimed_day is not None and row.until_day <= claimed_day:
        when = write_day(row.until_day)
        return contradicts(RULE, f"登记已于 {when} 终止", f"its registration ended on {when}")
    if row.from_day is not None and claimed_day is not None and claimed_day < row.from_day:
        when = write_day(row.from_day)
        return contradicts(
            RULE, f"{when} 方登记，晚于上云日期", f"registered only on {when}, after the claim"
        )
    return supports(RULE, f"登记存续：{row.name}", f"registered and active: {row.name}")
