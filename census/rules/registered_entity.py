"""Is it a valid and registered legal entity within the policy's scope? By check digits and register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import write_day
from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.uscc import fault, is_sole_trader

if TYPE_CHECKING:
    from census.enterprise_evidence import EnterpriseClaim, EnterpriseEvidence
    from census.ledger import RegistryRow
    from census.policy import Policy

RULE = "registered_entity"
_FILES = frozenset({"registry", "enterprises"})


def registered_entity(claim: EnterpriseClaim, evidence: EnterpriseEvidence, policy: Policy) -> Finding:
    """统一社会信用代码两位校验均有效，且在登记库中存续；个体工商户按政策规定计或不计。代码无效、未登记或已注销的，不计。登记库或名单中有读不出的行涉及该企业的，不以未登记或日期为由不计，亦不予支持，提请复核。

    Both check characters of the social credit code hold and the register has the entity as active; sole traders count as
    the policy says. An invalid or unregistered code, or an entity struck off, does not count. Where a row of the register or a
    listing that cannot be read names it, not being found refutes nothing and being found supports nothing; a person looks.
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
    if evidence.registry is None:
        return _not_found(evidence)
    return _by_register(evidence.registry, claim.claimed_day, evidence.unread & _FILES)


def _not_found(evidence: EnterpriseEvidence) -> Finding:
    if "registry" in evidence.unread:
        return silent_for_unread(RULE, ("registry",))
    if not evidence.has_register:
        return silent(RULE, "没有登记库摘录", "there is no extract of the register")
    return contradicts(RULE, "登记库中没有此代码", "the register has no such code")


def _by_register(row: RegistryRow, claimed_day: int | None, unread: frozenset[str]) -> Finding:
    if row.status == "struck_off":
        return contradicts(RULE, "已注销或吊销", "struck off the register")
    if unread:
        return silent_for_unread(RULE, unread)
    if row.until_day is not None and claimed_day is not None and row.until_day <= claimed_day:
        when = write_day(row.until_day)
        return contradicts(RULE, f"登记已于 {when} 终止", f"its registration ended on {when}")
    if row.from_day is not None and claimed_day is not None and claimed_day < row.from_day:
        when = write_day(row.from_day)
        return contradicts(
            RULE, f"{when} 方登记，晚于上云日期", f"registered only on {when}, after the claim"
        )
    return supports(RULE, f"登记存续：{row.name}", f"registered and active: {row.name}")
