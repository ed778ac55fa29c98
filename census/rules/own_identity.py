"""Does the device bear the claimed serial? What the device itself says outranks what was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.finding import Finding, contradicts, silent, silent_for_unread, supports
from census.papers import normal_serial

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "own_identity"


def own_identity(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """绑定设备的序列号与申报一致（或有更换凭证）。从设备读出的为甲级，登记申报的为乙级；读出的序列号与申报不符的，不予认定；更换台账中有读不出的行涉及本申报的，不作判断。

    The bound device's serial is the claimed one, or one that a documented replacement made of it. Read from the device it
    is grade A, declared at enrolment grade B; a serial read from the device that is another's contradicts, unless
    a replacement that cannot be read names either.
    """
    told = [identity for identity in evidence.identities if identity.serial]
    read = [identity for identity in told if identity.is_read]
    other = next(
        (identity for identity in read if normal_serial(identity.serial) not in evidence.serials), None
    )
    if claim.serial and other is not None and "replacements" in evidence.unread:
        return silent_for_unread(RULE, ("replacements",))
    if claim.serial and other is not None:
        return contradicts(
            RULE,
            f"设备读出序列号 {other.serial}，申报为 {claim.serial}",
            f"the device says {other.serial}, the claim {claim.serial}",
        )
    if not claim.serial or not told:
        return silent(RULE, "没有可比的序列号", "no serial to compare")
    if read:
        return supports(RULE, f"设备读出序列号 {read[0].serial}", f"the device says {read[0].serial}")
    if all(normal_serial(identity.serial) in evidence.serials for identity in told):
        return supports(RULE, f"登记序列号 {told[0].serial}", f"declared at enrolment: {told[0].serial}")
    return silent(RULE, "登记的序列号与申报不符", "the serial declared at enrolment is another", review=True)
