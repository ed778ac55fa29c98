"""Did the census find the truth? Its verdicts beside a world's, subject by subject."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.world import Truth, World


@dataclass(frozen=True, slots=True)
class Score:
    """How verdicts compare with the truth: counts of the three mistakes, and every verdict not as expected."""

    false_confirmed: int
    honest_refuted: int
    honest_unproven: int
    true_robots: int
    true_enterprises: int
    by_kind: dict[str, dict[str, int]]
    surprises: tuple[str, ...]


def score(world: World, document: Mapping[str, Any]) -> Score:
    """Compare the verdicts of a census document (`census.report.to_json`) with the world's truth."""
    return score_truth({"robots": world.robot_truth(), "enterprises": world.enterprise_truth()}, document)


def score_truth(
    groups: Mapping[str, Mapping[str, Truth]], document: Mapping[str, Any], few: frozenset[str] = frozenset()
) -> Score:
    """Compare verdicts with truths by group; of the subjects in `few`, which have shown too little, unproven is right."""
    kinds: dict[str, Counter[str]] = {}
    wrong: Counter[str] = Counter()
    surprises = []
    for group, truths in groups.items():
        verdicts = document["verdicts"][group]
        for subject, truth in truths.items():
            verdict = str(verdicts.get(subject, {}).get("verdict", "missing"))
            kinds.setdefault(f"{group}/{truth.kind}", Counter())[verdict] += 1
            is_early = subject in few and verdict == "unproven"
            wrong["none" if is_early else _mistake(truth, verdict)] += 1
            if verdict != truth.expected and not is_early:
                surprises.append(_surprise(group, subject, truth, verdicts.get(subject)))
        surprises += [f"{group} {subject}: judged but not claimed" for subject in set(verdicts) - set(truths)]
    return Score(
        false_confirmed=wrong["false_confirmed"],
        honest_refuted=wrong["honest_refuted"],
        honest_unproven=wrong["honest_unproven"],
        true_robots=_true(groups["robots"]),
        true_enterprises=_true(groups["enterprises"]),
        by_kind={kind: dict(sorted(counts.items())) for kind, counts in sorted(kinds.items())},
        surprises=tuple(surprises),
    )


def _true(truths: Mapping[str, Truth]) -> int:
    return sum(truth.expected == "confirmed" for truth in truths.values())


def _mistake(truth: Truth, verdict: str) -> str:
    if truth.expected != "confirmed":
        return "false_confirmed" if verdict == "confirmed" else "none"
    return {"confirmed": "none", "refuted": "honest_refuted"}.get(verdict, "honest_unproven")


def _surprise(group: str, subject: str, truth: Truth, verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return f"{group} {subject} ({truth.kind}): no verdict"
    answers = [
        f"{finding['rule']}={finding['answer']}: {finding['en']}"
        for finding in verdict["findings"]
        if finding["answer"] != "supports" or finding["rule"] in truth.rules
    ]
    return (
        f"{group} {subject} ({truth.kind}): {verdict['verdict']}, not {truth.expected}; {'; '.join(answers)}"
    )
