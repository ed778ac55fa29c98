"""What did a device do in each window of a day, as columns? gateway/window.py's fold, for one run's samples at once.

A test compares every column with the plain fold's, window by window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.window import GOOD_SHARE
from simulators.rows.spoken import NULL
from simulators.rows.steps import CODE, STATES
from simulators.rows.tracks import follow
from telemetry.metrics import METRICS
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from simulators.rows.draws import Whole
    from simulators.rows.spoken import Mask
    from simulators.rows.tracks import Followed
    from telemetry.counter import CounterTrack

UNKNOWN = CODE[MachineState.UNKNOWN]
RUNNING = CODE[MachineState.RUNNING]
QUALITIES = ("good", "uncertain", "bad")
"""A quality's number is its place here."""
Columns = dict[str, "Whole"]
"""Column → whole numbers, NULL for none; `state` and `quality` as numbers."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one device in the order in which they are folded; what a bad one says is not looked at."""

    at_ms: Whole
    is_good: Mask
    state: Whole
    counters: dict[str, Whole]
    gauges: dict[str, Whole]

    def chosen(self, which: Whole | Mask) -> Samples:
        """Give some of the samples, in the order given."""
        return Samples(
            self.at_ms[which],
            self.is_good[which],
            self.state[which],
            {name: values[which] for name, values in self.counters.items()},
            {name: values[which] for name, values in self.gauges.items()},
        )


@dataclass(slots=True)
class Run:
    """What one run of a gateway carries from window to window of a device; `open_ms` is where the open window starts."""

    open_ms: int
    tracks: dict[str, CounterTrack]
    last_good_ms: int | None = None
    last_state: int = UNKNOWN

    def fold(self, samples: Samples, edges: Whole, poll_ms: int) -> Columns:
        """Fold samples into the windows between `edges` (the first is `open_ms`), all of which are over at the last edge.

        No two polls of a run lie more than a window apart, or the run's silence is told as unknown.
        """
        windows = np.searchsorted(edges, samples.at_ms, "right") - 1
        good = np.flatnonzero(samples.is_good)
        heard = _Heard(self, samples, windows, good)
        columns = _polls(edges, windows, samples.is_good, poll_ms)
        columns |= heard.times(edges, poll_ms) | heard.changes(len(edges) - 1)
        last = {name: track.last for name, track in self.tracks.items()}
        counters = {name: samples.counters[name][good] for name in self.tracks}
        for name, followed in follow(self.tracks, counters, heard.at_ms).items():
            columns |= _counter(name, followed, last[name], heard.windows, len(edges) - 1)
        for name, values in samples.gauges.items():
            columns |= _gauge(name, values[good], heard.windows, len(edges) - 1)
        if len(good):
            self.last_good_ms, self.last_state = int(heard.at_ms[-1]), int(heard.state[-1])
        self.open_ms = int(edges[-1])
        return columns


class _Heard:
    """A run's good samples, each beside the one before."""

    def __init__(self, run: Run, samples: Samples, windows: Whole, good: Whole) -> None:
        before_ms = NULL if run.last_good_ms is None else run.last_good_ms
        # A sample from before the last one counts at the last one's time, as in the plain fold.
        told_ms = samples.at_ms[good]
        times = np.maximum.accumulate(np.concatenate([[before_ms], told_ms]))
        self.told_ms, self.at_ms, self.before_ms = told_ms, times[1:], times[:-1]
        self.state = samples.state[good]
        self.before_state = np.concatenate([[run.last_state], self.state])[:-1]
        self.windows = windows[good]
        # The window that was open when it came: that of whatever sample came before it, good or bad.
        self.open = np.concatenate([[0], windows])[good]

    def times(self, edges: Whole, poll_ms: int) -> Columns:
        """Give the time in each state; what lies between two good samples too far apart is unknown."""
        count, windows = len(edges) - 1, self.windows
        counts = (self.before_ms != NULL) & (self.before_state != UNKNOWN)
        counts &= self.told_ms - np.where(counts, self.before_ms, 0) <= 2 * poll_ms
        start = edges[windows]
        own_ms = np.where(counts, np.maximum(0, self.told_ms - np.maximum(self.before_ms, start)), 0)
        # The window before, when this sample closes it: then its end is known to be in that state, too.
        closes = counts & (self.before_ms < start) & (windows > 0) & (self.open < windows)
        earlier = np.maximum(windows - 1, 0)
        closed_ms = np.where(closes, start - np.maximum(self.before_ms, edges[earlier]), 0)
        spent = np.zeros((len(STATES), count), np.int64)
        np.add.at(spent, (self.before_state, windows), own_ms)
        np.add.at(spent, (self.before_state, earlier), closed_ms)
        columns = {f"{state}_ms": spent[number] for number, state in enumerate(STATES) if number != UNKNOWN}
        window_ms = np.diff(edges)
        known_ms = np.sum(list(columns.values()), axis=0)
        return columns | {"window_ms": window_ms, "unknown_ms": window_ms - known_ms}

    def changes(self, count: int) -> Columns:
        """Give the state last heard in each window, and how often it changed."""
        state = np.full(count, UNKNOWN)
        state[self.windows] = self.state
        known = (self.before_state != UNKNOWN) & (self.state != UNKNOWN)
        changed = known & (self.state != self.before_state)
        started = changed & (self.state == RUNNING)
        return {
            "state": state,
            "changes": np.bincount(self.windows[changed], minlength=count),
            "starts": np.bincount(self.windows[started], minlength=count),
            "boots": np.zeros(count, np.int64),
        }


