"""Which rows does a gateway make of a device? One a window, silent windows too; half-open, on the UTC grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.cities.outsider.machines import POLL_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.cities.outsider.devices import Device
    from tests.cities.outsider.shifts import Mask

    Counts = NDArray[np.int64]
    Rng = np.random.Generator

WORDS = ("unknown", "off", "ready", "paused", "fault", "running")


@dataclass(frozen=True)
class Windows:
    """A gateway's windows: minutes [start, end), the time written on them, and the run each belongs to."""

    start: Counts
    end: Counts
    time_ms: Counts
    run: Counts
    run_start: Counts


def summed(values: NDArray[Any], windows: Windows) -> Counts:
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[windows.end] - total[windows.start], dtype=np.int64)


def states_of(device: Device, heard: Mask) -> Counts:
    trace = device.trace
    code = np.full(len(heard), 2)
    code[trace.paused_ms > 0] = 3
    code[trace.fault_ms > 0] = 4
    code[trace.run_ms > 0] = 5
    code[~trace.on] = 1
    code[~heard] = 0
    return code


def anchors(heard: Mask, windows: Windows) -> tuple[Counts, Counts, Counts]:
    """Give, by window, the heard minute its counters start from, the first one inside, and the last they reach."""
    at = np.arange(len(heard))
    last = np.maximum.accumulate(np.where(heard, at, -1))
    following = np.minimum.accumulate(np.where(heard, at, len(heard))[::-1])[::-1]
    reached = last[windows.end - 1]
    before = np.where(windows.start > 0, last[np.maximum(windows.start - 1, 0)], -1)
    first = np.minimum(following[windows.start], len(heard) - 1)
    source = np.where(before >= windows.run_start, before, first)
    return source, np.maximum(first, source), np.maximum(reached, source)


