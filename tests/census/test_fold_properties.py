"""Does the order of arrival matter, or reading twice, or more silence? From rows in files to verdicts."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from census.calendar import day_start_ms, parse_day, write_day
from census.report import to_json
from tests.census.fake_store import FakeStore, machine_row
from tests.census.test_run import GATEWAYS, outcomes, rows, take

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[tuple[str, dict[str, Any]]]


def city(directory: Path, found: Rows, files: int, rng: random.Random) -> FakeStore:
    """Put rows into a store in any order, over any number of files a day."""
    directory.mkdir()
    store = FakeStore(directory)
    for gateway in GATEWAYS:
        store.enrol(gateway)
    shuffled = list(found)
    rng.shuffle(shuffled)
    for part in range(files):
        tables: dict[str, list[dict[str, Any]]] = {}
        for measurement, row in shuffled[part::files]:
            tables.setdefault(measurement, []).append(row)
        for measurement, some in tables.items():
            store.put(measurement, some)
    return store


@pytest.fixture(scope="module")
def january_rows() -> Rows:
    return list(rows())


def test_the_fold_takes_any_order_of_arrival_and_is_idempotent(tmp_path: Path, january_rows: Rows) -> None:
    documents = []
    for number, files in enumerate((1, 3)):
        store = city(tmp_path / str(number), january_rows, files, random.Random(number))
        documents.append(to_json(take(store)))
    assert documents[0] == documents[1]
    assert to_json(take(store)) == documents[-1], "read twice, it is the same"


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))])
def test_adding_silence_never_flips_a_verdict_from_rows_to_figures(
    tmp_path: Path, january_rows: Rows, seed: int
) -> None:
    """Windows without an answer, on days that had none, and a nameless identity: not one verdict or reason changes."""
    rng = random.Random(f"silence {seed}")
    heard = {(row["gateway"], row["time_ms"]) for name, row in january_rows if name == "machine"}
    silence: Rows = []
    for gateway in GATEWAYS[:3]:
        for day in rng.sample(range(1, 32), 12):
            text = write_day(parse_day("2018-01-01") + day - 1)
            if (gateway, day_start_ms(parse_day(text))) in heard:
                continue
            hours = rng.choice([1, 2, 6])
            silence += [
                ("machine", mute(text, 4 * number, gateway=gateway, seq=200 + day)) for number in range(hours)
            ]
    before = take(city(tmp_path / "before", january_rows, 2, rng))
    after = take(city(tmp_path / "after", [*january_rows, *silence], 2, rng))
    assert silence
    assert outcomes(after) == outcomes(before)
    assert {robot: one.verdict.reason for robot, one in after.robots.items()} == {
        robot: one.verdict.reason for robot, one in before.robots.items()
    }


def mute(day: str, hour: int, **values: Any) -> dict[str, Any]:
    """A window in which a due device gave no answer."""
    silent = {
        "unknown_ms": 4 * 3_600_000,
        "readings": 0,
        "polls_ok": 0,
        "device": "arm-1",
        "state": "unknown",
        "leaf": 9,
    }
    return machine_row(day, hour, **silent | values)


def test_the_order_of_the_ledgers_rows_changes_no_figure(tmp_path: Path, january_rows: Rows) -> None:
    from census.run import judge_all

    result = take(city(tmp_path / "one", january_rows, 1, random.Random(1)))
    ledger = result.ledger
    turned = replace(
        ledger,
        robots=ledger.robots[::-1],
        enterprises=ledger.enterprises[::-1],
        bindings=ledger.bindings[::-1],
        invoices=ledger.invoices[::-1],
        registry=ledger.registry[::-1],
    )
    again = judge_all(turned, result.evidence, result.policy, result.header, [])
    assert outcomes(again) == outcomes(result)
    first, second = to_json(result)["figures"], to_json(again)["figures"]
    assert first == second
