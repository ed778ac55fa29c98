"""What does a reading mean? Reading × profile → sample in the vocabulary's states and integer units. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from telemetry.line import INT64_MAX, INT64_MIN, FieldValue, Row, clean
from telemetry.metrics import METRICS, MetricKind
from telemetry.reading import MachineState, Quality, ReadingKind, Sample
from telemetry.schema import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.profile import Point, Profile
    from telemetry.reading import RawValue, Reading

CACHE_MAX = 256
"""Profiles in use at once; an edge box has a handful."""
VALUE_MAX = 10**12
"""No metric's value is larger: the sum of nine million of them still fits the wire's 64 bits, whatever a device says."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one point becomes a metric; laid out flat because every reading walks it."""

    point: str
    metric: str
    multiply: int
    divide: int
    offset: int
    least: int
    most: int
    sentinels: tuple[int, ...]
    absolute: bool


class Normalizer:
    """One profile, laid out for speed: made once, used for every reading."""

    __slots__ = ("_boot_clock", "_counters", "_gauges", "_states", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        plans = [_plan(name, point) for name, point in profile.points.items() if point.metric is not None]
        self._counters = [plan for plan in plans if METRICS[plan.metric].kind is MetricKind.COUNTER]
        self._gauges = [plan for plan in plans if METRICS[plan.metric].kind is MetricKind.GAUGE]
        self._states = [(rule, profile.points[rule.point].sentinels) for rule in profile.states]
        self._boot_clock = profile.boot_clock

    def sample(self, reading: Reading) -> Sample:
        """Normalize one reading; a bad one stays bad and empty, an implausible value is no value."""
        is_historical = reading.kind is ReadingKind.HISTORY and reading.source_ms is not None
        at_ms = reading.source_ms if is_historical and reading.source_ms else reading.received_ms
        if reading.quality is Quality.BAD:
            return Sample(
                reading.device,
                at_ms,
                Quality.BAD,
                MachineState.UNKNOWN,
                reason=reading.reason,
                is_historical=is_historical,
            )
        values = reading.values
        counters, doubts = _collect(self._counters, values)
        gauges, more_doubts = _collect(self._gauges, values)
        return Sample(
            device=reading.device,
            at_ms=at_ms,
            quality=Quality.UNCERTAIN if doubts or more_doubts else reading.quality,
            state=self._state(values),
            counters=counters,
            gauges=gauges,
            boot_clock=self._boot_seconds(values),
            reason=reading.reason,
            is_historical=is_historical,
        )

    def _state(self, values: Mapping[str, RawValue]) -> MachineState:
        """Find the first rule that holds; a rule whose point has no value leaves the state unknown, never guessed."""
        for rule, sentinels in self._states:
            value = values.get(rule.point)
            if value is None or value in sentinels or value != value:  # noqa: PLR0124 (NaN alone differs from itself)
                return MachineState.UNKNOWN
            if value in rule.equals if rule.equals else value not in rule.differs:
                return rule.state
        return MachineState.UNKNOWN

    def _boot_seconds(self, values: Mapping[str, RawValue]) -> int | None:
        value = values.get(self._boot_clock) if self._boot_clock else None
        if not _is_number(value) or value in self.profile.points[str(self._boot_clock)].sentinels:
            return None
        return int(value)


def _plan(name: str, point: Point) -> _Plan:
    metric = METRICS[str(point.metric)]
    least = -VALUE_MAX if point.minimum is None else max(point.minimum, -VALUE_MAX)
    return _Plan(
        point=name,
        metric=metric.name,
        multiply=point.multiply,
        divide=point.divide,
        offset=point.offset,
        least=max(least, 0) if metric.kind is MetricKind.COUNTER else least,
        most=VALUE_MAX if point.maximum is None else min(point.maximum, VALUE_MAX),
        sentinels=point.sentinels,
        absolute=metric.absolute,
    )


def _is_number(raw: RawValue | None) -> TypeGuard[int | float]:
    """Tell a finite number from text, from nothing, and from true and false, which Python counts among the integers."""
    if isinstance(raw, float):
        return math.isfinite(raw)
    return isinstance(raw, int) and not isinstance(raw, bool)


def _collect(plans: list[_Plan], values: Mapping[str, RawValue]) -> tuple[dict[str, int], int]:
    """Scale raw numbers to the metrics' integer units; gives them, and how many points gave no plausible number.

    Integers are scaled exactly, rounding down, so that a counter stays monotone; floats round to nearest. Several
    points of one metric give the largest.
    """
    found: dict[str, int] = {}
    doubts = 0
    for plan in plans:
        raw = values.get(plan.point)
        kind = type(raw)  # exactly: true and false are no numbers here
        if kind is int:
            value: int = raw * plan.multiply // plan.divide + plan.offset  # type: ignore[assignment,operator]
        elif kind is float and abs(raw) <= VALUE_MAX * plan.divide:  # type: ignore[arg-type]  # false for NaN and inf
            value = round(raw * plan.multiply / plan.divide) + plan.offset  # type: ignore[operator]
        else:
            doubts += 1
            continue
        if not plan.least <= value <= plan.most or (plan.sentinels and raw in plan.sentinels):
            doubts += 1
            continue
        if plan.absolute:
            value = abs(value)
        before = found.get(plan.metric)
        if before is None or value > before:
            found[plan.metric] = value
    return found, doubts


_CACHE: dict[int, Normalizer] = {}


def normalize(reading: Reading, profile: Profile) -> Sample:
    """Normalize one reading by its profile (see `Normalizer.sample`)."""
    normalizer = _CACHE.get(id(profile))
    if normalizer is None or normalizer.profile is not profile:
        if len(_CACHE) >= CACHE_MAX:
            _CACHE.clear()
        normalizer = _CACHE[id(profile)] = Normalizer(profile)
    return normalizer.sample(reading)


def identity_row(gateway: str, reading: Reading) -> Row:
    """Write what a device told of itself as an `identity` row; unknown fields and wrong types are left out."""
    known = MEASUREMENTS["identity"].fields
    fields: dict[str, FieldValue] = {}
    for name, value in reading.values.items():
        wanted = known.get(name)
        if wanted is int and isinstance(value, int) and not isinstance(value, bool):
            if INT64_MIN <= value <= INT64_MAX:
                fields[name] = value
        elif wanted is str and (text := clean(str(value)).strip()):
            fields[name] = text
    fields.setdefault("source", "declared")
    return Row("identity", {"gateway": gateway, "device": reading.device}, fields, reading.received_ms)
