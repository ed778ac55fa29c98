"""A city whose data end with Spring Festival: a robot that came shortly before and rested with everybody is no idler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from census.city import city_census
from census.report import to_json
from simulators.build import build_world
from simulators.city import write_city
from simulators.past import LocalMaker
from simulators.specs import city_spec
from simulators.truth import read_truth, score_document

if TYPE_CHECKING:
    from pathlib import Path

FESTIVAL_ENDS = 60


@pytest.mark.long
def test_a_holiday_convicts_nobody(tmp_path: Path) -> None:
    world = build_world(city_spec(2018, days=FESTIVAL_ENDS))
    write_city(world, tmp_path / "city", [LocalMaker(world)], lambda _day, _rows: None)
    found = score_document(read_truth(tmp_path / "city"), to_json(city_census(tmp_path / "city")))
    assert found["false_confirmed"] == 0
    assert found["honest_refuted"] == 0, found["surprises"]
