"""By which rules is a claim judged? The rule book, made from the rules' own docstrings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.rules import ENTERPRISE_RULES, ROBOT_RULES, wording
from dashboard.rule_names import rule_name

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE = "census/rules/"


def page() -> str:
    """Write the page."""
    return f"""# Rule book · 核验规则

A rule puts one question to the evidence of one claim and answers supports, contradicts or silent. A claim is
confirmed when no rule contradicts and every rule that the policy requires supports; refuted when any contradicts;
else unproven. Silence is not a no.

规则对每项申报的证据提一个问题，回答支持、相反或沉默。无一相反且政策要求的规则全部支持，予以认定；有一相反，不予认定；其余待证。沉默不等于否定。

## Robots · 机器人

{_rules(ROBOT_RULES)}

## Enterprises on cloud · 上云企业

{_rules(ENTERPRISE_RULES)}
"""


def _rules(names: Iterable[str]) -> str:
    return "\n\n".join(_rule(name) for name in names)


def _rule(name: str) -> str:
    zh, en = wording(name)
    return f"### {name}\n\n**{rule_name(name, 'zh')} · {rule_name(name, 'en')}**\n\n{zh}\n\n{en}"
