"""Why this verdict? One subject's findings, the rules' wording, and the days of its devices down to the leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS, write_day, write_instant
from census.day_rows import read_day
from census.enterprise_evidence import EnterpriseIndex
from census.explain_day import explain_day
from census.explain_figure import explain_figure, parse_figure
from census.report import Lang, table, word
from census.robot_evidence import RobotIndex
from census.rules import wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from census.engine import DayFiles
    from census.evidence import DeviceDay, Identity, Usage
    from census.ledger import RobotClaim
    from census.run import CensusResult
    from census.verdict import Verdict

DAYS_SHOWN = 400
"""Days listed: a whole period and the lead before it."""
_MARKS = {"supports": "+", "contradicts": "-", "silent": "?"}
_WORDS: dict[str, tuple[str, str]] = {
    "grade": ("等级", "grade"),
    "review": ("请复核", "asks for a person's look"),
    "identity": ("身份", "identity"),
    "first": ("首次听到", "first heard"),
    "leaf": ("叶", "leaf"),
    "read": ("读出", "read"),
    "declared": ("登记", "declared"),
    "day": ("日期", "day"),
    "device": ("设备", "device"),
    "running": ("运行 h", "running h"),
    "unknown": ("不明 h", "unknown h"),
    "polls": ("询问", "polls"),
    "leaves": ("叶号", "leaves"),
    "credited": ("计入", "credited"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "no_days": ("没有数据", "no data"),
    "usage": ("云服务使用", "use of cloud"),
    "own": ("自有网关在线天数", "days of its own gateways"),
    "active": ("有效天数", "active days"),
}


def explain(result: CensusResult, subject: str, lang: Lang) -> str | None:
    """Explain a figure, or a robot's or an enterprise's verdict, as text; None when nobody claims such a subject.

    ValueError: a figure narrowed in a way that does not exist.
    """
    asked = parse_figure(subject)
    if asked is not None:
        return explain_figure(result, asked, 0 if lang == "zh" else 1)
    if subject in result.robots:
        claim = next(claim for claim in result.ledger.robots if claim.robot == subject)
        return _robot(result, claim, lang)
    code = subject.upper()
    if code in result.enterprises:
        return _enterprise(result, code, lang)
    return None


def explain_rows(store: DayFiles, result: CensusResult, robot: str, day: int, lang: Lang) -> str:
    """Tell one day of a robot's bound devices: rows, batches and registers."""
    column = 0 if lang == "zh" else 1
    keys = dict.fromkeys(
        (binding.gateway, binding.device) for binding in result.ledger.bindings if binding.robot == robot
    )
    size = result.header.log_size
    parts = [explain_day(key, day, read_day(store, key, day, size), column) for key in keys]
    return "\n\n".join(parts or [_say("no_days", lang)]) + "\n"


def _say(key: str, lang: Lang) -> str:
    zh, en = _WORDS[key]
    return zh if lang == "zh" else en


def _robot(result: CensusResult, claim: RobotClaim, lang: Lang) -> str:
    evidence = RobotIndex(result.ledger, result.evidence, result.policy).gather(claim)
    head = f"{claim.robot}  {claim.manufacturer} {claim.model} {claim.serial}  {claim.uscc}"
    parts = [_verdict(head, result.robots[claim.robot].verdict, lang)]
    if evidence.identities:
        parts.append("\n".join(_identity(identity, lang) for identity in evidence.identities))
    parts.append(_days(evidence.all_days, set(map(id, evidence.days)), lang))
    return "\n\n".join(parts) + "\n"


def _enterprise(result: CensusResult, code: str, lang: Lang) -> str:
    evidence = EnterpriseIndex(result.ledger, result.evidence, result.policy).gather(code)
    names = dict.fromkeys(row.name for row in result.ledger.enterprises if row.uscc == code)
    parts = [_verdict(f"{code}  {' / '.join(names)}", result.enterprises[code].verdict, lang)]
    if evidence.edge_days:
        parts.append(
            f"{_say('own', lang)}: {len(evidence.edge_days)} "
            f"({write_day(evidence.edge_days[0])} – {write_day(evidence.edge_days[-1])})"
        )
    parts += [_usage(usage, lang) for usage in evidence.usage]
    return "\n\n".join(parts) + "\n"


def _verdict(head: str, verdict: Verdict, lang: Lang) -> str:
    lines = [head, f"{word(verdict.outcome.value, lang)}  {_say('grade', lang)} {verdict.grade or '-'}"]
    for finding in verdict.findings:
        zh, en = wording(finding.rule)
        told = finding.zh if lang == "zh" else finding.en
        look = f"  ({_say('review', lang)})" if finding.review else ""
        lines.append(f"  {_MARKS[finding.answer.value]} {finding.rule}: {told}{look}")
        lines.append(f"      {zh if lang == 'zh' else en}")
    return "\n".join(lines)


def _identity(identity: Identity, lang: Lang) -> str:
    how = _say("read" if identity.is_read else "declared", lang)
    return (
        f"{_say('identity', lang)} {identity.gateway}/{identity.device}: {identity.manufacturer} {identity.model} "
        f"{identity.serial} ({how}, {identity.source})  {_say('first', lang)} {write_instant(identity.first_ms)}  "
        f"{_say('leaf', lang)} {identity.leaf}"
    )


def _days(days: Iterable[DeviceDay], credited: set[int], lang: Lang) -> str:
    keys = ("day", "device", "running", "unknown", "polls", "leaves", "credited")
    rows = [[_say(key, lang) for key in keys]]
    rows += [
        [
            write_day(day.day),
            f"{day.gateway}/{day.device}",
            f"{day.worked_ms / HOUR_MS:.1f}",
            f"{day.unknown_ms / HOUR_MS:.1f}",
            f"{day.polls_ok}/{day.polls_due}",
            f"{day.leaf_min}-{day.leaf_max}",
            _say("yes" if id(day) in credited else "no", lang),
        ]
        for day in list(days)[:DAYS_SHOWN]
    ]
    return table(rows) if len(rows) > 1 else f"  {_say('no_days', lang)}"


def _usage(usage: Usage, lang: Lang) -> str:
    return (
        f"{_say('usage', lang)} {usage.provider} ({usage.gateway}): {_say('active', lang)} {len(usage.days)}, "
        f"{write_day(usage.first_day)} – {write_day(usage.last_day)}, since {usage.since or '-'}, "
        f"{', '.join(usage.statuses)}, {_say('leaves', lang)} {usage.leaf_min}-{usage.leaf_max}"
    )
