"""Did the robot come from elsewhere? One that was heard at another place first is not new here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS, write_day, write_instant
from census.finding import Finding, contradicts, silent, silent_for_unread, supports

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "not_relocated"
_FILES = frozenset({"bindings", "replacements"})


def not_relocated(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:
    """移机、二手机不计：申报方式为移机的，或其序列号更早已在别的设备上听到的，不计；先后相差不足规定时间的不作裁断。同一序列号此前已开票给其他单位的，可能是二手，也可能是经集成商转售，提请复核。绑定或更换台账中有读不出的行涉及本申报的，不以别处听到为由不计。

    Relocated and second-hand robots do not count: one whose claim says so, or whose serial was heard earlier behind another
    device; a lead shorter than the margin decides nothing. A serial invoiced earlier to another buyer may be second-hand or
    bought through an integrator: a person looks. Where a binding or replacement that cannot be read names it, being heard
    elsewhere refutes nothing.
    """
    if claim.addition == "relocated":
        return contradicts(RULE, "申报方式为移机", "the claim itself says relocated")
    here = evidence.first_heard_ms
    margin = policy.thresholds.order_margin.value * HOUR_MS
    for other in evidence.elsewhere:
        if here is None:
            break
        if here - other.first_ms > margin:
            if unread := evidence.unread & _FILES:
                return silent_for_unread(RULE, unread)
            where = f"{other.gateway}/{other.device}"
            when = write_instant(other.first_ms)[:10]
            return contradicts(
                RULE,
                f"序列号 {other.serial} 已于 {when} 在 {where} 出现",
                f"serial {other.serial} was heard at {where} on {when}",
            )
    if here is None:
        return silent(RULE, "尚未听到", "not heard yet")
    sold = _sold_to_another(claim, evidence)
    if sold is not None:
        return sold
    may_be_sold = "invoices" in evidence.unread
    return supports(RULE, "此前别处未曾听到", "heard nowhere else before", review=may_be_sold)


def _sold_to_another(claim: RobotClaim, evidence: RobotEvidence) -> Finding | None:
    """Find an invoice that sold this serial to somebody else before it was commissioned here."""
    day = claim.commissioned_day
    for line in evidence.invoices:
        if (
            line.uscc != claim.uscc
            and line.issued_day is not None
            and day is not None
            and line.issued_day < day
        ):
            when = write_day(line.issued_day)
            return supports(
                RULE,
                f"此前别处未曾听到；但 {when} 曾开票给 {line.uscc}",
                f"heard nowhere else before, but invoiced to {line.uscc} on {when}",
                review=True,
            )
    return None
