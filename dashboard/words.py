"""Which words do the pages use? Both languages side by side; a test compares them with the templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")
LANG_TAGS: Mapping[Lang, str] = {"zh": "zh-CN", "en": "en"}
"""What `lang` and `Content-Language` say (BCP 47)."""

WORDS: Mapping[str, tuple[str, str]] = {
    "title": (
        "机器换人与企业上云 · 核验进度",
        "Machines for labour, enterprises on cloud: verified progress",
    ),
    "subtitle": (
        "每一个数字都由网关签名的遥测数据核验得出，任何人可以重新计算。",
        "Every figure is judged from telemetry signed by gateways, and anyone can recompute it.",
    ),
    "skip": ("跳到正文", "Skip to content"),
    "other_language": ("English", "中文"),
    "policy": ("政策口径", "Policy"),
    "as_of": ("数据截至", "As of"),
    "targets": ("目标任务完成情况", "Progress against the targets"),
    "target": ("年度目标", "target"),
    "completion": ("完成率", "completed"),
    "time_progress": ("序时进度", "time-proportional target"),
    "time_progress_note": (
        "序时进度：截至数据时点，政策期已过去的比例；竖线为其位置。",
        "Time-proportional target: the share of the policy's period that has passed; the upright line marks it.",
    ),
    "ahead": ("超序时 {points} 个百分点", "{points} percentage points ahead of schedule"),
    "behind": ("欠序时 {points} 个百分点", "{points} percentage points behind schedule"),
    "on_schedule": ("与序时进度持平", "exactly on schedule"),
    "claimed": ("申报", "Claimed"),
    "confirmed": ("认定", "Confirmed"),
    "refuted": ("不予认定", "Refuted"),
    "unproven": ("待证", "Unproven"),
    "review": ("其中待人工复核 {n}", "of these in review: {n}"),
    "verdicts_note": (
        "认定：证据齐全且无一相反；不予认定：有相反的证据；待证：证据不足，不作肯定，也不作否定。",
        "Confirmed: complete evidence, none against. Refuted: evidence against. Unproven: too little, for or against.",
    ),
    "claims_bar": (
        "{indicator}：申报 {claimed}，认定 {confirmed}，不予认定 {refuted}，待证 {unproven}",
        "{indicator}: {claimed} claimed, {confirmed} confirmed, {refuted} refuted, {unproven} unproven",
    ),
    "progress_bar": (
        "{indicator}：完成率 {completion}%，序时进度 {progress}%",
        "{indicator}: {completion}% completed, time-proportional target {progress}%",
    ),
    "month_confirmed": ("{month} 认定", "Confirmed in {month}"),
    "on_month": ("环比", "On the month before"),
    "on_year": ("同比", "On the year before"),
    "named_lists": ("签发名单", "Signed lists"),
    "named_lists_note": (
        "名单由主管部门签发，签名有效的方计数；没有的，写明原因，不作零计。",
        "Lists are issued by authorities and counted only under a valid signature; where there is none the reason stands, not a zero.",
    ),
    "hidden_note": (
        "“·”为不公布的小单元，以及为使其不能由合计推算而一并不公布的单元。",
        "A dot stands for a count too small to publish, or one that would give such a count away.",
    ),
    "by_division": ("分县（市、区）情况", "By county and district"),
    "division": ("县（市、区）", "County or district"),
    "code": ("代码", "Code"),
    "total": ("合计", "Total"),
    "by_reason": ("未予认定的原因", "Why claims were not confirmed"),
    "rule": ("核验规则", "Rule"),
    "rules": ("核验规则全文", "The rules in full"),
    "by_reason_note": (
        "一项申报可能有多条原因，分项之和可以大于总数。",
        "One claim may have several reasons, so the parts may add up to more than the whole.",
    ),
    "no_reasons": ("没有未予认定的申报。", "Every claim is confirmed."),
    "provenance": ("数字的出处", "Where these figures come from"),
    "provenance_note": (
        "凭以下各项和存证日志，可以逐位重算本页的数字。",
        "With these and the evidence log, the figures of this page recompute to the last digit.",
    ),
    "policy_digest": ("政策摘要", "Policy digest"),
    "ledger_digest": ("台账摘要", "Ledger digest"),
    "profile_digests": ("设备型号摘要", "Profile digests"),
    "log_size": ("日志长度（条）", "Log size (leaves)"),
    "root_hash": ("日志根哈希（RFC 6962）", "Log root hash (RFC 6962)"),
    "code_version": ("程序版本", "Code version"),
    "problems": ("台账中无法读取的行", "Ledger rows that could not be read"),
    "problems_note": ("详情由普查命令列出", "listed by the census command"),
    "json": ("以 JSON 取得同一数据", "The same data as JSON"),
    "none_yet": ("尚未进行普查", "No census has run yet"),
    "none_yet_note": (
        "存证库正在接收数据。普查首次完成后，本页会显示数字。",
        "The store is taking in data. Figures appear here after the first census.",
    ),
    "leaves_now": ("存证日志现有 {n} 条", "The evidence log holds {n} leaves"),
    "not_found": ("没有这个页面", "There is no such page"),
    "not_allowed": ("不支持这种请求方式", "This method is not allowed here"),
    "failed": ("服务器出错", "Something went wrong here"),
    "failed_note": (
        "错误已记入日志，请稍后再试。",
        "The error is in the log; please try again later.",
    ),
    "home": ("回到首页", "Back to the overview"),
}


def word(key: str, lang: Lang, **values: object) -> str:
    """Give a phrase with its values put in; KeyError for a key that is not there."""
    return WORDS[key][LANGS.index(lang)].format(**values)


def choose_lang(asked: str | None, accept_language: str) -> Lang:
    """Choose a language: what the address asks for, else the browser's first of ours, else Chinese."""
    if asked in LANGS:
        return "zh" if asked == "zh" else "en"
    best: Lang = "zh"
    best_quality = 0.0
    # A header longer than this is no browser's.
    for part in accept_language[:500].split(","):
        name, _, parameter = part.strip().partition(";")
        lang: Lang | None = {"zh": "zh", "en": "en"}.get(name.lower().partition("-")[0])  # type: ignore[assignment]
        quality = _quality(parameter)
        if lang is not None and quality > best_quality:
            best, best_quality = lang, quality
    return best


def _quality(parameter: str) -> float:
    """Read `q=0.8` (RFC 9110, 12.4.2); 1 when absent, 0 when malformed."""
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name == "q" and 0 <= quality <= 1 else 0.0
