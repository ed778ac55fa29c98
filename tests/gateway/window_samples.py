"""Which device do the window tests fold, and what holds of every row it gives?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.window import WindowFold
from telemetry.line import encode_line
from telemetry.profile import parse_profile
from telemetry.reading import MachineState, Quality, Sample
from telemetry.schema import MEASUREMENTS, STATE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.line import Row

PROFILE = parse_profile(
    """\
profile: acme_r1
kind: robot
manufacturer: ACME
models: [R1]
name: {zh: 机器人, en: robot}
axes: 6
firmware: "5"
sources: [{title: Manual, grade: A}]
mqtt: {topic: a/+/b}
points:
  cycles: {path: c, type: uint16, metric: cycles, rate_max: 60, modulus: 65536}
  run: {path: r, type: uint32, metric: run_s, rate_max: 60}
  power: {path: p, type: int32, metric: power_w}
  cycle_time: {path: t, type: int32, metric: cycle_time_ms}
""",
    "acme_r1.yaml",
)
RUNNING, READY, FAULT = MachineState.RUNNING, MachineState.READY, MachineState.FAULT


def fold(start_ms: int = 0, poll_ms: int = 10_000) -> WindowFold:
    return WindowFold(
        gateway="gw-1",
        device="r1",
        profile=PROFILE,
        profile_id="acme_r1@0123456789ab",
        poll_interval_ms=poll_ms,
        window_ms=60_000,
        run_start_ms=start_ms,
    )


def at(
    at_s: float,
    state: MachineState = RUNNING,
    *,
    quality: Quality = Quality.GOOD,
    boot: int | None = None,
    gauges: dict[str, int] | None = None,
    **counters: int,
) -> Sample:
    return Sample("r1", round(at_s * 1000), quality, state, counters, gauges or {}, boot)


def bad(at_s: float) -> Sample:
    return at(at_s, MachineState.UNKNOWN, quality=Quality.BAD)


def add(one: WindowFold, samples: Sequence[Sample]) -> list[Row]:
    return [check(row) for sample in samples for row in one.add(sample)]


def check(row: Row) -> Row:
    """Assert what holds of every row: it can be written, is typed, and its state times sum to its window."""
    encode_line(row.measurement, row.tags, row.fields, row.time_ms * 1_000_000 + 1)
    known = MEASUREMENTS[row.measurement]
    assert tuple(sorted(row.tags)) == known.tags
    assert all(known.fields[name] is type(value) for name, value in row.fields.items())
    times = [number(row, name) for name in STATE_FIELDS]
    assert min(times) >= 0
    assert sum(times) == number(row, "window_ms")
    return row


def number(row: Row, name: str) -> int:
    value = row.fields[name]
    assert isinstance(value, int)
    return value


def picked(row: Row, names: str) -> dict[str, object]:
    return {name: row.fields.get(name) for name in names.split()}