def _polls(edges: Whole, windows: Whole, is_good: Mask, poll_ms: int) -> Columns:
    """Give how many polls were due and how many were answered."""
    count = len(edges) - 1
    readings = np.bincount(windows, minlength=count)
    bad = np.bincount(windows[~is_good], minlength=count)
    due, heard = np.diff(edges // poll_ms), readings - bad
    quality = np.where(heard == 0, 2, np.where(heard >= GOOD_SHARE * due, 0, 1))
    return {
        "readings": readings,
        "bad": bad,
        "polls_due": due,
        "polls_ok": heard,
        "quality": quality,
        "late": np.zeros(count, np.int64),
    }


def _counter(name: str, followed: Followed, last: int | None, windows: Whole, count: int) -> Columns:
    """Give a counter's columns: where each window found and left it, and what it grew by in between."""
    raw = np.full(count, NULL)
    raw[windows] = followed.after
    before = NULL if last is None else last
    # What a window does not hear of is what the one before left; before the first value there is none.
    held = np.maximum.accumulate(np.where(raw == NULL, -1, np.arange(count)))
    raw = np.where(held >= 0, raw[np.maximum(held, 0)], before)
    start = np.concatenate([[before], raw[:-1]])
    first = np.flatnonzero(followed.after != NULL)[:1]
    if before == NULL and len(first):
        start[windows[first]] = followed.after[first]
    step_max = np.zeros(count, np.int64)
    np.maximum.at(step_max, windows, followed.increase)
    step_ms = np.zeros(count, np.int64)
    largest = np.flatnonzero((followed.increase > 0) & (followed.increase == step_max[windows]))[::-1]
    step_ms[windows[largest]] = followed.elapsed_ms[largest]
    grown = np.zeros(count, np.int64)
    np.add.at(grown, windows, followed.increase)
    there = raw != NULL
    columns = {"from": start, "raw": raw, "inc": grown, "step_max": step_max, "step_ms": step_ms}
    found = {f"{name}_{part}": np.where(there, values, NULL) for part, values in columns.items()}
    for event, places in followed.events.items():
        times = np.bincount(windows[places], minlength=count)
        found[f"{name}_{event}"] = np.where(times > 0, times, NULL)
    return found


def _gauge(name: str, values: Whole, windows: Whole, count: int) -> Columns:
    """Give a gauge's columns; a window without a value has none."""
    told = values != NULL
    if not told.all():
        values, windows = values[told], windows[told]
    parts = ("n", "sum", "min", "max") + (("sq",) if METRICS[name].squared else ())
    found = {f"{name}_{part}": np.full(count, NULL) for part in parts}
    if not len(values):
        return found
    starts = np.flatnonzero(np.diff(windows, prepend=-1))
    places = windows[starts]
    found[f"{name}_n"][places] = np.diff(starts, append=len(values))
    found[f"{name}_sum"][places] = np.add.reduceat(values, starts)
    found[f"{name}_min"][places] = np.minimum.reduceat(values, starts)
    found[f"{name}_max"][places] = np.maximum.reduceat(values, starts)
    if METRICS[name].squared:
        found[f"{name}_sq"][places] = np.add.reduceat(values * values, starts)
    return found
