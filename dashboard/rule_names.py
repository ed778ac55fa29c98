"""How is a rule called on a page? In a few words of each language; its wording is its own docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.words import Lang

NAMES: Mapping[str, tuple[str, str]] = {
    "claimed_once": ("申报有效且只报一次", "Claimed once, and well-formed"),
    "is_robot": ("属于工业机器人", "Is an industrial robot"),
    "own_identity": ("设备身份相符", "The device's identity agrees"),
    "new_by_evidence": ("有证据证明为新增", "Newly deployed by evidence"),
    "not_relocated": ("不是移机或二手", "Neither relocated nor second-hand"),
    "not_a_replacement": ("不是以旧换新", "Replaces no older robot"),
    "first_worked_in_period": ("统计期内首次工作", "First worked inside the period"),
    "works": ("有实际工作", "Works"),
    "physically_possible": ("速率与计数可能", "Rates and counts are possible"),
    "motion_agrees": ("动作或能耗相佐", "Motion or energy agrees"),
    "not_scripted": ("数据不是脚本所造", "No script"),
    "not_a_copy": ("数据不是复制或重放", "No copy and no replay"),
    "gateway_enrolled": ("网关已登记", "Gateway enrolled"),
    "unbroken_chain": ("链条完整", "Chain unbroken"),
    "registered_entity": ("登记在册的法人单位", "Registered legal entity"),
    "new_in_period": ("统计期内新上云", "Newly on cloud inside the period"),
    "live_use": ("有实际使用", "Live use"),
    "usage_plausible": ("用量真实", "Usage is plausible"),
    "level": ("上云等级", "Level of the ladder"),
}
"""Rule → its name in Chinese and English; a test compares it with the census's table of rules."""


def rule_name(rule: str, lang: Lang) -> str:
    """Give a rule's short name; a rule of a later census keeps its identifier."""
    zh, en = NAMES.get(rule, (rule, rule))
    return zh if lang == "zh" else en
