"""What time is it? A clock as a value, so that demo and storm bring their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ClockState(StrEnum):
    """Whether the wall clock has been synchronised since boot."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time (UTC, ms since 1970) and monotonic time (ms since an arbitrary start, never backwards).

    `boot` names the stretch during which monotonic time is comparable.
    """

    wall_ms: Callable[[], int]
    mono_ms: Callable[[], int]
    boot: str
    state: Callable[[], ClockState] = lambda: ClockState.SYNCED
