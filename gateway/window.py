"""What did a device do in a window? Samples folded into one row a device and window. Pure.

Windows lie on the UTC grid and are half-open. Time between two good samples counts for the first one's state if it is
no longer than twice the poll interval; the rest of the window is `unknown_ms`. A silent device still gets its row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.counter import CounterRule, CounterTrack, Step, StepKind, step_counters
from telemetry.line import INT64_MAX, FieldValue, Row
from telemetry.metrics import METRICS
from telemetry.reading import MachineState, Quality

if TYPE_CHECKING:
    from telemetry.profile import Profile
    from telemetry.reading import Sample

LATE_WINDOWS_MAX = 1024
"""Past windows kept open for late readings at once; the oldest is emitted early when there are more."""
SILENCE_MAX_MS = 86_400_000
"""A leap beyond this is the clock's, not the device's silence: the gateway was not there, so no rows are made for it.
A box without a battery wakes in 1970; without this bound its first synchronisation would make 29 million rows."""
GOOD_SHARE = 0.9
"""Share of due polls answered for a window to be called good."""
_KNOWN = tuple(state for state in MachineState if state is not MachineState.UNKNOWN)
_EVENT = {
    StepKind.DECLARED: "resets",
    StepKind.ROLLOVER: "rollovers",
    StepKind.UNEXPLAINED: "unexplained",
    StepKind.ODD: "odd",
}


@dataclass(slots=True)
class _CounterSum:
    """One counter over one window."""

    before: int
    increase: int = 0
    step_max: int = 0
    step_ms: int = 0
    events: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Late:
    """Readings that arrived after their window was closed."""

    readings: int = 0
    bad: int = 0
    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)


class WindowFold:
    """Folds one device's samples; gives the rows of windows as they close.

    `run_start_ms` is when this run of the gateway began: its first window starts there.
    """

    def __init__(
        self,
        *,
        gateway: str,
        device: str,
        profile: Profile,
        profile_id: str,
        poll_interval_ms: int,
        window_ms: int,
        run_start_ms: int,
    ) -> None:
        if 86_400_000 % window_ms:
            raise ValueError(f"a window of {window_ms} ms does not divide a day")
        self._tags = {"device": device, "gateway": gateway}
        self._profile_id = profile_id
        self._poll_ms = poll_interval_ms
        self._window_ms = window_ms
        self._tracks = {
            metric: CounterTrack(
                CounterRule(
                    rate_max_per_min=point.rate_max or 0,
                    modulus=point.modulus * point.multiply // point.divide if point.modulus else None,
                )
            )
            for metric, point in profile.counters().items()
        }
        self._last_ms = run_start_ms
        self._last_good_ms: int | None = None
        self._last_state = MachineState.UNKNOWN
        self._boot_clock: int | None = None
        self._booted = False
        self._late: dict[tuple[int, int], _Late] = {}
        """(where it is kept, window) → late readings; given together with what is kept there, never before or after."""
        self._open(run_start_ms)

    def _open(self, start_ms: int) -> None:
        self._start = start_ms
        self._end = start_ms - start_ms % self._window_ms + self._window_ms
        self._state_ms = dict.fromkeys(_KNOWN, 0)
        self._readings = self._bad = self._starts = self._changes = self._boots = 0
        self._counters: dict[str, _CounterSum] = {}
        self._gauges: dict[str, list[int]] = {}

    @property
    def open_readings(self) -> int:
        """Readings folded into windows whose row is not yet given."""
        return self._readings + sum(late.readings for late in self._late.values())

    def add(self, sample: Sample, kept_ms: int = 0) -> list[Row]:
        """Fold one sample; gives the rows of the windows that its coming closes.

        `kept_ms` is the window of the journal segment that holds it: late readings' rows wait for that window's end.
        """
        at_ms = sample.at_ms
        if at_ms < self._start or sample.is_historical:
            return self._add_late(sample, kept_ms)
        good = sample.quality is not Quality.BAD
        last_ms = self._last_good_ms
        counts = good and last_ms is not None and at_ms - last_ms <= 2 * self._poll_ms
        state = self._last_state if counts else MachineState.UNKNOWN
        rows = self._leap(at_ms)
        while at_ms >= self._end:
            self._credit(state, last_ms, self._end)
            rows.append(self._close())
        self._credit(state, last_ms, at_ms)
        self._readings += 1
        # A clock that steps back inside the window must not credit the same time twice.
        self._last_ms = max(self._last_ms, at_ms)
        if good:
            self._fold(sample, at_ms if last_ms is None else max(last_ms, at_ms))
        else:
            self._bad += 1
        return rows

    def close_until(self, now_ms: int) -> list[Row]:
        """Close every window that ended by now; gives their rows and those of late readings kept in them."""
        rows = self._late_rows([key for key in self._late if key[0] < now_ms]) + self._leap(now_ms)
        while self._end <= now_ms:
            rows.append(self._close())
        return rows

    def finish(self, now_ms: int) -> list[Row]:
        """Close also the open window, short, because the run ends now; never before the last reading in it."""
        rows = self._late_rows(list(self._late)) + self.close_until(now_ms)
        end_ms = max(now_ms, self._last_ms + 1) if self._readings else now_ms
        if end_ms > self._start:
            self._end = end_ms
            rows.append(self._close())
        return rows

    def _leap(self, to_ms: int) -> list[Row]:
        """Where the clock leapt, close the open window and go on at the leap's end as a new run does."""
        if to_ms - self._end <= SILENCE_MAX_MS:
            return []
        return [self._close(to_ms)]

    def _credit(self, state: MachineState, from_ms: int | None, to_ms: int) -> None:
        if state is not MachineState.UNKNOWN and from_ms is not None:
            self._state_ms[state] += max(0, to_ms - max(from_ms, self._start))

    def _fold(self, sample: Sample, at_ms: int) -> None:
        state = sample.state
        if MachineState.UNKNOWN not in {state, self._last_state} and state is not self._last_state:
            self._changes += 1
            self._starts += state is MachineState.RUNNING
        self._watch_boot(sample.boot_clock)
        if sample.counters:
            steps = step_counters(self._tracks, sample.counters, at_ms, booted=self._booted)
            self._booted = False
            for name, step in steps.items():
                self._fold_step(name, step, sample.counters[name])
        for name, value in sample.gauges.items():
            self._fold_gauge(name, value)
        self._last_good_ms, self._last_state = at_ms, state

    def _watch_boot(self, boot_clock: int | None) -> None:
        """Note a restart of the device; the evidence waits until counters are heard again."""
        if boot_clock is None:
            return
        if self._boot_clock is not None and boot_clock < self._boot_clock:
            self._boots += 1
            self._booted = True
        self._boot_clock = boot_clock

    def _fold_step(self, name: str, step: Step, value: int) -> None:
        total = self._counters.get(name)
        if total is None:
            total = self._counters[name] = _CounterSum(before=value)
        if step.kind is not StepKind.FIRST and step.increase:
            total.increase += step.increase
            if step.increase > total.step_max:
                total.step_max, total.step_ms = step.increase, step.elapsed_ms
        event = _EVENT.get(step.kind)
        if event is not None:
            total.events[event] = total.events.get(event, 0) + 1

    def _fold_gauge(self, name: str, value: int) -> None:
        gauge = self._gauges.get(name)
        if gauge is None:
            self._gauges[name] = [1, value, value, value, value * value]
            return
        gauge[0] += 1
        gauge[1] += value
        gauge[2] = min(gauge[2], value)
        gauge[3] = max(gauge[3], value)
        gauge[4] += value * value

    def _close(self, next_ms: int | None = None) -> Row:
        start_ms, end_ms = self._start, self._end
        window_ms = end_ms - start_ms
        due = end_ms // self._poll_ms - start_ms // self._poll_ms
        heard = self._readings - self._bad
        fields: dict[str, FieldValue] = {f"{state}_ms": spent for state, spent in self._state_ms.items()}
        fields |= {
            "window_ms": window_ms,
            "unknown_ms": window_ms - sum(self._state_ms.values()),
            "state": str(self._last_state) if heard else "unknown",
            "starts": self._starts,
            "changes": self._changes,
            "boots": self._boots,
            "readings": self._readings,
            "bad": self._bad,
            "polls_due": due,
            "polls_ok": heard,
            "quality": _quality(heard, due),
            "profile": self._profile_id,
            "late": False,
        }
        for name, total in self._counters.items():
            self._write_counter(fields, name, total)
        for name, gauge in self._gauges.items():
            _write_gauge(fields, name, gauge)
        self._open(end_ms if next_ms is None else next_ms)
        for name, track in self._tracks.items():
            if track.last is not None:
                self._counters[name] = _CounterSum(before=track.last)
        return Row("machine", self._tags, fields, start_ms)

    def _write_counter(self, fields: dict[str, FieldValue], name: str, total: _CounterSum) -> None:
        last = self._tracks[name].last
        fields[f"{name}_from"] = total.before
        fields[f"{name}_raw"] = total.before if last is None else last
        fields[f"{name}_inc"] = total.increase
        fields[f"{name}_step_max"] = total.step_max
        fields[f"{name}_step_ms"] = total.step_ms
        for event, times in total.events.items():
            fields[f"{name}_{event}"] = times

    def _add_late(self, sample: Sample, kept_ms: int) -> list[Row]:
        start_ms = sample.at_ms - sample.at_ms % self._window_ms
        beside = [key for key in self._late if key[0] == kept_ms]
        rows = self._late_rows(beside) if len(beside) >= LATE_WINDOWS_MAX else []
        late = self._late.setdefault((kept_ms, start_ms), _Late())
        late.readings += 1
        if sample.quality is Quality.BAD:
            late.bad += 1
        for name, value in sample.counters.items():
            late.first.setdefault(name, value)
            late.last[name] = value
        return rows

    def _late_rows(self, keys: list[tuple[int, int]]) -> list[Row]:
        """Write late readings as second rows of their windows: no state time that is not their own, no increases."""
        return [self._late_row(key[1], self._late.pop(key)) for key in sorted(keys)]

    def _late_row(self, start_ms: int, late: _Late) -> Row:
        fields: dict[str, FieldValue] = dict.fromkeys((f"{state}_ms" for state in _KNOWN), 0)
        fields |= {
            "window_ms": self._window_ms,
            "unknown_ms": self._window_ms,
            "state": "unknown",
            "readings": late.readings,
            "bad": late.bad,
            "polls_due": 0,
            "polls_ok": 0,
            "quality": "uncertain",
            "profile": self._profile_id,
            "late": True,
        }
        for name, value in late.first.items():
            fields |= {f"{name}_from": value, f"{name}_raw": late.last[name]}
        return Row("machine", self._tags, fields, start_ms)


def _quality(heard: int, due: int) -> str:
    if heard == 0:
        return "bad"
    return "good" if heard >= GOOD_SHARE * due else "uncertain"


def _write_gauge(fields: dict[str, FieldValue], name: str, gauge: list[int]) -> None:
    fields[f"{name}_n"], fields[f"{name}_sum"], fields[f"{name}_min"], fields[f"{name}_max"] = gauge[:4]
    if METRICS[name].squared and gauge[4] <= INT64_MAX:
        fields[f"{name}_sq"] = gauge[4]
