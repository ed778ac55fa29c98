"""Does the page of the last night say by which command, when and on which commit, and that nothing was lost or twice?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_it_names_command_day_and_commit(text: str) -> None:
    assert re.search(r"^\./run storm --nights [0-9.]+( --from [0-9]+)? --report FILE$", text, re.MULTILINE)
    assert re.search(
        r"^Date 20[0-9]{2}-[0-9]{2}-[0-9]{2} \(UTC\), commit `[0-9a-f]{12}(-dirty)?`", text, re.MULTILINE
    )


def test_nothing_was_lost_or_twice_in_any_kind_of_trial(text: str) -> None:
    rows = re.findall(r"^\| (power cuts|SIGKILLs|seeds) \| ([0-9,]+) \| (.*) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["power cuts", "SIGKILLs", "seeds"]
    for name, number, rest in rows:
        cells = rest.split(" | ")
        assert int(number.replace(",", "")) > 0, name
        assert (cells[0], *cells[-2:]) == ("0", "0", "0"), f"{name}: violations, lost, double: {cells}"
    assert "| lost | 0 |" in text
    assert "| double | 0 |" in text
    assert "## Violations" not in text
