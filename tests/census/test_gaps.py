"""Is a batch that was sealed and never received seen, and does no claim stand on its absence?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import DAY_MS, day_start_ms, parse_day
from census.engine import Scope, gather_evidence
from census.enterprise_evidence import EnterpriseEvidence, merge_claims
from census.evidence import Epoch
from census.gaps import Gap, awaited, gap_problems, judge_gaps, tell_gaps
from census.rules.new_in_period import new_in_period
from census.rules.unbroken_chain import unbroken_chain
from tests.census.samples import claim, listing, robot_evidence, usage
from tests.census.test_chain import batch

if TYPE_CHECKING:
    from census.policy import Policy
    from tests.census.fake_store import FakeStore

EPOCH = "e" * 32
GAP = Gap(EPOCH, 2, 4, 100, 500)
SCOPE = Scope(1000, day_start_ms(parse_day("2018-02-01")), {"gw1": [(0, 2**53)]})


def numbers(store: FakeStore, batches: list[dict[str, Any]], scope: Scope = SCOPE) -> list[tuple[int, int]]:
    store.put("batch", batches)
    evidence = gather_evidence(store, scope)
    return [(gap.first_seq, gap.last_seq) for gap in evidence.gaps.get("gw1", ())]


@pytest.mark.parametrize("chunk_rows", [0, 10**9])
@pytest.mark.parametrize(
    ("seqs", "missing"),
    [
        ((1, 2, 3, 4, 5), []),
        ((2, 3), [(1, 1)]),
        ((1, 4, 5, 6, 9), [(2, 3), (7, 8)]),
        ((7, 3, 1, 2, 6), [(4, 5)]),
    ],
)
def test_every_number_that_others_stand_behind_is_missed(
    store: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    chunk_rows: int,
    seqs: tuple[int, ...],
    missing: list[Any],
) -> None:
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", chunk_rows)
    assert numbers(store, [batch(seq) for seq in seqs]) == missing


@pytest.mark.parametrize("chunk_rows", [0, 10**9])
def test_numbers_whose_seals_are_not_in_order_are_not_missed(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
) -> None:
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", chunk_rows)
    batches = [batch(seq) for seq in (1, 2, 3, 4, 5)]
    batches[2]["sealed_ms"] = batches[0]["sealed_ms"] - DAY_MS
    assert numbers(store, batches) == []


def test_a_batch_that_comes_later_fills_its_gap_from_its_leaf_on(store: FakeStore) -> None:
    batches = [batch(1), batch(2, leaf=50), batch(3)]
    assert numbers(store, batches, replace(SCOPE, log_size=50)) == [(2, 2)]
    assert numbers(store, [], replace(SCOPE, log_size=51)) == []


def test_chains_are_told_apart_and_a_last_batch_is_awaited_by_nobody(store: FakeStore) -> None:
    assert numbers(store, [batch(1), batch(2), batch(1, epoch="d" * 32), batch(3, epoch="d" * 32)]) == [
        (2, 2)
    ]


def test_a_gap_is_told_with_gateway_epoch_and_numbers(store: FakeStore) -> None:
    store.put("batch", [batch(seq) for seq in (1, 4, 6)])
    (problem,) = gather_evidence(store, SCOPE).problems
    assert problem.startswith(f"gateway gw1: 3 batches of epoch {EPOCH} are missing (2-3, 5); claims")
    assert problem.endswith(f"mfl store explain-epoch gw1 {EPOCH}")


def test_many_gaps_are_one_line() -> None:
    gaps = {"gw1": tuple(Gap(EPOCH, number, number, 1, 2) for number in range(2, 200, 2))}
    (problem,) = gap_problems(gaps)
    assert "99 batches" in problem
    assert "(2, 4, 6 and 96 more gaps)" in problem


def test_a_persons_word_on_the_epoch_lets_its_gaps_stand(store: FakeStore) -> None:
    store.put("batch", [batch(1), batch(3)])
    evidence = gather_evidence(store, replace(SCOPE, explained=frozenset({("gw1", EPOCH)})))
    assert [gap.is_explained for gap in evidence.gaps["gw1"]] == [True]
    assert "somebody has answered" in evidence.problems[0]
    assert awaited(evidence.gaps, [("gw1", 2**53)], 2**53) == ()


def test_judged_gaps_know_whose_epoch_was_explained() -> None:
    rows = [("b", EPOCH, 1, 2, None, 9), ("a", EPOCH, 3, 3, 5, 9)]
    judged = judge_gaps(rows, {"a": (Epoch(EPOCH, 1, 1, is_explained=True),)})
    assert judged == {"a": (Gap(EPOCH, 3, 3, 5, 9, is_explained=True),), "b": (Gap(EPOCH, 1, 2, None, 9),)}


@pytest.mark.parametrize(
    ("after_ms", "until_ms", "end_ms", "waits"),
    [(100, 101, 101, True), (100, 100, 101, False), (100, 101, 100, False), (None, 1, 1, True)],
    ids=["inside", "after the binding", "after the period", "from the first"],
)
def test_a_gap_behind_the_binding_or_the_period_is_not_awaited(
    after_ms: int | None, until_ms: int, end_ms: int, waits: bool
) -> None:
    gaps = {"gw1": (replace(GAP, after_ms=after_ms),), "gw2": (GAP,)}
    assert bool(awaited(gaps, [("gw1", until_ms), ("gw1", until_ms)], end_ms)) == waits


def test_a_robots_chain_is_silent_while_batches_are_awaited(policy: Policy) -> None:
    found = unbroken_chain(claim(), robot_evidence(gaps=(("gw1", GAP),)), policy)
    assert (found.answer, found.review) == ("silent", True)
    assert "batches 2-4 of epoch" in found.en
    assert "第 2-4 号批次" in found.zh
    assert "and 1 more gaps" in tell_gaps([("gw1", GAP), ("gw1", GAP)])[1]
    assert unbroken_chain(claim(), robot_evidence(), policy).answer == "supports"


def test_an_enterprise_is_not_new_while_its_providers_batches_are_awaited(policy: Policy) -> None:
    (one,) = merge_claims((listing(),))
    evidence = EnterpriseEvidence(usage=(usage(),))
    assert new_in_period(one, evidence, policy).answer == "supports"
    found = new_in_period(one, evidence._replace(gaps=(("rep", GAP),)), policy)
    assert (found.answer, found.review) == ("silent", True)
    early = usage([policy.period.first_day - 3, policy.period.first_day + 2])
    told = EnterpriseEvidence(usage=(early,), gaps=(("rep", GAP),))
    assert new_in_period(one, told, policy).answer == "contradicts"
