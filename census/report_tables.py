"""How are the tables of a figure told? Rows by county, month, cluster, industry and size as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from census.breakdown import DIMENSIONS, ELSEWHERE, TALLY
from census.percent import write_tenths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from census.breakdown import BreakdownRow
    from census.figures import Figure
    from census.growth import Change, Growth
    from census.named_lists import ListFigure
    from census.policy import Policy

HIDDEN = "·"
"""What stands for a count that may not be published."""
ELSEWHERE_NAMES = ("未注明", "not given")


def names_of(policy: Policy) -> dict[str, dict[str, tuple[str, str]]]:
    """Name every code of every dimension in both languages; a month is its own name."""
    nowhere = {ELSEWHERE: ELSEWHERE_NAMES}
    return {
        "division": nowhere | {one.code: (one.zh, one.en) for one in policy.divisions},
        "cluster": nowhere | {one.code: (one.zh, one.en) for one in policy.clusters},
        "industry": nowhere | {one.code: (one.zh, one.en) for one in policy.industries},
        "size": nowhere | {one.code: (one.zh, one.en) for one in policy.sizes},
        "month": nowhere,
    }


def tables_json(figure: Figure, policy: Policy) -> dict[str, Any]:
    """Give every table, `by_division` and so on; a count that may not be published is null."""
    names = names_of(policy)
    return {
        f"by_{dimension}": [_row(row, names[dimension]) for row in figure.breakdowns[dimension]]
        for dimension in DIMENSIONS
    }


def _row(row: BreakdownRow, names: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    zh, en = names.get(row.code, (row.code, row.code))
    return {
        "code": row.code,
        "zh": zh,
        "en": en,
        **row.published(),
        "rank": row.rank,
        "rank_change": row.rank_change,
    }


def growth_json(growth: Growth) -> dict[str, Any]:
    """Give 环比 and 同比 with their bases, or the reason there is none."""
    return {
        "month": growth.month or None,
        "confirmed": growth.confirmed,
        "on_month": _change(growth.on_month),
        "on_year": _change(growth.on_year),
    }


def _change(change: Change) -> dict[str, Any]:
    tenths = change.change_tenths
    return {
        "base_month": change.base_month or None,
        "base": change.base,
        "percent": None if tenths is None else write_tenths(tenths, signed=True),
        "reason_zh": change.reason[0],
        "reason_en": change.reason[1],
    }


def lists_json(lists: tuple[ListFigure, ...]) -> list[dict[str, Any]]:
    """Give the indicators that are counted from signed lists; `listed` is null with the reason when it cannot be."""
    return [
        {
            "list": one.named.list,
            "zh": one.named.zh,
            "en": one.named.en,
            "unit_zh": one.named.unit_zh,
            "target": one.named.target,
            "listed": one.listed,
            "reason_zh": one.reason[0],
            "reason_en": one.reason[1],
        }
        for one in lists
    ]


def rows_text(figure: Figure, dimension: str, policy: Policy, column: int) -> list[list[str]]:
    """Give a table's rows as text: name, counts, rank and the places it rose."""
    names = names_of(policy)[dimension]
    return [
        [
            names.get(row.code, (row.code, row.code))[column],
            *(HIDDEN if (count := row.published()[name]) is None else str(count) for name in TALLY),
            str(row.rank) if row.rank is not None else "",
            _arrow(row.rank_change),
        ]
        for row in figure.breakdowns[dimension]
    ]


def _arrow(change: int | None) -> str:
    if not change:
        return ""
    return f"↑{change}" if change > 0 else f"↓{-change}"


def growth_text(growth: Growth, column: int) -> str:
    """Tell 环比 and 同比 in one line."""
    if not growth.month:
        return growth.on_month.reason[column]
    words = (("环比", "on the month before"), ("同比", "on the year before"))
    told = [
        f"{words[place][column]} {_percent(change, column)}"
        for place, change in enumerate((growth.on_month, growth.on_year))
    ]
    value = HIDDEN if growth.confirmed is None else str(growth.confirmed)
    return f"{growth.month}: {value}  " + "  ".join(told)


def _percent(change: Change, column: int) -> str:
    told = _change(change)["percent"]
    if told is None:
        return f"-（{change.reason[0]}）" if column == 0 else f"- ({change.reason[1]})"
    return (
        f"{told}%（{change.base_month}: {change.base}）"
        if column == 0
        else f"{told}% ({change.base_month}: {change.base})"
    )


def lists_text(lists: tuple[ListFigure, ...], column: int) -> str:
    """Tell the signed lists, one a line."""
    target = ("目标", "target")[column]
    lines = []
    for one in lists:
        name = (one.named.zh, one.named.en)[column]
        value = str(one.listed) if one.listed is not None else f"- ({one.reason[column]})"
        lines.append(f"  {name}: {value} / {target} {one.named.target}")
    return "\n".join(lines)
