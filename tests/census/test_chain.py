"""Do broken links silence exactly their own batch's rows? Within a day, across days, and where an end is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import day_start_ms, parse_day
from census.engine import Scope, gather_evidence
from tests.census.fake_store import FakeStore, machine_day

if TYPE_CHECKING:
    from census.evidence import Evidence

DAY = 1_514_736_000_000


def batch(seq: int, **values: Any) -> dict[str, Any]:
    """The batch of January's day `seq`, properly linked."""
    sealed = DAY + (seq - 1) * 86_400_000 + 80_000_000
    return {
        "gateway": "gw1", "epoch": "e" * 32, "seq": seq, "leaf": seq, "count": 6,
        "prev": "0" * 64 if seq == 1 else f"{seq - 1:064d}", "hash": f"{seq:064d}", "sealed_ms": sealed,
        "received_ms": sealed, "clock_state": "synced", "boot": "b", "mono_ms": 1,
    } | values  # fmt: skip


def heard(store: FakeStore, batches: list[dict[str, Any]]) -> tuple[Evidence, list[int]]:
    store.enrol("gw1")
    store.put("batch", batches)
    for number in (1, 2, 3, 4):
        store.put("machine", machine_day(f"2018-01-0{number}", seq=number, leaf=number))
    scope = Scope(1000, day_start_ms(parse_day("2018-02-01")), {"gw1": [(0, 2**53)]})
    evidence = gather_evidence(store, scope)
    first = parse_day("2018-01-01")
    return evidence, [day.day - first + 1 for day in evidence.device_days.get(("gw1", "r1"), ())]


def test_whole_chains_bear_witness(store: FakeStore) -> None:
    evidence, days = heard(store, [batch(seq) for seq in (1, 2, 3, 4)])
    assert days == [1, 2, 3, 4]
    assert evidence.problems == ()
    assert [(day.batches, day.broken) for day in evidence.gateway_days["gw1"]] == [(1, 0)] * 4


@pytest.mark.parametrize("chunk_rows", [0, 10**9])
@pytest.mark.parametrize("same_day", [True, False])
def test_a_wrong_prev_silences_its_own_batch(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch, same_day: bool, chunk_rows: int
) -> None:
    monkeypatch.setattr("census.duck_engine.CHUNK_ROWS", chunk_rows)
    batches = [batch(seq) for seq in (1, 2, 3, 4)]
    batches[2]["prev"] = "f" * 64
    if same_day:
        for one in batches:
            one["sealed_ms"] = batches[0]["sealed_ms"] + one["seq"]
    evidence, days = heard(store, batches)
    assert days == [1, 2, 4]
    assert sum(day.broken for day in evidence.gateway_days["gw1"]) == 1
    assert sum(day.batches for day in evidence.gateway_days["gw1"]) == 3
    assert evidence.problems == (
        "gateway gw1: 1 batches do not name their predecessor's hash; their rows bear no witness",
    )


def test_a_link_is_judged_only_when_both_ends_are_here(store: FakeStore) -> None:
    _, days = heard(store, [batch(1), batch(3, prev="f" * 64), batch(4)])
    assert days == [1, 2, 3, 4]


def test_a_first_batch_that_names_a_predecessor_is_broken(store: FakeStore) -> None:
    _, days = heard(store, [batch(1, prev="f" * 64), batch(2), batch(3), batch(4)])
    assert days == [2, 3, 4]


def test_chains_of_different_epochs_are_not_compared(store: FakeStore) -> None:
    _, days = heard(store, [batch(1), batch(2, epoch="d" * 32, prev="f" * 64), batch(3), batch(4)])
    assert days == [1, 2, 3, 4]


def test_batches_of_a_clock_never_synchronised_bear_no_witness(store: FakeStore) -> None:
    evidence, days = heard(store, [batch(1), batch(2, clock_state="unsynced"), batch(3), batch(4)])
    assert days == [1, 3, 4]
    assert "unsynchronised clock" in evidence.problems[0]
