"""How many days lie in the best window? Counting days in a rolling window. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def most_in_window(days: Sequence[int], window: int) -> int:
    """Count the most distinct days (sorted ordinals) that any `window` successive calendar days hold."""
    best = start = 0
    for end, day in enumerate(days):
        while days[start] <= day - window:
            start += 1
        if end - start >= best:
            best = end - start + 1
    return best
