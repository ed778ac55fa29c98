"""By how much did counters grow from reading to reading? Told for a day's readings at once.

Plain steps are differences of neighbours. Where any counter of a reading falls or leaps, the gateway's own judgement
(telemetry/counter.py) is asked, reading by reading, until all counters follow plainly again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.rows.spoken import NULL
from telemetry.counter import SLACK_MS, StepKind, step_counters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulators.rows.draws import Whole
    from telemetry.counter import CounterRule, CounterTrack

EVENTS = {
    StepKind.DECLARED: "resets",
    StepKind.ROLLOVER: "rollovers",
    StepKind.UNEXPLAINED: "unexplained",
    StepKind.ODD: "odd",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """One counter at each reading: the last accepted value (NULL before the first), its increase and since when.

    `events` is what else happened: event → readings.
    """

    after: Whole
    increase: Whole
    elapsed_ms: Whole
    events: dict[str, list[int]]


def follow(tracks: dict[str, CounterTrack], values: dict[str, Whole], at_ms: Whole) -> dict[str, Followed]:
    """Follow counters through readings in their order, moving their tracks on; `values` has all counters of the tracks."""
    following = _Following(tracks, values, at_ms)
    if tracks and len(at_ms):
        following.all()
    return following.found


class _Following:
    """Counters on their way through readings."""

    def __init__(self, tracks: dict[str, CounterTrack], values: dict[str, Whole], at_ms: Whole) -> None:
        self._tracks, self._values, self._at_ms = tracks, values, at_ms
        self._elapsed = np.diff(at_ms)
        self._steps = {name: np.diff(values[name]) for name in tracks}
        count = len(at_ms)
        self.found = {
            name: Followed(np.full(count, NULL), np.zeros(count, np.int64), np.zeros(count, np.int64), {})
            for name in tracks
        }

    def all(self) -> None:
        """Go from one reading that is not plain to the next, and take what lies between at once."""
        count = len(self._at_ms)
        odd_at = np.flatnonzero(~self._plain()) + 1
        place = 0
        while place < count:
            self._judge(place)
            start = place + 1
            if self._is_clean(place):
                behind = int(np.searchsorted(odd_at, start))
                place = int(odd_at[behind]) if behind < len(odd_at) else count
                self._take(start, place)
            else:
                place = start

    def _plain(self) -> NDArray[np.bool_]:
        """Tell of each reading but the first whether all its counters grew from the one before by what is possible."""
        plain = np.ones(len(self._elapsed), bool)
        for name, track in self._tracks.items():
            told, steps = self._values[name] != NULL, self._steps[name]
            plain &= (steps >= 0) & (steps <= _possible(track.rule, self._elapsed)) & told[1:] & told[:-1]
        return plain

    def _judge(self, place: int) -> None:
        """Ask the gateway's own judgement on one reading."""
        tracks = self._tracks
        told = {name: value for name in tracks if (value := int(self._values[name][place])) != NULL}
        for name, step in step_counters(tracks, told, int(self._at_ms[place])).items():
            event = EVENTS.get(step.kind)
            if step.kind is not StepKind.FIRST:
                self.found[name].increase[place] = step.increase
                self.found[name].elapsed_ms[place] = step.elapsed_ms
            if event is not None:
                self.found[name].events.setdefault(event, []).append(place)
        for name, track in tracks.items():
            self.found[name].after[place] = NULL if track.last is None else track.last

    def _is_clean(self, place: int) -> bool:
        """Tell whether every counter stands at this reading, with nothing set aside."""
        at_ms = int(self._at_ms[place])
        return all(
            track.last == self._values[name][place] and track.last_ms == at_ms and not track.aside
            for name, track in self._tracks.items()
        )

    def _take(self, start: int, stop: int) -> None:
        """Take plain readings."""
        if start >= stop:
            return
        part, between = slice(start, stop), slice(start - 1, stop - 1)
        for name, track in self._tracks.items():
            mine = self.found[name]
            mine.after[part] = self._values[name][part]
            mine.increase[part] = self._steps[name][between]
            mine.elapsed_ms[part] = self._elapsed[between]
            track.last, track.last_ms = int(self._values[name][stop - 1]), int(self._at_ms[stop - 1])


def _possible(rule: CounterRule, elapsed: Whole) -> Whole:
    """Give what `CounterRule.possible` gives, for many times."""
    return rule.rate_max_per_min * (np.maximum(elapsed, 0) + SLACK_MS) // 60_000 + 1
