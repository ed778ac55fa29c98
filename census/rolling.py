"""Do enough days lie close together? Days counted in a rolling window. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def has_window(days: Sequence[int], window: int, wanted: int) -> bool:
    """Tell whether some `window` successive calendar days hold `wanted` of these distinct days (sorted ordinals)."""
    if wanted < 1:
        return True
    return any(last - first < window for first, last in zip(days, days[wanted - 1 :], strict=False))
