from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storm.planted_pace import PLANTS
from tests.storm.test_planted_bugs import WITHIN, search

if TYPE_CHECKING:
    from tests.storm.planted_bugs import Plant


@pytest.mark.kill
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_bug_of_pace_is_found_as_one(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search(plant, monkeypatch)
    assert found is not None, f"{plant.name} outlived {WITHIN} storms"
    seed, problems = found
    assert any(problem.startswith("pace: ") for problem in problems), (seed, problems)
