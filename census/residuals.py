"""What is left of a device's hours when its rhythm is taken out? Exact integers, so that a figure recomputes anywhere.

An honest day is much like the day before, holidays and seasons come to all at once, and idle hours are alike everywhere.
So idle hours and those beside them say nothing; each other is put against the hours around it, and the device's own mean
day is taken out. What stays is chance: which hours went better or worse than usual. Two machines do not share that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from census.evidence import DeviceDay, DeviceKey

DAY_H = 24
WEEK_H = 168
_RHYTHM_W = 2
"""Weeks that have each a mean day of their own, in turn: shifts that change over every week are honest, and common.

Each of these hours is heard five times a fortnight: a week that is told again and again does not become its own mean.
"""
_SHRINK = 4
"""An hour of the week heard once or twice is chance more than habit: of two hearings a third is taken for habit, of twelve three quarters."""
_AROUND_H = 12
"""Half the stretch whose mean is taken out: a day and an hour in all, wherever the day's border lies."""
_UNIT = 1000
_CLIP = 3 * _UNIT
"""A residual is cut at three times the mean of the hours around: one extreme hour must not carry a correlation by itself."""
_ROUNDED = 3 * _UNIT // 2
"""A residual of a count and a half or less may be rounding: of a machine with constant cycles that is all, and it repeats."""
_COARSE = 12
"""Counts an hour below which rounding eats what chance does; the seconds run tell it then."""
MEMORY_H = 12
"""Hours over which one order, a product or a stop may last: so long, neighbours are not counted as independent."""


_MEMORY_W = 12
"""Weeks over which a plan of the week is one chance and not many: a quarter."""
_NEAR_H = 4
"""Hours by which an hour of the plan goes with the one a week later: a plan is made of stretches."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Devices by hours from `first_day` (ordinal, a Monday): what was heard, and what is left of it.

    `heard` is in counts, or in seconds where they are few; in thousandths of the mean of the hours around, `values`
    are compared with others', `own` with the device's own earlier hours: there the week is not taken out.
    """

    keys: tuple[DeviceKey, ...]
    first_day: int
    heard: NDArray[np.int64]
    values: NDArray[np.int64]
    own: NDArray[np.int64]


def residuals_of(device_days: Mapping[DeviceKey, Sequence[DeviceDay]], works_hours_min: int) -> Residuals:
    """Take the rhythm out of every device that worked in enough hours."""
    chosen = {key: [day for day in days if day.hours] for key, days in sorted(device_days.items())}
    spans = [day.day for days in chosen.values() for day in days]
    if not spans:
        none = np.zeros((0, 0), dtype=np.int64)
        return Residuals((), 0, none, none, none)
    # From a Monday, so that weeks begin where weeks do.
    first = min(spans) - (min(spans) - 1) % 7
    hours = (max(spans) - first + 1) * DAY_H
    heard = np.stack([_series(days, first, hours) for days in chosen.values()])
    kept = (heard > 0).sum(axis=1) >= works_hours_min
    keys = tuple(key for key, is_kept in zip(chosen, kept, strict=True) if is_kept)
    heard = heard[kept]
    return Residuals(keys, first, heard, residual_hours(heard, by_week=True), residual_hours(heard))


def _series(days: Sequence[DeviceDay], first: int, hours: int) -> NDArray[np.int64]:
    """Give what was done in each hour: the most telling counter's growth, or seconds running where it grows by little."""
    told = (
        np.frombuffer(b"".join(day.hours for day in days), dtype="<i4").astype(np.int64).reshape(-1, 2, DAY_H)
    )
    grown = told[:, 1][told[:, 1] > 0]
    chosen = told[:, 1] if len(grown) and np.median(grown) >= _COARSE else told[:, 0]
    series = np.zeros((hours // DAY_H, DAY_H), dtype=np.int64)
    # A day with two lives has two rows.
    np.add.at(series, [day.day - first for day in days], chosen)
    return series.reshape(-1)


def residual_hours(heard: NDArray[np.int64], *, by_week: bool = False) -> NDArray[np.int64]:
    """Take the rhythm out of devices by hours from a Monday's midnight on; 0 where an hour says nothing.

    `by_week` takes out the habits of the weekday too, as far as they are heard often enough to be known.
    """
    works = heard > 0
    # A shift that begins or ends a little sooner each day is no chance of the work: hours beside an idle one are left out.
    inner = works.copy()
    inner[:, 1:] &= works[:, :-1]
    inner[:, :-1] &= works[:, 1:]
    # Each hour against the hours around it first: on a slow day, breaks and peaks are smaller than on others.
    count, level = _around(inner.astype(np.int64)), np.maximum(1, _around(np.where(inner, heard, 0)))
    told = np.where(inner, heard * _UNIT * count // level, 0)
    at = np.arange(heard.shape[1])
    slot = at % DAY_H + DAY_H * (at // WEEK_H % _RHYTHM_W)
    rest = np.where(inner, np.clip(_less_usual(told, inner, slot, 0), -_CLIP, _CLIP), 0)
    if by_week:
        rest = np.where(inner, _less_usual(rest, inner, at % WEEK_H, _SHRINK), 0)
    left = np.where(inner, rest - _around(rest) // np.maximum(1, count), 0)
    return np.where(np.abs(left) * level > _ROUNDED * count, left, 0)


def _less_usual(
    values: NDArray[np.int64], known: NDArray[np.bool_], slot: NDArray[np.int64], shrink: int
) -> NDArray[np.int64]:
    """Take each slot's mean out, as if `shrink` more hours of nothing had been heard of it."""
    left = values.copy()
    for one in range(int(slot.max(initial=-1)) + 1):
        here = slot == one
        usual = values[:, here].sum(axis=1) // np.maximum(1, known[:, here].sum(axis=1) + shrink)
        left[:, here] -= usual[:, None]
    return left


def memory_of(values: NDArray[np.int64], *, by_week: bool = False) -> NDArray[np.int64]:
    """Give each device's correlation with itself one to MEMORY_H hours later, and `by_week` whole weeks later, in percent."""
    energy, hours = np.maximum(1, (values * values).sum(axis=1)), values.shape[1]
    lags = list(range(1, MEMORY_H + 1))
    for week in range(WEEK_H, WEEK_H * (_MEMORY_W + 1), WEEK_H) if by_week else ():
        lags += range(week - _NEAR_H, week + _NEAR_H + 1)
    later = [
        np.einsum("ij,ij->i", values[:, by:], values[:, :-by]) * 100 // energy
        if by < hours
        else np.zeros(len(values), dtype=np.int64)
        for by in lags
    ]
    return np.stack(later, axis=1)


def dependence(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give how many ten-thousandths of an hour tell as much as one independent hour, from both memories (Bartlett)."""
    found: NDArray[np.int64] = np.maximum(10_000, 10_000 + 2 * (mine * theirs).sum(axis=-1))
    return found


def _around(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum each hour with the hours around it."""
    hours = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1), dtype=np.int64), np.cumsum(values, axis=1)], axis=1)
    ends = np.minimum(np.arange(hours) + _AROUND_H + 1, hours)
    starts = np.maximum(np.arange(hours) - _AROUND_H, 0)
    around: NDArray[np.int64] = sums[:, ends] - sums[:, starts]
    return around