def base_columns(device: Device, heard: Mask, windows: Windows, rng: Rng) -> dict[str, list[Any]]:
    trace, length = device.trace, windows.end - windows.start
    known = summed(heard, windows) * 60_000
    run, paused, fault = (
        summed(value * heard, windows) for value in (trace.run_ms, trace.paused_ms, trace.fault_ms)
    )
    off = summed(heard & ~trace.on, windows) * 60_000
    due = length * (60_000 // POLL_MS)
    answered = known // POLL_MS
    missed = np.where(answered > 20, rng.binomial(np.maximum(answered, 0), 0.002), 0)
    code = states_of(device, heard)
    starts = np.concatenate([[0], (code[1:] == 5) & (code[:-1] != 5)])
    changes = np.concatenate([[0], code[1:] != code[:-1]])
    boots = np.zeros(len(heard), dtype=np.int64)
    if device.profile.listens_to == "cabinet" or device.resets_when_off:
        boots[trace.boots()] = 1
    if device.fresh_at is not None:
        boots[device.fresh_at] = 1
    ok = answered - missed
    return {
        "window_ms": (length * 60_000).tolist(),
        "running_ms": run.tolist(),
        "paused_ms": paused.tolist(),
        "fault_ms": fault.tolist(),
        "off_ms": off.tolist(),
        "ready_ms": (known - run - paused - fault - off).tolist(),
        "unknown_ms": (length * 60_000 - known).tolist(),
        "state": [WORDS[state] for state in code[windows.end - 1].tolist()],
        "starts": summed(starts, windows).tolist(),
        "changes": summed(changes, windows).tolist(),
        "boots": summed(boots, windows).tolist(),
        "readings": ok.tolist(),
        "bad": missed.tolist(),
        "polls_due": due.tolist(),
        "polls_ok": ok.tolist(),
        "quality": ["bad" if not n else "good" if n * 10 >= 9 * d else "uncertain"
                    for n, d in zip(ok.tolist(), due.tolist(), strict=True)],
    }  # fmt: skip


def counter_columns(device: Device, heard: Mask, windows: Windows, rng: Rng) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    source, first, reached = anchors(heard, windows)
    gap_ms = (first - source) * 60_000
    polls = 60_000 // POLL_MS
    for name, (total, raw) in device.totals(device.watts(rng)).items():
        step = np.diff(total, prepend=total[0])
        peak = np.maximum.reduceat(np.where(heard, step, 0), windows.start)
        inc = total[reached] - total[source]
        largest = np.minimum(np.where(inc > 0, np.maximum(-(-peak // polls), 1), 0), inc)
        # The first step may reach back over hours in which nothing was heard.
        jump = np.minimum(total[first] - total[source], inc)
        leaps = (gap_ms > 60_000) & (jump > largest)
        made[f"{name}_from"] = raw[source].tolist()
        made[f"{name}_raw"] = raw[reached].tolist()
        made[f"{name}_inc"] = inc.tolist()
        made[f"{name}_step_max"] = np.where(leaps, jump, largest).tolist()
        made[f"{name}_step_ms"] = np.where(leaps, gap_ms, np.where(inc > 0, POLL_MS, 0)).tolist()
        drop = np.concatenate([[0], (np.diff(raw) < 0).astype(np.int64)])
        falls = np.cumsum(drop)
        fell = falls[reached] - falls[source]
        wraps = device.profile.modulus and name in {"cycles", "parts"} and not device.resets_when_off
        word = "rollovers" if wraps and device.fresh_at is None else "resets"
        made[f"{name}_{word}"] = [int(count) or None for count in fell]
    return made


def gauge_columns(device: Device, heard: Mask, windows: Windows, rng: Rng) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    minutes = summed(heard & device.trace.on, windows)
    run = summed(device.trace.run_ms * heard, windows)
    share = run / np.maximum(minutes * 60_000, 1)
    polls = np.maximum(minutes * (60_000 // POLL_MS), 1)
    for name, step in device.profile.gauges:
        mean, low, high = device.gauge(name, step, share, rng)
        count = polls
        if name == "cycle_time_ms":
            cycles = summed(device.trace.cycles * heard, windows)
            count = np.maximum(cycles, 1)
            deviation = (high - low) // 6
            made[f"{name}_sq"] = (count * (mean * mean + deviation * deviation)).tolist()
            made[f"{name}_none"] = (cycles == 0).tolist()
        made[f"{name}_n"] = count.tolist()
        made[f"{name}_sum"] = (count * mean).tolist()
        made[f"{name}_min"] = low.tolist()
        made[f"{name}_max"] = high.tolist()
    made["dark"] = (minutes == 0).tolist()
    return made


def rows_of(device: Device, silent: Mask, windows: Windows, rng: Rng) -> list[tuple[int, dict[str, Any]]]:
    """Give (window number, fields) of each window in which the device is due."""
    heard = device.heard(silent)
    base = base_columns(device, heard, windows, rng)
    values = counter_columns(device, heard, windows, rng)
    gauges = gauge_columns(device, heard, windows, rng)
    due = np.flatnonzero((windows.end > device.first) & (windows.start < device.last)).tolist()
    names, told = list(base), {"profile": device.profile.told, "late": False}
    lines = list(zip(*base.values(), strict=True))
    counts = list(zip(*values.values(), strict=True))
    levels = list(zip(*gauges.values(), strict=True))
    made = []
    for number in due:
        fields: dict[str, Any] = dict(zip(names, lines[number], strict=True))
        fields.update(told)
        if fields["polls_ok"]:
            fields.update(zip(values, counts[number], strict=True))
            fields.update(zip(gauges, levels[number], strict=True))
            if fields.pop("dark"):
                for name, _ in device.profile.gauges:
                    for end in ("_n", "_sum", "_min", "_max"):
                        fields.pop(name + end, None)
            if fields.pop("cycle_time_ms_none", False):
                for end in ("_n", "_sum", "_min", "_max", "_sq"):
                    fields.pop("cycle_time_ms" + end, None)
            if device.odd and rng.random() < device.odd:
                fields[device.profile.counters[0] + "_odd"] = 1
        made.append((number, {name: value for name, value in fields.items() if value is not None}))
    return made
