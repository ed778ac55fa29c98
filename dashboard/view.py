"""What does the overview show of the figures? The census's JSON made ready for the page: words and bars. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dashboard.words import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.words import Lang

VERDICTS = ("confirmed", "refuted", "unproven")
COUNTS = ("claimed", *VERDICTS)
BAR = 1000
"""Units a bar is wide: a tenth of a percent each."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar, in BAR units."""

    verdict: str
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A month beside an earlier one: 环比 or 同比, the change as text, and its base or the reason there is none."""

    label: str
    change: str
    base: str


@dataclass(frozen=True, slots=True)
class Month:
    """The last whole month's confirmed claims and what they are compared with; a note instead where none is over."""

    label: str = ""
    confirmed: str = ""
    compared: tuple[Compared, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class SignedList:
    """An authority's list: how many enterprises it names of how many wanted, or the reason that nothing counts."""

    name: str
    listed: str
    target: str
    unit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """One target: its numbers as text, its schedule in words, and its two bars in BAR units."""

    key: str
    name: str
    unit: str
    counts: Mapping[str, str]
    target: str
    completion: str
    time_progress: str
    schedule: str
    standing: str
    review: int
    done_width: int
    due_at: int
    segments: tuple[Segment, ...]
    month: Month
    progress_text: str
    claims_text: str


@dataclass(frozen=True, slots=True)
class Division:
    """A county's row: counts by indicator, in the order of the cards."""

    code: str
    name: str
    counts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule and how many claims it refuted or left unproven."""

    rule: str
    refuted: str
    unproven: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the overview's template needs."""

    cards: tuple[Card, ...]
    divisions: tuple[Division, ...]
    lists: tuple[SignedList, ...]
    reasons: Mapping[str, tuple[Reason, ...]]
    provenance: tuple[tuple[str, str], ...]
    profile_digests: tuple[str, ...]
    as_of: str
    as_of_text: str
    policy: str
    problem_count: int


def overview(figures: Mapping[str, Any], lang: Lang) -> Overview:
    """Make the census's figures ready for the page in one language."""
    parts = figures["figures"]
    return Overview(
        cards=tuple(_card(key, figure, lang) for key, figure in parts.items()),
        divisions=_divisions(parts, lang),
        lists=tuple(_signed_list(one, lang) for one in figures["named_lists"]),
        reasons={key: _reasons(figure) for key, figure in parts.items()},
        provenance=_provenance(figures, lang),
        profile_digests=tuple(figures["profile_digests"]),
        as_of=figures["as_of"],
        as_of_text=_moment(figures["as_of"]),
        policy=figures["policy"],
        problem_count=len(figures["problems"]),
    )


def _moment(iso: str) -> str:
    """Write a moment for people, to the minute, its offset kept: `2018-09-01 00:00 (UTC+08:00)`."""
    moment = datetime.fromisoformat(iso)
    return f"{moment:%Y-%m-%d %H:%M} ({moment.tzname()})" if moment.tzinfo else f"{moment:%Y-%m-%d %H:%M}"


def _cell(count: int | None) -> str:
    """Write a table's count; a dot where it is too small to publish (the note under the table says so)."""
    return "·" if count is None else grouped(count)


def grouped(number: int) -> str:
    """Write a count with thousands separators, the same in both languages."""
    return f"{number:,}"


def _card(key: str, figure: Mapping[str, Any], lang: Lang) -> Card:
    standing = _standing(figure["ahead_percent_points"])
    name, unit = figure[lang], figure[f"unit_{lang}"]
    counts = {count: grouped(figure[count]) for count in COUNTS}
    return Card(
        key=key,
        name=name,
        unit=unit,
        counts=counts,
        target=grouped(figure["target"]),
        completion=figure["completion_percent"],
        time_progress=figure["time_progress_percent"],
        schedule=word(standing, lang, points=figure["ahead_percent_points"].lstrip("+-−")),
        standing=standing,
        review=figure["review"],
        done_width=_bar_units(figure["completion_percent"]),
        due_at=_bar_units(figure["time_progress_percent"]),
        segments=_segments(figure),
        month=_month(figure["growth"], lang),
        progress_text=word(
            "progress_bar",
            lang,
            indicator=name,
            completion=figure["completion_percent"],
            progress=figure["time_progress_percent"],
        ),
        claims_text=word("claims_bar", lang, indicator=name, **counts),
    )


def _month(growth: Mapping[str, Any], lang: Lang) -> Month:
    """Tell the last whole month; why there is none is the census's to say."""
    reason = f"reason_{lang}"
    if growth["month"] is None:
        return Month(note=growth["on_month"][reason])
    compared = []
    for key in ("on_month", "on_year"):
        change = growth[key]
        known = change["percent"] is not None
        base = f"{change['base_month']} · {_cell(change['base'])}" if known else change[reason]
        compared.append(Compared(word(key, lang), f"{change['percent']}%" if known else "—", base))
    label = word("month_confirmed", lang, month=growth["month"])
    return Month(label, _cell(growth["confirmed"]), tuple(compared))


def _signed_list(one: Mapping[str, Any], lang: Lang) -> SignedList:
    """Make a list's indicator ready; a dash and the reason where it cannot be counted, never a zero."""
    listed = one["listed"]
    return SignedList(
        name=one[lang],
        listed="—" if listed is None else grouped(listed),
        target=grouped(one["target"]),
        unit=one.get(f"unit_{lang}", ""),
        reason=one[f"reason_{lang}"],
    )


def _standing(points: str) -> str:
    """Name the schedule's word: ahead, behind, or on schedule when the difference rounds to nothing."""
    number = float(points.replace("−", "-"))
    if number == 0:
        return "on_schedule"
    return "ahead" if number > 0 else "behind"


def _bar_units(percent: str) -> int:
    """Turn a percentage into BAR units, kept inside the bar: more than the target fills it."""
    return max(0, min(BAR, round(float(percent) * BAR / 100)))


def _segments(figure: Mapping[str, Any]) -> tuple[Segment, ...]:
    """Lay the verdicts end to end; they fill the bar when every claim is judged."""
    whole = max(figure["claimed"], sum(figure[verdict] for verdict in VERDICTS))
    if whole == 0:
        return ()
    segments, seen = [], 0
    for verdict in VERDICTS:
        start = seen * BAR // whole
        seen += figure[verdict]
        segments.append(Segment(verdict, start, seen * BAR // whole - start))
    return tuple(segments)


def _divisions(parts: Mapping[str, Mapping[str, Any]], lang: Lang) -> tuple[Division, ...]:
    """Join the indicators by division code, in the codes' order; a division that one lacks counts nothing there."""
    names: dict[str, str] = {}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for key, figure in parts.items():
        for row in figure["by_division"]:
            names[row["code"]] = row[lang]
            found[key, row["code"]] = row
    nothing = dict.fromkeys(COUNTS, 0)
    return tuple(
        Division(
            code,
            names[code],
            tuple(_cell(found.get((key, code), nothing)[count]) for key in parts for count in COUNTS),
        )
        for code in sorted(names)
    )


def _reasons(figure: Mapping[str, Any]) -> tuple[Reason, ...]:
    """List the rules that kept claims from being confirmed, the heaviest first."""
    refuted, unproven = figure["refuted_by_rule"], figure["unproven_by_rule"]
    rules = sorted(
        set(refuted) | set(unproven),
        key=lambda rule: (-refuted.get(rule, 0), -unproven.get(rule, 0), rule),
    )
    return tuple(
        Reason(rule, grouped(refuted.get(rule, 0)), grouped(unproven.get(rule, 0))) for rule in rules
    )


def _provenance(figures: Mapping[str, Any], lang: Lang) -> tuple[tuple[str, str], ...]:
    """Give what names a figure (DESIGN section 2.6), label by value, the profiles' digests apart."""
    values = {
        "policy_digest": figures["policy_digest"],
        "ledger_digest": figures["ledger_digest"],
        "as_of": figures["as_of"],
        "log_size": grouped(figures["log_size"]),
        "root_hash": figures["root_hash"],
        "code_version": figures["code_version"],
    }
    return tuple((word(key, lang), value) for key, value in values.items())
