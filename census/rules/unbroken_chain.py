"""Does the gateway's chain hold? Broken links and epochs one too many bear no witness, and missing batches are awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import day_of, write_day
from census.epochs import way_out
from census.finding import Finding, silent, supports
from census.gaps import tell_gaps

if TYPE_CHECKING:
    from census.ledger import RobotClaim
    from census.policy import Policy
    from census.robot_evidence import RobotEvidence

RULE = "unbroken_chain"


def unbroken_chain(claim: RobotClaim, evidence: RobotEvidence, policy: Policy) -> Finding:  # noqa: ARG001 - one shape for all rules
    """网关各批次的哈希首尾相接。自最后一个完好批次至前驱哈希不符的批次，其间数据不作依据；网关另起新链，一季度内超过规定次数而无人说明的，其新链的数据也不作依据，有人具名说明后即恢复；完好的日子达到规定天数，方予支持。断裂既不算有，也不算无，提请复核。统计期结束前的批次编号有缺的，其中可能有不利于申报的数据，补到或有人具名说明之前不予支持并提请复核。

    Each batch names the hash of the one before. From the last good one to the batch whose predecessor's hash is wrong the
    data bears no witness; nor does a new chain that a gateway began more often in a quarter than the policy lets stand, until
    somebody has put his name to the reason. Only enough days without such a break support. A break speaks neither for nor
    against, and a person looks. While numbered batches of before the period's end
    are missing, what they hold may speak against the claim: until they come, or somebody has put his name to the reason, this rule
    does not support, and a person looks.
    """
    heard = {(day.gateway, day.day) for day in evidence.days if day.heard}
    why_zh, why_en = _waiting(evidence)
    if evidence.gaps:
        zh, en = tell_gaps(evidence.gaps)
        return silent(RULE, zh + why_zh, en + why_en, review=True)
    if not heard:
        review = bool(evidence.broken_days)
        return silent(RULE, f"没有可信数据{why_zh}", f"no good evidence{why_en}", review=review)
    whole = {day for gateway, day in heard if (gateway, day) not in evidence.broken_days}
    broken = len(evidence.broken_days)
    if len(whole) >= policy.thresholds.evidence_days.value:
        zh = f"{len(whole)} 天链条完好" + (f"，{broken} 天有断裂" if broken else "")
        en = f"{len(whole)} days unbroken" + (f", {broken} with a break" if broken else "")
        return supports(RULE, zh + why_zh, en + why_en, review=bool(broken))
    return silent(
        RULE,
        f"链条完好仅 {len(whole)} 天，{broken} 天有断裂{why_zh}",
        f"only {len(whole)} days unbroken, {broken} with a break{why_en}",
        review=bool(broken),
    )


def _waiting(evidence: RobotEvidence) -> tuple[str, str]:
    """Name the first epoch that waits for a person's word, how many more do, and what lets them bear witness."""
    if not evidence.silent_epochs:
        return "", ""
    gateway, epoch = evidence.silent_epochs[0]
    day, more = write_day(day_of(epoch.began_ms)), len(evidence.silent_epochs) - 1
    command = way_out(gateway, epoch.epoch)
    also_zh, also_en = (f"（另有 {more} 条）", f" (and {more} more)") if more else ("", "")
    zh = f"；网关 {gateway} 自 {day} 起的新链 {epoch.epoch}{also_zh}尚无人说明，其数据不作依据"
    en = f"; nobody has explained epoch {epoch.epoch} that {gateway} began on {day}{also_en}, so it covers no evidence"
    return f"{zh}：知情人可用 {command} 说明", f"{en}: whoever knows why may say so with {command}"
