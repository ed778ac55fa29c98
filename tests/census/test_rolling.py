"""Days lie close enough together exactly when some window of calendar days holds as many as wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.rolling import has_window


@given(st.sets(st.integers(0, 60)), st.integers(1, 20), st.integers(0, 12))
def test_it_agrees_with_counting_in_every_window(days: set[int], window: int, wanted: int) -> None:
    counted = max((len(days & set(range(start, start + window))) for start in range(-20, 61)), default=0)
    assert has_window(sorted(days), window, wanted) == (counted >= wanted)


@pytest.mark.parametrize(
    ("days", "wanted", "expected"),
    [([1, 5, 14], 3, True), ([1, 5, 15], 3, False), ([], 1, False), ([7], 1, True)],
)
def test_a_window_of_fourteen_days(days: list[int], wanted: int, *, expected: bool) -> None:
    assert has_window(days, 14, wanted) is expected
