"""By how much did a counter grow? Each step is normal, declared, a rollover, or unexplained: never a guess.

The counters of one reading are judged together: a fall of one that falls alone may be a rollover, a fall of two is a
reset (the trap: a bare threshold took two real resets for wraps, `facts/store.md`, surprise 1). A reading that falls or
leaps without explanation is set aside; it becomes the baseline only when later readings agree with it
(evcc-io/evcc#30267 and its like: one glitch to 0 books a lifetime total as today's production).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AGREEING = 3
"""Readings in a row that must agree before one that was set aside becomes the baseline."""
AGREEING_MS = 60_000
"""And the time they must span: a device that shows 0 for some polls while it boots has not lost its lifetime total."""
SLACK_MS = 60_000
"""A device may count in bursts and be heard late: the possible increase is that of this much more time."""


class StepKind(StrEnum):
    """What happened to a counter between two readings."""

    FIRST = "first"
    NORMAL = "normal"
    DECLARED = "declared"
    ROLLOVER = "rollover"
    UNEXPLAINED = "unexplained"
    ODD = "odd"
    """Set aside: neither believed nor forgotten."""


@dataclass(frozen=True, slots=True)
class CounterRule:
    """A counter's physics, in metric units: where it starts again, and how fast it can grow."""

    rate_max_per_min: int
    modulus: int | None = None

    def possible(self, elapsed_ms: int) -> int:
        """Give the largest increase that can happen in this time."""
        return self.rate_max_per_min * (max(elapsed_ms, 0) + SLACK_MS) // 60_000 + 1


@dataclass(slots=True)
class CounterTrack:
    """One counter as followed so far: the last accepted value, and what was set aside since."""

    rule: CounterRule
    last: int | None = None
    last_ms: int = 0
    aside: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """The judgement on one counter of one reading: how much it grew (≥ 0) since the last accepted one."""

    kind: StepKind
    increase: int
    elapsed_ms: int


def step_counters(
    tracks: Mapping[str, CounterTrack], values: Mapping[str, int], at_ms: int, *, booted: bool = False
) -> dict[str, Step]:
    """Judge the counters of one reading together and move their tracks on.

    `booted` says that the device has restarted since the last reading (its clock since restart fell).
    """
    fallen = [
        name for name, value in values.items() if (last := tracks[name].last) is not None and value < last
    ]
    return {
        name: _step(tracks[name], value, at_ms, booted=booted, alone=len(fallen) == 1)
        for name, value in values.items()
    }


def _step(track: CounterTrack, value: int, at_ms: int, *, booted: bool, alone: bool) -> Step:
    last = track.last
    if last is None:
        return _accept(track, value, at_ms, StepKind.FIRST, 0)
    elapsed_ms = at_ms - track.last_ms
    possible = track.rule.possible(elapsed_ms)
    if 0 <= value - last <= possible:
        return _accept(track, value, at_ms, StepKind.NORMAL, value - last)
    if value < last and booted:
        return _accept(track, value, at_ms, StepKind.DECLARED, value if value <= possible else 0)
    modulus = track.rule.modulus
    if (
        value < last
        and alone
        and modulus is not None
        and last <= modulus
        and modulus - last + value <= possible
    ):
        return _accept(track, value, at_ms, StepKind.ROLLOVER, modulus - last + value)
    return _set_aside(track, value, at_ms)


def _accept(track: CounterTrack, value: int, at_ms: int, kind: StepKind, increase: int) -> Step:
    elapsed_ms = at_ms - track.last_ms if kind is not StepKind.FIRST else 0
    track.last, track.last_ms = value, at_ms
    if track.aside:
        track.aside.clear()
    return Step(kind, increase, elapsed_ms)


def _set_aside(track: CounterTrack, value: int, at_ms: int) -> Step:
    """Keep a reading that fits neither; when enough of them agree, they are the new baseline, without an increase.

    What grew among the agreeing readings themselves was seen to grow, and counts.
    """
    if track.aside:
        before, before_ms = track.aside[-1]
        if not 0 <= value - before <= track.rule.possible(at_ms - before_ms):
            track.aside.clear()
    track.aside.append((value, at_ms))
    if len(track.aside) < AGREEING or at_ms - track.aside[0][1] < AGREEING_MS:
        if len(track.aside) > AGREEING:
            del track.aside[1]  # the first tells since when, the last what to compare with
        return Step(StepKind.ODD, 0, 0)
    first, first_ms = track.aside[0]
    seen = min(value - first, track.rule.possible(at_ms - first_ms))
    return _accept(track, value, at_ms, StepKind.UNEXPLAINED, seen)
