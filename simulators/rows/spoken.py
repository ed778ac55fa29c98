"""What would a device's readings say, as columns? Voice and normalizing of one profile, for many moments at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.normalize import VALUE_MAX
from simulators.behaviour import Moment
from simulators.rows.steps import CODE, STATES
from simulators.voice import _QUANTITIES, UNBOUNDED, voiced
from telemetry.metrics import METRICS, MetricKind
from telemetry.reading import MachineState, Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from simulators.rows.draws import Whole
    from telemetry.profile import Point, Profile
    from telemetry.reading import RawValue

    Mask = NDArray[np.bool_]

NULL = -(2**63)
"""Stands for no value in a column of whole numbers; no metric's value is so low."""
_FLOATS = frozenset({"float32", "float64"})
_MODULUS_MAX = 2**62
"""No count of a simulated machine gets so far."""


@dataclass(frozen=True, slots=True)
class Moments:
    """A machine at many instants: the columns of `Moment`, the state as a number."""

    at_ms: Whole
    state: Whole
    cycles: Whole
    energy_wh: Whole
    on_s: Whole
    run_s: Whole
    current_ma: Whole


@dataclass(frozen=True, slots=True)
class _Said:
    """How one point becomes a metric: said in raw values first, and normalized then."""

    metric: str
    multiply: int
    divide: int
    offset: int
    modulus: int
    is_float: bool
    least: int
    most: int
    sentinels: tuple[int, ...]

    def values(self, amount: Whole) -> Whole:
        """Give the metric's values; NULL where the raw one is no plausible number."""
        if self.is_float:
            raw: Any = amount * self.divide / self.multiply
            value = np.rint(raw * self.multiply / self.divide).astype(np.int64) + self.offset
        else:
            raw = amount * self.divide // self.multiply
            raw = raw % self.modulus if self.modulus < _MODULUS_MAX else raw
            value = raw * self.multiply // self.divide + self.offset
        fits = (self.least <= value) & (value <= self.most)
        for sentinel in self.sentinels:
            fits &= raw != sentinel
        if METRICS[self.metric].absolute:
            value = np.abs(value)
        return np.where(fits, value, NULL)


class Spoken:
    """One profile: what its gateway makes of a device's answers. ValueError for a profile this cannot do."""

    def __init__(self, name: str) -> None:
        loaded, _, _ = voiced(name)
        profile = loaded.profile
        metrics = {name for name, point in profile.points.items() if point.metric is not None}
        if any(rule.point in metrics for rule in profile.states) or profile.boot_clock:
            raise ValueError(
                f"{name}: its states or restarts are told by what it measures; write sealed batches"
            )
        self.states = np.array([CODE[_sample(name, state).state] for state in STATES])
        """By a state's number, the number of the state that is heard."""
        said = {_said(point): None for point in profile.points.values() if point.metric is not None}
        self._counters = [plan for plan in said if METRICS[plan.metric].kind is MetricKind.COUNTER]
        self._gauges = [plan for plan in said if METRICS[plan.metric].kind is MetricKind.GAUGE]
        self.zeros = dict(_sample(name, MachineState.READY, _zeros(profile)).counters)
        """The counters of a poll answered with zeros; one that is implausible then is not here."""

    def counters(self, moments: Moments) -> dict[str, Whole]:
        """Give counter → values, NULL where there is none."""
        return _largest(self._counters, moments)

    def gauges(self, moments: Moments) -> dict[str, Whole]:
        """Give gauge → values, NULL where there is none."""
        return _largest(self._gauges, moments)


@cache
def spoken(name: str) -> Spoken:
    """Give a profile's way of being heard, made once."""
    return Spoken(name)


def _largest(plans: list[_Said], moments: Moments) -> dict[str, Whole]:
    """Say every point; several of one metric give the largest value, as normalizing does."""
    found: dict[str, Whole] = {}
    for plan in plans:
        values = plan.values(_amount(plan.metric, moments))
        known = found.get(plan.metric)
        found[plan.metric] = values if known is None else np.maximum(known, values)
    return found


def _amount(metric: str, moments: Moments) -> Whole:
    if metric == "speed_percent":
        return np.where(moments.state == CODE[MachineState.RUNNING], 80, 0)
    quantity: Callable[[Any], Any] = _QUANTITIES[metric]
    amount: Whole = quantity(moments)
    return amount


def _said(point: Point) -> _Said:
    metric = METRICS[str(point.metric)]
    least = -VALUE_MAX if point.minimum is None else max(point.minimum, -VALUE_MAX)
    return _Said(
        metric=metric.name,
        multiply=point.multiply,
        divide=point.divide,
        offset=point.offset,
        modulus=point.modulus or UNBOUNDED,
        is_float=point.type in _FLOATS,
        least=max(least, 0) if metric.kind is MetricKind.COUNTER else least,
        most=VALUE_MAX if point.maximum is None else min(point.maximum, VALUE_MAX),
        sentinels=point.sentinels,
    )


def _zeros(profile: Profile) -> dict[str, RawValue]:
    return {
        name: 0
        for name, point in profile.points.items()
        if point.metric is not None and METRICS[point.metric].kind is MetricKind.COUNTER
    }


def _sample(name: str, state: MachineState, instead: Mapping[str, RawValue] | None = None) -> Any:
    """Ask the plain voice and normalizer what is heard of a state."""
    loaded, voice, normalizer = voiced(name)
    values = voice.say(Moment(0, state, 1, 1, 1, 1, 100)) | dict(instead or {})
    return normalizer.sample(Reading("", ReadingKind.POLL, 0, 0, Quality.GOOD, values, loaded.profile_id))
