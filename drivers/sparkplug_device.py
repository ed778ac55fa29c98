"""What does a Sparkplug device say now, by its profile? Its image: what it told since its birth, point by point. Pure.

Sparkplug reports by exception: a message holds what changed, and by the protocol everything else still holds, until a
death, a lost message or a new birth. So each message gives a whole reading, made of the image as it then is. What was
told of the past (`is_historical`) never touches the image; it gives readings of its own, each with its own time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.json_payload import typed_value
from drivers.sparkplug_payload import TIME_MS_MAX, Quality, scalar
from telemetry.errors import BadReply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.sparkplug_payload import Metric
    from drivers.sparkplug_session import Told
    from telemetry.profile import Point, Profile
    from telemetry.reading import RawValue

HISTORY_MAX_MS = 31 * 86_400_000
"""A month: older back-fill is not an outage's but another story, and is counted and dropped."""
AHEAD_MAX_MS = 600_000
"""A device's clock may be this far ahead of ours; more is another unit, or a wrong clock."""


@dataclass(frozen=True, slots=True)
class Image:
    """A device's values at one moment, its own time for them (UTC ms), and why they are not wholly good."""

    values: Mapping[str, RawValue]
    source_ms: int | None
    problems: tuple[str, ...]
    is_historical: bool = False


@dataclass(slots=True)
class DeviceImage:
    """One device's points as told so far."""

    profile: Profile
    history_refused: int = 0
    """Historical values dropped: without a time, too old, or from the future."""
    _names: dict[str, list[tuple[str, Point]]] = field(init=False, default_factory=dict)
    _values: dict[str, RawValue] = field(init=False, default_factory=dict)
    _problems: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, point in self.profile.points.items():
            if point.path is not None:
                self._names.setdefault(point.path, []).append((name, point))

    def clear(self) -> None:
        """Forget everything: nothing of it holds any more."""
        self._values.clear()
        self._problems.clear()

    def take(self, told: Told, now_ms: int) -> list[Image]:
        """Take one message; gives readings of the past, oldest first, then the present, if any of it was told.

        Metrics that the profile does not name are none of ours. A birth begins the image anew.
        """
        if told.is_birth:
            self.clear()
        past: dict[int, tuple[dict[str, RawValue], list[str]]] = {}
        stamps: list[int] = []
        touched = told.is_birth
        for metric in told.metrics:
            for name, point in self._names.get(metric.name, ()):
                if metric.is_historical:
                    self._take_past(past, name, point, metric, now_ms)
                else:
                    touched = True
                    self._take_present(name, point, metric)
                    stamps.append(told.time_ms or 0 if metric.time_ms is None else metric.time_ms)
        images = [
            Image(values, stamp, tuple(problems), is_historical=True)
            for stamp, (values, problems) in sorted(past.items())
        ]
        return [*images, self._present(told, stamps, now_ms)] if touched else images

    def _take_present(self, name: str, point: Point, metric: Metric) -> None:
        value, problem = _value(name, point, metric)
        if value is None:
            self._values.pop(name, None)
            self._problems[name] = problem
        else:
            self._values[name] = value
            self._problems.pop(name, None)

    def _take_past(
        self,
        past: dict[int, tuple[dict[str, RawValue], list[str]]],
        name: str,
        point: Point,
        metric: Metric,
        now_ms: int,
    ) -> None:
        stamp = metric.time_ms or 0
        if not now_ms - HISTORY_MAX_MS <= stamp <= now_ms:
            self.history_refused += 1
            return
        values, problems = past.setdefault(stamp, ({}, []))
        value, problem = _value(name, point, metric)
        if value is None:
            problems.append(problem)
        else:
            values[name] = value

    def _present(self, told: Told, stamps: list[int], now_ms: int) -> Image:
        problems = [self._problems[name] for name in self.profile.points if name in self._problems]
        unsaid = [
            name for name in self.profile.points if name not in self._values and name not in self._problems
        ]
        if unsaid:
            problems.append(f"missing: {', '.join(unsaid)}")
        if told.is_doubtful:
            problems.append("a message before this one is missing")
        stamp = max(stamps, default=told.time_ms or 0)
        if not 0 < stamp <= min(now_ms + AHEAD_MAX_MS, TIME_MS_MAX):
            problems.append(f"a strange time: {stamp}")
            return Image(dict(self._values), None, tuple(problems))
        return Image(dict(self._values), stamp, tuple(problems))


def _value(name: str, point: Point, metric: Metric) -> tuple[RawValue | None, str]:
    """Give a metric's value as the point's type, or None and the reason; null, bad and stale are no values."""
    if metric.is_null:
        return None, f"{name} is null"
    if metric.quality != Quality.GOOD:
        word = "stale" if metric.quality == Quality.STALE else "bad"
        return None, f"{name} is of {word} quality"
    try:
        value = typed_value(name, scalar(metric, metric.datatype), point.type)
    except BadReply as error:
        return None, error.reason if error.reason.startswith(name) else f"{name}: {error.reason}"
    if value == "" or (point.sentinels and value in point.sentinels):
        return None, f"{name} has no value"
    return value, ""
