"""How is a census told? JSON is the master; the text is an aligned table in Chinese or English."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Literal

from census.calendar import write_instant
from census.percent import write_tenths
from census.report_tables import growth_json, growth_text, lists_json, lists_text, rows_text, tables_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from census.breakdown import Tally
    from census.figures import Figure, Judged
    from census.policy import Policy
    from census.run import CensusResult

Lang = Literal["zh", "en"]
PROBLEMS_SHOWN = 20
"""Problems the text lists; the JSON has all."""
_TALLY = ("claimed", "confirmed", "refuted", "unproven")
_WORDS: dict[str, tuple[str, str]] = {
    "title": ("核验结果", "Census"),
    "as_of": ("截至", "as of"),
    "claimed": ("申报", "claimed"),
    "confirmed": ("认定", "confirmed"),
    "refuted": ("不予认定", "refuted"),
    "unproven": ("待证", "unproven"),
    "target": ("目标", "target"),
    "completion": ("完成率", "of target"),
    "progress": ("序时进度", "of time"),
    "ahead": ("超序时", "ahead"),
    "review": ("待复核", "to review"),
    "division": ("县（市、区）", "county"),
    "rank": ("名次", "rank"),
    "rank_change": ("升降", "moved"),
    "lists": ("签发名单", "signed lists"),
    "points": ("个百分点", " points"),
    "why_refuted": ("不予认定的原因", "refuted by rule"),
    "why_unproven": ("待证的原因", "unproven by rule"),
    "problems": ("问题", "problems"),
    "more": ("另有 {n} 项", "{n} more"),
    "policy": ("政策", "policy"),
    "ledger": ("台账", "ledger"),
    "log": ("日志", "log"),
    "code": ("程序", "code"),
}


def to_json(result: CensusResult) -> dict[str, Any]:
    """Give the whole result as plain JSON values, in the order they are published."""
    header = result.header
    return {
        "policy": header.policy,
        "policy_digest": header.policy_digest,
        "ledger_digest": header.ledger_digest,
        "profile_digests": list(header.profile_digests),
        "as_of": write_instant(header.as_of_ms),
        "log_size": header.log_size,
        "root_hash": header.root_hash,
        "code_version": header.code_version,
        "figures": {
            "robots_new": _figure(result.robots_new, result.policy),
            "enterprises_on_cloud": _figure(result.enterprises_on_cloud, result.policy),
        },
        "named_lists": lists_json(result.named_lists),
        "problems": list(result.problems),
        "verdicts": {
            "robots": {robot: _verdict(judged) for robot, judged in result.robots.items()},
            "enterprises": {uscc: _verdict(judged) for uscc, judged in result.enterprises.items()},
        },
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in _TALLY}


def _figure(figure: Figure, policy: Policy) -> dict[str, Any]:
    target = figure.target
    return {
        "zh": target.zh,
        "en": target.en,
        "unit_zh": target.unit_zh,
        "unit_en": target.unit_en,
        **_tally(figure.tally),
        "target": target.value,
        "completion_percent": write_tenths(figure.completion_tenths),
        "time_progress_percent": write_tenths(figure.progress_tenths),
        "ahead_percent_points": write_tenths(figure.ahead_tenths, signed=True),
        "growth": growth_json(figure.growth),
        "small_cell": policy.thresholds.small_cell.value,
        **tables_json(figure, policy),
        "refuted_by_rule": dict(figure.refuted_by_rule),
        "unproven_by_rule": dict(figure.unproven_by_rule),
        "review": figure.review,
    }


def _verdict(judged: Judged) -> dict[str, Any]:
    verdict = judged.verdict
    return {
        "verdict": str(verdict.outcome),
        "grade": verdict.grade,
        "findings": [
            {"rule": finding.rule, "answer": str(finding.answer), "zh": finding.zh, "en": finding.en}
            for finding in verdict.findings
        ],
    }


def to_text(result: CensusResult, lang: Lang) -> str:
    """Tell the result as text: both figures, by county, by reason, problems, and what recomputes it."""
    header = result.header
    name = result.policy.zh if lang == "zh" else result.policy.en
    as_of = f"{word('as_of', lang)} {write_instant(header.as_of_ms)}"
    parts = [f"{word('title', lang)}  {name}\n{as_of}"]
    parts += [
        _figure_text(figure, result.policy, lang)
        for figure in (result.robots_new, result.enterprises_on_cloud)
    ]
    if result.named_lists:
        parts.append(f"{word('lists', lang)}\n{lists_text(result.named_lists, 0 if lang == 'zh' else 1)}")
    if result.problems:
        parts.append(_problems_text(result.problems, lang))
    parts.append(
        f"{word('policy', lang)} {header.policy} {header.policy_digest}\n"
        f"{word('ledger', lang)} {header.ledger_digest}\n"
        f"{word('log', lang)} {header.log_size} {header.root_hash}\n"
        f"{word('code', lang)} {header.code_version}"
    )
    return "\n\n".join(parts) + "\n"


def word(key: str, lang: Lang) -> str:
    """Give a heading's word."""
    zh, en = _WORDS[key]
    return zh if lang == "zh" else en


def _figure_text(figure: Figure, policy: Policy, lang: Lang) -> str:
    target, tally = figure.target, figure.tally
    name, unit = (target.zh, target.unit_zh) if lang == "zh" else (target.en, target.unit_en)
    space = "" if lang == "zh" else " "
    head = (
        f"{name}  {word('confirmed', lang)} {tally.confirmed}{space}{unit} / {word('target', lang)} {target.value}\n"
        f"  {word('completion', lang)} {write_tenths(figure.completion_tenths)}%"
        f"  {word('progress', lang)} {write_tenths(figure.progress_tenths)}%"
        f"  {word('ahead', lang)} {write_tenths(figure.ahead_tenths, signed=True)}{word('points', lang)}"
        f"  {word('review', lang)} {figure.review}"
    )
    column = 0 if lang == "zh" else 1
    rows = [[word(key, lang) for key in ("division", *_TALLY, "rank", "rank_change")]]
    rows += rows_text(figure, "division", policy, column)
    rows.append(["Σ", *(str(getattr(tally, key)) for key in _TALLY), "", ""])
    return "\n".join([head, f"  {growth_text(figure.growth, column)}", table(rows), *_reasons(figure, lang)])


def _reasons(figure: Figure, lang: Lang) -> list[str]:
    told = (("why_refuted", figure.refuted_by_rule), ("why_unproven", figure.unproven_by_rule))
    return [
        f"  {word(key, lang)}: " + ", ".join(f"{rule} {count}" for rule, count in found)
        for key, found in told
        if found
    ]


def _problems_text(problems: Sequence[str], lang: Lang) -> str:
    shown = [f"  {problem}" for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        shown.append("  " + word("more", lang).format(n=len(problems) - PROBLEMS_SHOWN))
    return "\n".join([f"{word('problems', lang)} ({len(problems)})", *shown])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of cells: the first column to the left, the others to the right; Chinese characters are two wide."""
    widths = [max(width(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0] + " " * (widths[0] - width(row[0]))
        rest = [" " * (size - width(cell)) + cell for cell, size in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join([first, *rest]))
    return "\n".join(lines)


def width(text: str) -> int:
    """Count the columns a terminal gives a text."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
