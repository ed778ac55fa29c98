"""The storm itself: seeds without a violation, the same one twice the same, and a way to see any of them again."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from click.testing import CliRunner

from simulators import storm_cli
from simulators.storm import failure_lines, run_one, table_lines, tally_seeds
from simulators.storm_checks import Evidence, check_balance, check_counters, check_rows
from simulators.storm_faults import FAULTS, OUTAGE
from simulators.storm_run import BACKLOG_EVERY, OUTAGE_EVERY, Outcome
from simulators.storm_world import World

SEEDS = 400 if os.environ.get("MFL_ALL") else 100


@pytest.mark.kill
def test_storms_lose_nothing_and_count_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    tally = tally_seeds(range(SEEDS), processes=2)
    with capsys.disabled():
        print("\n" + "\n".join(table_lines(tally)))  # noqa: T201 - the figures are the point
    assert not [line for outcome in tally.failed for line in failure_lines(outcome, "this one")]
    assert tally.seeds == SEEDS
    assert not tally.absent
    assert tally.faults[OUTAGE] == SEEDS // OUTAGE_EVERY
    assert (tally.lost, tally.double) == (0, 0)
    assert tally.accepted > 400 * SEEDS
    assert tally.delivered <= tally.accepted <= tally.delivered + tally.declared
    assert tally.duplicates > SEEDS
    assert tally.faults["metered_drain"] == SEEDS // BACKLOG_EVERY
    assert tally.fresh > SEEDS, "too few fresh batches were looked at while a backlog drained"


def test_a_seed_is_the_same_storm_every_time() -> None:
    assert run_one(12) == run_one(12)
    assert run_one(12) != run_one(13)


@pytest.mark.parametrize("seed", [892, 3892, 4105, 4538])
def test_seeds_that_found_something_find_it_no_more(seed: int) -> None:
    """A glitch as a run's first value; a clock step after a failed sync (two); a clock that steps back before a kill."""
    assert run_one(seed).problems == []


def test_a_violation_names_seed_commit_and_the_way_back() -> None:
    outcome = Outcome(7, problems=["lost: one", "double: two"])
    text = "\n".join(failure_lines(outcome, "abc123"))
    assert "seed 7 commit abc123: 2 violations" in text
    assert "./run storm --seed 7" in text
    assert (outcome.lost, outcome.double) == (1, 1)


def test_the_verb_replays_one_seed_and_prints_the_table_last() -> None:
    result = CliRunner().invoke(storm_cli.storm, ["--seed", "3"])
    assert result.exit_code == 0, result.output
    assert "| lost | 0 |" in result.output
    assert result.output.rstrip().splitlines()[-1].startswith("| unsynced_boot |")


def test_the_verb_ends_with_one_on_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.storm.run_one", lambda seed: Outcome(seed, problems=["lost: it"]))
    result = CliRunner().invoke(storm_cli.storm, ["--seeds", "2", "--from", "5", "--processes", "1"])
    assert result.exit_code == 1
    assert "replay: ./run storm --seed 6" in result.output


def test_a_long_run_in_which_a_fault_never_happened_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = Counter((*FAULTS[1:], OUTAGE))
    monkeypatch.setattr("simulators.storm.run_one", lambda seed: Outcome(seed, faults=kinds))
    result = CliRunner().invoke(storm_cli.storm, ["--seeds", "100", "--processes", "1"])
    assert result.exit_code == 1
    assert f"never happened: {FAULTS[0]}" in result.output


@pytest.mark.parametrize("given", [["--seed", "1", "--seeds", "2"], ["--seed", "1", "--report", "x.md"]])
def test_the_verb_wants_one_thing_at_a_time(given: list[str]) -> None:
    assert CliRunner().invoke(storm_cli.storm, given).exit_code == 2


def machine(before: int, raw: int, grown: int, **more: int | str | bool) -> dict[str, int | str | bool]:
    counters = {"cycles_from": before, "cycles_raw": raw, "cycles_inc": grown}
    return {"measurement": "machine", "device": "r1", "late": False, "readings": 1, **counters, **more}


def world(*shown: int) -> World:
    import random

    made = World(random.Random(0))
    made.acked_r1.extend(shown)
    return made


@pytest.mark.parametrize(
    ("rows", "shown", "problem"),
    [
        ([machine(10, 20, 10), machine(20, 30, 10)], (10, 20, 30), ""),
        ([machine(10, 20, 10), machine(25, 30, 5)], (20, 25), ""),
        ([machine(10, 20, 9)], (), "counted 9"),
        ([machine(10, 20, 10), machine(15, 30, 15)], (), "double"),
        ([machine(10, 20, 10), machine(25, 30, 5)], (22,), "lost: r1 showed 22"),
        ([machine(10, 20, 10)], (21,), "lost: r1 showed 21"),
        ([machine(0, 50, 20, cycles_unexplained=1)], (30, 50), ""),
        ([machine(0, 50, 20, cycles_unexplained=1, cycles_odd=7)], (25, 30, 50), ""),
        ([machine(5, 9, 999, device="r2")], (), "r2 made 0"),
    ],
)
def test_the_counters_are_checked_on_their_true_scale(
    rows: list[dict[str, int | str | bool]], shown: tuple[int, ...], problem: str
) -> None:
    found = list(check_counters(Evidence(rows=list(rows)), world(*shown), may_lose=False))
    assert [problem in text for text in found] == ([True] if problem else [])


def test_a_window_that_does_not_add_up_is_seen() -> None:
    states = dict.fromkeys(("ready_ms", "paused_ms", "fault_ms", "off_ms", "unknown_ms"), 0)
    row = {**machine(1, 2, 1), **states, "time_ms": 0, "window_ms": 60_000}
    assert not list(check_rows(Evidence(rows=[{**row, "running_ms": 60_000}])))
    assert list(check_rows(Evidence(rows=[{**row, "running_ms": 59_999}])))


def test_an_acknowledged_reading_that_is_nowhere_is_seen() -> None:
    from gateway.account import Account

    truth = world()
    truth.said["r1"] = truth.acked["r1"] = 2
    account = Account(1, 0, 0, 1, 0, 0, 0)
    found = list(check_balance(Evidence(rows=[machine(1, 2, 1)]), account, truth, may_lose=False))
    assert found == ["lost: r1 had 2 acknowledged, 1 stored, 0 declared"]
