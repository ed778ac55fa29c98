"""Is the storm any good? Mistakes planted into production code, one at a time, are found within 200 seeds."""

from __future__ import annotations

import os
from itertools import chain

import pytest

from simulators.storm import run_one
from tests.storm.planted_bugs import PLANTS, Plant

WITHIN = 200
"""Seeds within which every mistake must be found (issue 4)."""


def search(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]] | None:
    """Try the seed that is known to find it, then all from 0 on: production code that changes moves the seed."""
    first = () if os.environ.get("MFL_ALL") else (plant.seed,)
    with monkeypatch.context() as patch:
        plant.apply(patch)
        for seed in chain(first, range(WITHIN)):
            outcome = run_one(seed)
            if outcome.problems:
                return seed, outcome.problems
    return None


@pytest.mark.kill
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(plant, monkeypatch)
    assert found is not None, f"{plant.name} outlived {WITHIN} storms"


def test_there_are_ten_and_each_is_another() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS) >= 10
