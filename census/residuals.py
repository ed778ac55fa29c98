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
_UNIT = 1000
_CLIP = 3 * _UNIT
"""A residual is cut at three times the device's mean hour: one extreme hour must not carry a correlation by itself."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Devices by hours from `first_day` (ordinal): thousandths of the device's mean hour, and where it worked at all."""

    keys: tuple[DeviceKey, ...]
    first_day: int
    values: NDArray[np.int64]
    works: NDArray[np.bool_]


def residuals_of(device_days: Mapping[DeviceKey, Sequence[DeviceDay]], works_hours_min: int) -> Residuals:
    """Take the rhythm out of every device that worked in enough hours."""
    chosen = {key: [day for day in days if day.hours] for key, days in sorted(device_days.items())}
    spans = [day.day for days in chosen.values() for day in days]
    if not spans:
        none = np.zeros((0, 0), dtype=np.int64)
        return Residuals((), 0, none, none.astype(np.bool_))
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
        _residual(heard, works),
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


def _residual(heard: NDArray[np.int64], works: NDArray[np.bool_]) -> NDArray[np.int64]:
    hours = heard.shape[1]
    mean = np.maximum(1, heard.sum(axis=1) // np.maximum(1, works.sum(axis=1)))
    told = np.where(works, heard * _UNIT // mean[:, None], 0)
    hour = np.arange(hours) % _RHYTHM_H
    usual = np.zeros_like(told)
    for slot in range(min(_RHYTHM_H, hours)):
        at = hour == slot
        usual[:, at] = (told[:, at].sum(axis=1) // np.maximum(1, works[:, at].sum(axis=1)))[:, None]
    rest = np.where(works, np.clip(told - usual, -_CLIP, _CLIP), 0)
    around = _around(rest) // np.maximum(1, _around(works.astype(np.int64)))
    return np.where(works, rest - around, 0)


def _around(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum each hour with the hours around it."""
    hours = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1), dtype=np.int64), np.cumsum(values, axis=1)], axis=1)
    ends = np.minimum(np.arange(hours) + _AROUND_H + 1, hours)
    starts = np.maximum(np.arange(hours) - _AROUND_H, 0)
    around: NDArray[np.int64] = sums[:, ends] - sums[:, starts]
    return around
