"""Cities with known truth: no lie is confirmed, no honest subject refuted, and each lie is seen by the rule meant for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulators.kinds import ENTERPRISE_KINDS, ROBOT_KINDS
from simulators.specs import LIVE_KINDS

if TYPE_CHECKING:
    from tests.cities.conftest import Judged

HONEST_SHARE = 0.99
GROUPS = {"robots": ROBOT_KINDS, "enterprises": ENTERPRISE_KINDS}
LIES = [
    pytest.param(group, kind, id=kind)
    for group, kinds in GROUPS.items()
    for kind, about in kinds.items()
    if about.expected != "confirmed" and kind not in LIVE_KINDS
]


def test_no_dishonest_claim_is_confirmed(cities: list[Judged]) -> None:
    wrong = {
        city.seed: [text for text in city.score["surprises"] if ": confirmed, not" in text] for city in cities
    }
    assert {
        seed: city.score["false_confirmed"] for seed, city in zip(wrong, cities, strict=True)
    } == dict.fromkeys(wrong, 0), wrong


def test_no_honest_subject_is_refuted(cities: list[Judged]) -> None:
    wrong = {
        city.seed: [text for text in city.score["surprises"] if ": refuted, not" in text] for city in cities
    }
    assert all(city.score["honest_refuted"] == 0 for city in cities), wrong


@pytest.mark.parametrize("group", list(GROUPS))
def test_nearly_every_honest_subject_with_enough_evidence_is_confirmed(
    group: str, cities: list[Judged]
) -> None:
    kinds = [kind for kind, about in GROUPS[group].items() if about.expected == "confirmed"]
    verdicts = [
        verdict["verdict"]
        for city in cities
        for kind in kinds
        for verdict in city.verdicts(group, kind).values()
    ]
    least = 60 * len(cities) if group == "robots" else 300 * len(cities)
    assert len(verdicts) >= least
    surprises = [text for city in cities for text in city.score["surprises"] if "not confirmed" in text]
    assert verdicts.count("confirmed") >= HONEST_SHARE * len(verdicts), surprises


@pytest.mark.parametrize(("group", "kind"), LIES)
def test_a_lie_is_seen_by_the_rule_meant_for_it(group: str, kind: str, cities: list[Judged]) -> None:
    """Every subject of the kind, in every city; one that has shown too little may stay unproven."""
    about = GROUPS[group][kind]
    told = [
        (city.seed, subject, verdict)
        for city in cities
        for subject, verdict in city.verdicts(group, kind, enough=about.expected == "refuted").items()
    ]
    assert len(told) >= len(cities), "too few subjects of this kind have shown enough to tell"
    wrong_answer = "contradicts" if about.expected == "refuted" else "silent"
    for seed, subject, verdict in told:
        answers = {finding["rule"]: finding["answer"] for finding in verdict["findings"]}
        assert verdict["verdict"] == about.expected, (seed, subject, answers)
        assert wrong_answer in {answers.get(rule) for rule in about.rules}, (seed, subject, answers)


def test_of_two_claims_that_no_order_parts_a_person_looks_at_both(cities: list[Judged]) -> None:
    for city in cities:
        pairs = [
            subject for kind in ("relabelled", "two_enterprises") for subject in city.verdicts("robots", kind)
        ]
        assert len(pairs) >= 2
        assert city.document["figures"]["robots_new"]["review"] >= len(pairs), city.seed


def test_a_city_has_faults_that_the_honest_survive(cities: list[Judged]) -> None:
    """The cities are not too easy: clocks, chains and gateways fail in each, and some honest robots show too little."""
    for city in cities:
        problems = "\n".join(city.document["problems"])
        assert "unsynchronised clock" in problems
        assert "not enrolled, or revoked" in problems
        assert any(line.kind == "honest" and not line.enough for line in city.truth.robots.values())
