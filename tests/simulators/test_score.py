"""The score counts mistakes and nothing else: a lie confirmed, an honest one refuted, an honest one lost."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.score import score_truth
from simulators.truth import TruthFile, TruthLine, score_document
from simulators.world import Truth

HONEST, LIE = Truth("honest", "confirmed", ""), Truth("idle", "refuted", "never ran")


def _document(**verdicts: str) -> dict[str, Any]:
    robots = {name: {"verdict": verdict, "findings": []} for name, verdict in verdicts.items()}
    return {"verdicts": {"robots": robots, "enterprises": {}}}


@pytest.mark.parametrize(
    ("truth", "verdict", "mistakes", "surprises"),
    [
        (HONEST, "confirmed", (0, 0, 0), 0),
        (HONEST, "refuted", (0, 1, 0), 1),
        (HONEST, "unproven", (0, 0, 1), 1),
        (LIE, "confirmed", (1, 0, 0), 1),
        (LIE, "refuted", (0, 0, 0), 0),
        (LIE, "unproven", (0, 0, 0), 1),
    ],
)
def test_each_verdict_is_right_or_one_mistake(
    truth: Truth, verdict: str, mistakes: tuple[int, int, int], surprises: int
) -> None:
    found = score_truth({"robots": {"r": truth}, "enterprises": {}}, _document(r=verdict))
    assert (found.false_confirmed, found.honest_refuted, found.honest_unproven) == mistakes
    assert len(found.surprises) == surprises


def test_with_too_little_evidence_unproven_is_right_and_the_rest_stays_wrong() -> None:
    groups = {"robots": {"a": HONEST, "b": LIE, "c": LIE, "d": HONEST}, "enterprises": {}}
    document = _document(a="unproven", b="unproven", c="confirmed", d="refuted")
    found = score_truth(groups, document, frozenset("abcd"))
    assert (found.false_confirmed, found.honest_refuted, found.honest_unproven) == (1, 1, 0)
    assert len(found.surprises) == 2


def test_a_missing_and_an_unknown_subject_are_surprises() -> None:
    found = score_truth({"robots": {"a": HONEST}, "enterprises": {}}, _document(b="confirmed"))
    assert found.honest_unproven == 1
    assert sorted(found.surprises) == ["robots a (honest): no verdict", "robots b: judged but not claimed"]


def test_a_document_is_scored_by_the_truth_files_own_word_on_evidence() -> None:
    lines = {
        "a": TruthLine("honest", "confirmed", "", enough=False),
        "b": TruthLine("honest", "confirmed", "", enough=True),
    }
    found = score_document(TruthFile(lines, {}, seed=3), _document(a="unproven", b="unproven"))
    assert found["honest_unproven"] == 1
    assert found["honest_with_enough"] == {"robots": 1, "enterprises": 0}
    assert found["by_kind"] == {"robots/honest": {"unproven": 2}}
