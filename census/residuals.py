"""What is left of a device's hours when its rhythm is taken out? Exact integers, so that a figure recomputes anywhere.

An honest week is much like the week before, holidays and seasons come to all at once, and idle hours are alike
everywhere. So idle hours say nothing; from the others the device's own mean fortnight is taken, and then the mean of the day
around each hour. What stays is chance: which hours of work went better or worse than usual. Two machines do not share that.
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
_RHYTHM_H = 2 * WEEK_H
"""The rhythm taken out is that of a fortnight: shifts that change over every week are honest, and common."""
_AROUND_H = 12
"""Half the stretch whose mean is taken out: a day and an hour in all, wherever the day's border lies."""
_LATELY_D = 7
"""Half the stretch of days whose common day is taken out last."""
_UNIT = 1000
_CLIP = 3 * _UNIT
"""A residual is cut at three times the device's mean hour: one extreme hour must not carry a correlation by itself."""


_ROUNDED = 3 * _UNIT // 2
"""A residual of a count and a half or less may be rounding: of a machine with constant cycles that is all, and it repeats."""
_LOW = -(2**40)
MEMORY_H = 12
"""Hours over which one order, a product or a stop may last: so long, neighbours are not counted as independent."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Devices by hours from `first_day` (ordinal, a Monday): what was heard, what is left of it, where it worked at all.

    `heard` is in counts, or in seconds where no counter grew; `values` in thousandths of the device's mean hour.
    """

    keys: tuple[DeviceKey, ...]
    first_day: int
    heard: NDArray[np.int64]
    values: NDArray[np.int64]
    works: NDArray[np.bool_]


def residuals_of(device_days: Mapping[DeviceKey, Sequence[DeviceDay]], works_hours_min: int) -> Residuals:
    """Take the rhythm out of every device that worked in enough hours."""
    chosen = {key: [day for day in days if day.hours] for key, days in sorted(device_days.items())}
    spans = [day.day for days in chosen.values() for day in days]
    if not spans:
        none = np.zeros((0, 0), dtype=np.int64)
        return Residuals((), 0, none, none, none.astype(np.bool_))
    # From a Monday, so that weeks begin where weeks do.
    first = min(spans) - (min(spans) - 1) % 7
    hours = (max(spans) - first + 1) * DAY_H
    heard = np.stack([_series(days, first, hours) for days in chosen.values()])
    kept = (heard > 0).sum(axis=1) >= works_hours_min
    heard = heard[kept]
    works = heard > 0
    return Residuals(
        tuple(key for key, is_kept in zip(chosen, kept, strict=True) if is_kept),
        first,
        heard,
        residual_hours(heard, works),
        works,
    )


def _series(days: Sequence[DeviceDay], first: int, hours: int) -> NDArray[np.int64]:
    """Give what was done in each hour: the most telling counter's growth, or seconds running where none grew."""
    told = (
        np.frombuffer(b"".join(day.hours for day in days), dtype="<i4").astype(np.int64).reshape(-1, 2, DAY_H)
    )
    chosen = told[:, 1] if told[:, 1].any() else told[:, 0]
    series = np.zeros((hours // DAY_H, DAY_H), dtype=np.int64)
    # A day with two lives has two rows.
    np.add.at(series, [day.day - first for day in days], chosen)
    return series.reshape(-1)


def residual_hours(
    heard: NDArray[np.int64], works: NDArray[np.bool_], *, by_median: bool = False
) -> NDArray[np.int64]:
    """Take the mean fortnight out, or the fortnight `by_median`: there one week's stop leaves no trace in other weeks."""
    hours = heard.shape[1]
    # Each hour against the hours around it first: on a slow day, breaks and peaks are smaller than on others.
    count, level = _around(works.astype(np.int64)), np.maximum(1, _around(heard))
    told = np.where(works, heard * _UNIT * count // level, 0)
    hour = np.arange(hours) % _RHYTHM_H
    usual = np.zeros_like(told)
    for slot in range(min(_RHYTHM_H, hours)):
        at = hour == slot
        usual[:, at] = (ranked if by_median else _mean)(told[:, at], works[:, at])[:, None]
    rest = np.where(works, np.clip(told - usual, -_CLIP, _CLIP), 0)
    around = _around(rest) // np.maximum(1, count)
    left = np.where(works, rest - around, 0)
    lately = _lately(left) // np.maximum(1, _lately(works.astype(np.int64)))
    left = np.where(works, left - lately, 0)
    return np.where(np.abs(left) * level > _ROUNDED * count, left, 0)


def _mean(values: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    mean: NDArray[np.int64] = values.sum(axis=1) // np.maximum(1, known.sum(axis=1))
    return mean


def ranked(values: NDArray[np.int64], known: NDArray[np.bool_], percent: int = 50) -> NDArray[np.int64]:
    """Give each row's known value at a rank, counted from the least in percent (50: the median); 0 where none is known."""
    rising = np.where(known, values, _LOW)
    rising.sort(axis=1)
    count = known.sum(axis=1)
    place = np.minimum(
        values.shape[1] - count + np.maximum(count - 1, 0) * percent // 100, values.shape[1] - 1
    )
    found: NDArray[np.int64] = np.where(count > 0, rising[np.arange(len(rising)), place], 0)
    return found


def memory_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each device's correlation with itself one to MEMORY_H hours later, in percent."""
    energy = np.maximum(1, (values * values).sum(axis=1))
    later = [
        (values[:, by:] * values[:, :-by]).sum(axis=1) * 100 // energy
        for by in range(1, min(MEMORY_H, values.shape[1] - 1) + 1)
    ]
    return np.stack(later, axis=1)


def dependence(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give how many ten-thousandths of an hour tell as much as one independent hour, from both memories (Bartlett)."""
    found: NDArray[np.int64] = np.maximum(10_000, 10_000 + 2 * (mine * theirs).sum(axis=-1))
    return found


def _lately(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum each hour with the same hour of the days around: where another's weeks begin, another's breaks begin as well."""
    days = values.reshape(len(values), values.shape[1] // DAY_H, DAY_H)
    count = days.shape[1]
    sums = np.concatenate([np.zeros_like(days[:, :1]), np.cumsum(days, axis=1)], axis=1)
    ends, starts = (
        np.minimum(np.arange(count) + _LATELY_D + 1, count),
        np.maximum(np.arange(count) - _LATELY_D, 0),
    )
    lately: NDArray[np.int64] = (sums[:, ends] - sums[:, starts]).reshape(values.shape)
    return lately


def _around(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum each hour with the hours around it."""
    hours = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1), dtype=np.int64), np.cumsum(values, axis=1)], axis=1)
    ends = np.minimum(np.arange(hours) + _AROUND_H + 1, hours)
    starts = np.maximum(np.arange(hours) - _AROUND_H, 0)
    around: NDArray[np.int64] = sums[:, ends] - sums[:, starts]
    return around
