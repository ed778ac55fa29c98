"""Which samples came too late for their window, and what rows do they make? As gateway/window.py keeps late readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulators.rows.fold import UNKNOWN, Samples
from simulators.rows.spoken import NULL
from simulators.rows.steps import STATES
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from simulators.rows.fold import Columns
    from simulators.rows.spoken import Mask

_KNOWN_MS = tuple(f"{state}_ms" for state in STATES if state is not MachineState.UNKNOWN)
_UNCERTAIN = 1


@dataclass(slots=True)
class LateRows:
    """The messages of a day that the network holds back for `hold_ms`; `waiting` are those that a run did not see."""

    window_ms: int
    hold_ms: int
    waiting: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    _windows: dict[int, list[dict[str, int]]] = field(default_factory=dict)

    def wait(self, samples: Samples, held: Mask) -> None:
        """Take in held messages."""
        for place in np.flatnonzero(held).tolist():
            counters = {
                name: value
                for name, values in samples.counters.items()
                if (value := int(values[place])) != NULL
            }
            self.waiting.append((int(samples.at_ms[place]), counters))

    def sorted_out(self, samples: Samples, held: Mask, open_ms: int, release_ms: int | None) -> Samples:
        """Give a run's samples in the order in which they are folded, without those that came after their window.

        A message comes in behind the first sample that is heard when its time is over, or at the run's end: there all
        of them, or with `release_ms` those whose time is over by then.
        """
        carried = len(self.waiting)
        on_time = np.flatnonzero(~held)
        times = samples.at_ms[on_time]
        order: list[tuple[float, int]] = [(float(place), int(index)) for place, index in enumerate(on_time)]
        self.wait(samples, held)
        indices = [-1] * carried + np.flatnonzero(held).tolist()
        messages, self.waiting = self.waiting, []
        open_start = open_ms
        for (at_ms, counters), index in zip(messages, indices, strict=True):
            behind = int(np.searchsorted(times, at_ms + self.hold_ms))
            is_last = behind == len(times)
            if is_last and release_ms is not None and at_ms + self.hold_ms > release_ms:
                self.waiting.append((at_ms, counters))
                continue
            place = len(times) - 1 if is_last else behind
            if place >= 0:
                open_start = max(open_start, int(times[place]) // self.window_ms * self.window_ms)
            if at_ms < open_start or index < 0:
                self._windows.setdefault(at_ms // self.window_ms * self.window_ms, []).append(counters)
            else:
                open_start = max(open_start, at_ms // self.window_ms * self.window_ms)
                order.append((place + 0.5, index))
        return samples.chosen(np.array([index for _, index in sorted(order)], dtype=np.int64))

    def columns(self) -> Columns | None:
        """Give the rows of what came late so far, and forget it; None when nothing did."""
        windows, self._windows = dict(sorted(self._windows.items())), {}
        if not windows:
            return None
        count = len(windows)
        columns: Columns = {
            name: np.zeros(count, np.int64) for name in (*_KNOWN_MS, "bad", "polls_due", "polls_ok")
        }
        columns |= {name: np.full(count, self.window_ms) for name in ("window_ms", "unknown_ms")}
        columns |= {
            "time_ms": np.array(list(windows)),
            "readings": np.array([len(told) for told in windows.values()]),
            "state": np.full(count, UNKNOWN),
            "quality": np.full(count, _UNCERTAIN),
            "late": np.ones(count, np.int64),
        }
        for place, told in enumerate(windows.values()):
            for name in dict.fromkeys(name for counters in told for name in counters):
                values = [counters[name] for counters in told if name in counters]
                for part, value in (("from", values[0]), ("raw", values[-1])):
                    columns.setdefault(f"{name}_{part}", np.full(count, NULL))[place] = value
        return columns
