"""How does one device look to its gateway on a day, as columns? `DevicePast` without a reading at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulators.behaviour import DAY_MS, HOUR_MS
from simulators.device_past import APPEAR_HOUR, LATE_POLLS, RESET_HOUR, DevicePast, doctored, lag_ms
from simulators.rows.draws import shares_of
from simulators.rows.fold import Run, Samples
from simulators.rows.late import LateRows
from simulators.rows.spoken import NULL, Moments, spoken
from simulators.rows.steps import Steps, told_steps
from simulators.voice import voiced
from telemetry.counter import CounterRule, CounterTrack

if TYPE_CHECKING:
    from simulators.rows.draws import Whole
    from simulators.rows.fold import Columns
    from simulators.rows.spoken import Mask
    from telemetry.line import Row

_TOTALS = ("cycles", "energy_wh", "on_s", "run_s")


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """A device's rows of one day: `machine` in columns, `time_ms` among them, and its identities."""

    columns: Columns
    identities: list[Row]


@dataclass(slots=True)
class DeviceRows(DevicePast):
    """A device as its gateway follows it, a day at a time."""

    run: Run | None = None
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TOTALS, 0))

    def day_columns(
        self, day: int, start_ms: int, off_ms: tuple[int, int], *, again: bool
    ) -> DeviceDay | None:
        """Give the rows of one day, as `day_rows` would; None before the device came and after it went."""
        device = self.device
        if day < device.from_day or (device.until_day is not None and day > device.until_day):
            return None
        begin_ms = start_ms + (APPEAR_HOUR * HOUR_MS if day == device.from_day else 0)
        if self.run is None:
            self.run = self._new_run(begin_ms)
        if again:
            self._is_known = False
        steps = told_steps(device.behaviour, day, self._poll_ms)
        at_ms = start_ms + np.arange(len(steps.state)) * self._poll_ms
        is_there = at_ms >= begin_ms
        is_off = is_there & (off_ms[0] <= at_ms) & (at_ms < off_ms[1])
        heard, shifts, identities = self._followed(day, at_ms - start_ms, start_ms, is_there, is_off)
        polls = np.flatnonzero(heard)
        samples = self._said(steps, shifts, at_ms, polls)
        cut = off_ms if is_off.any() else None
        columns = self._folded_day(samples, self._faulted(samples, day), cut, start_ms + DAY_MS)
        self.accepted += len(polls)
        return DeviceDay(columns, identities)

    @property
    def _poll_ms(self) -> int:
        return self.spec.poll_s * 1000

    @property
    def _window_ms(self) -> int:
        return self.spec.window_s * 1000

    def _followed(
        self, day: int, offsets: Whole, start_ms: int, is_there: Mask, is_off: Mask
    ) -> tuple[Mask, list[tuple[int, dict[str, int]]], list[Row]]:
        """Walk the day's events: which polls are heard, from which poll on totals start anew at what, who it says it is."""
        heard = is_there & ~is_off
        marks = [(place, True) for place in self._losses(day, offsets, heard)]
        if is_off.any():
            marks.append((int(np.argmax(is_off)), False))
        heard[[place for place, is_loss in marks if is_loss]] = False
        shifts: list[tuple[int, dict[str, int]]] = []
        identities: list[Row] = []
        begin = 0
        for place, is_loss in [*sorted(marks), (len(heard), False)]:
            if not self._is_known and heard[begin:place].any():
                first = begin + int(np.argmax(heard[begin:place]))
                identities += self._identity(start_ms + int(offsets[first]) + lag_ms(self.device))
                self._is_known = True
            if is_loss:
                self._starts_anew(day, int(offsets[place]))
                shifts.append((place, {name: getattr(self.totals, name) for name in _TOTALS}))
            elif place < len(heard):
                self._is_known = False
            begin = place
        return heard, shifts, identities

    def _losses(self, day: int, offsets: Whole, is_open: Mask) -> list[int]:
        """Find the polls at which counters are lost, by a swap or a reset that is due."""
        device = self.device
        reset_day = device.faults.reset_day if device.faults else None
        found = set()
        for is_done, due in ((self._is_swapped, device.swap_day), (self._is_reset, reset_day)):
            if is_done or due is None or day < due:
                continue
            ready = is_open & (offsets >= (RESET_HOUR * HOUR_MS if day == due else 0))
            if ready.any():
                found.add(int(np.argmax(ready)))
        return sorted(found)

    def _said(
        self, steps: Steps, shifts: list[tuple[int, dict[str, int]]], at_ms: Whole, polls: Whole
    ) -> Samples:
        """Say what is heard at these polls, moving the totals on over the whole day."""
        behaviour, profile = self.device.behaviour, spoken(self.device.profile)
        told = {name: self._told(name, getattr(steps, name), shifts)[polls] for name in _TOTALS}
        moments = Moments(
            at_ms=at_ms[polls],
            state=steps.state[polls],
            cycles=behaviour.first_count + told["cycles"],
            energy_wh=told["energy_wh"],
            on_s=behaviour.first_on_s + told["on_s"],
            run_s=behaviour.first_on_s // 2 + told["run_s"],
            current_ma=steps.current_ma[polls],
        )
        return Samples(
            moments.at_ms + lag_ms(self.device),
            np.ones(len(polls), bool),
            profile.states[moments.state],
            profile.counters(moments),
            profile.gauges(moments),
        )

    def _told(self, name: str, added: Whole, shifts: list[tuple[int, dict[str, int]]]) -> Whole:
        """Give a total at each poll of the day; behind a loss it counts on from what was left."""
        sums = np.concatenate([[0], np.cumsum(added)])
        base = np.full(len(sums), self._counts[name])
        for place, left in shifts:
            base[place + 1 :] = left[name] - sums[place]
        totals: Whole = base + sums
        self._counts[name] = int(totals[-1])
        return totals[:-1]

    def _faulted(self, samples: Samples, day: int) -> Mask:
        """Spoil samples as the line does; tells which the network holds back."""
        device, count = self.device, len(samples.at_ms)
        if device.faults is None:
            return np.zeros(count, bool)
        rng, faults = random.Random(f"faults {device.gateway}/{device.device}/{day}"), device.faults
        draw = shares_of(rng, count)
        is_bad = draw < faults.bad_share
        is_zero = ~is_bad & (draw < faults.bad_share + faults.glitch_share)
        samples.is_good[is_bad] = False
        zeros = spoken(device.profile).zeros
        for name, values in samples.counters.items():
            values[is_zero] = zeros.get(name, NULL)
        held: Mask = ~is_bad & ~is_zero & (draw > 1 - faults.late_share)
        return held

    def _folded_day(self, samples: Samples, held: Mask, cut: tuple[int, int] | None, end_ms: int) -> Columns:
        """Fold a day's samples, in two runs when power was cut between."""
        late = LateRows(self._window_ms, LATE_POLLS * self._poll_ms)
        if cut is None:
            return self._folded_run(samples, held, late, end_ms, None)
        before = samples.at_ms < cut[0]
        first = samples.chosen(before)
        columns = []
        if (~held[before]).any():
            columns.append(self._folded_run(first, held[before], late, cut[0], cut[0]))
        else:
            late.wait(first, held[before])
        self.run = self._new_run(cut[1])
        columns.append(self._folded_run(samples.chosen(~before), held[~before], late, end_ms, None))
        return stacked(columns)

    def _folded_run(
        self, samples: Samples, held: Mask, late: LateRows, end_ms: int, release_ms: int | None
    ) -> Columns:
        """Fold the samples of one run up to its end, those that came late in the rows of their own."""
        run = self._ran()
        edges = self._edges(run.open_ms, end_ms)
        if held.any() or late.waiting:
            samples = late.sorted_out(samples, held, run.open_ms, release_ms)
        columns = run.fold(samples, edges, self._poll_ms) | {"time_ms": edges[:-1]}
        rows = late.columns()
        return stacked([columns, rows]) if rows else columns

    def _edges(self, open_ms: int, end_ms: int) -> Whole:
        """Give where windows begin and, last, the end: the first and the last may be short."""
        step = self._window_ms
        grid = np.arange(open_ms - open_ms % step + step, end_ms, step)
        return np.concatenate([[open_ms], grid, [end_ms]])

    def _ran(self) -> Run:
        if self.run is None:
            raise RuntimeError("a device is heard before it appeared")
        return self.run

    def _new_run(self, start_ms: int) -> Run:
        profile = voiced(self.device.profile)[0].profile
        profile = doctored(profile) if self.device.is_doctored else profile
        return Run(
            start_ms,
            {
                metric: CounterTrack(
                    CounterRule(
                        rate_max_per_min=point.rate_max or 0,
                        modulus=point.modulus * point.multiply // point.divide if point.modulus else None,
                    )
                )
                for metric, point in profile.counters().items()
            },
        )


def stacked(parts: list[Columns]) -> Columns:
    """Put rows one below another; a column that a part does not have is NULL there."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    sizes = [len(part["time_ms"]) for part in parts]
    return {
        name: np.concatenate(
            [
                part[name] if name in part else np.full(size, NULL)
                for part, size in zip(parts, sizes, strict=True)
            ]
        )
        for name in names
    }
