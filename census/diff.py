"""What was restated between two runs? Inputs, figures and verdicts that are not the same in two census documents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from census.breakdown import DIMENSIONS, TALLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INPUTS = (
    "policy",
    "policy_digest",
    "ledger_digest",
    "profile_digests",
    "as_of",
    "log_size",
    "root_hash",
    "code_version",
)
_TABLES = frozenset(f"by_{dimension}" for dimension in DIMENSIONS)
SHOWN = 400
"""Verdicts listed as text; the JSON has all."""


def restatements(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two documents of `mfl census run --json`, each key with only what differs.

    The keys are "inputs", "figures", "tables" (a row is `robots_new/division/330302`), "lists" and "verdicts".
    A verdict's change names the rule that stands behind it; `old` or `new` is null for a claim that the other run has not.
    """
    return {
        "inputs": {
            name: [before.get(name), after.get(name)]
            for name in INPUTS
            if before.get(name) != after.get(name)
        },
        "figures": {
            name: {
                count: [old.get(count), new.get(count)] for count in TALLY if old.get(count) != new.get(count)
            }
            for name, new in after.get("figures", {}).items()
            if any(
                (old := before.get("figures", {}).get(name, {})).get(count) != new.get(count)
                for count in TALLY
            )
        },
        "tables": _differing(_cells(before), _cells(after)),
        "lists": _differing(_lists(before), _lists(after)),
        "verdicts": {group: list(_changed(before, after, group)) for group in ("robots", "enterprises")},
    }


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def _cells(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give every table row's published counts."""
    return {
        f"{figure}/{table.removeprefix('by_')}/{row['code']}": {count: row.get(count) for count in TALLY}
        for figure, found in document.get("figures", {}).items()
        for table, rows in found.items()
        if table in _TABLES
        for row in rows
    }


def _lists(document: Mapping[str, Any]) -> dict[str, Any]:
    return {one["list"]: one["listed"] for one in document.get("named_lists", ())}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], group: str) -> Iterator[dict[str, Any]]:
    old = before.get("verdicts", {}).get(group, {})
    new = after.get("verdicts", {}).get(group, {})
    for subject in sorted({*old, *new}):
        first, last = old.get(subject), new.get(subject)
        if _outcome(first) != _outcome(last):
            yield {
                "subject": subject,
                "old": _outcome(first),
                "new": _outcome(last),
                "because": _reasons(first, last),
            }


def _outcome(verdict: Mapping[str, Any] | None) -> str | None:
    return str(verdict["verdict"]) if verdict is not None else None


def _reasons(first: Mapping[str, Any] | None, last: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """List the findings whose answer changed, as they now stand."""
    if last is None:
        return []
    old = {finding["rule"]: finding["answer"] for finding in (first or {}).get("findings", ())}
    return [
        {"rule": finding["rule"], "zh": finding["zh"], "en": finding["en"]}
        for finding in last["findings"]
        if old.get(finding["rule"]) != finding["answer"]
    ]


def is_empty(found: Mapping[str, Any]) -> bool:
    """Tell whether nothing was restated."""
    return not any((found["figures"], found["tables"], found["lists"], *found["verdicts"].values()))


def _shown(count: int | None) -> str:
    return "·" if count is None else str(count)


def restatements_text(found: Mapping[str, Any], lang: str) -> str:
    """Tell restatements as text."""
    zh = lang == "zh"
    lines = ["更正" if zh else "restatements"]
    lines += [f"  {name}: {old} → {new}" for name, (old, new) in found["inputs"].items()]
    for name, counts in found["figures"].items():
        told = ", ".join(f"{count} {old} → {new}" for count, (old, new) in counts.items())
        lines.append(f"  {name}: {told}")
    for name, (old, new) in found["tables"].items():
        cells = [(count, (old or {}).get(count), (new or {}).get(count)) for count in TALLY]
        told = ", ".join(f"{count} {_shown(one)} → {_shown(two)}" for count, one, two in cells if one != two)
        lines.append(f"  {name}: {told}")
    lines += [f"  {name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in found["lists"].items()]
    changed = [one for group in found["verdicts"].values() for one in group]
    for one in changed[:SHOWN]:
        why = "; ".join(f"{reason['rule']}: {reason['zh' if zh else 'en']}" for reason in one["because"])
        lines.append(f"  {one['subject']}: {one['old'] or '-'} → {one['new'] or '-'}  {why}".rstrip())
    if len(changed) > SHOWN:
        lines.append(f"  … {len(changed) - SHOWN}")
    if is_empty(found):
        lines.append("  没有" if zh else "  none")
    return "\n".join(lines) + "\n"
