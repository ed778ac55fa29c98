"""By how much does each hour stand out against its neighbours, beyond what it does every day? Exact integers. Pure.

What is smooth within a day (shifts, drift, a product's pace) and what is of every day (breaks at a fixed hour) is taken
out, and nothing of the week is. What stays is chance, and the next week's is another. A fixed event of the week stays
too, but is rare among the week's hours: a device's values are cut at their median size, so that none says more than most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H, WEEK_H

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEEKDAYS = 5
"""Days that share a rhythm of the day. Saturday and Sunday have each their own, and no other day to tell it by."""
_UNIT = 1000
_LOW = -(2**40)
_LEAST = 40
_QUIET_PERCENT = 30
"""A device is rough when seven of ten of its hours stand out by `_LEAST` thousandths: constant cycles with some fixed stops are not."""


@dataclass(frozen=True, slots=True)
class Rough:
    """Devices by hours: thousandths of the mean of an hour and its neighbours, and where that says something."""

    values: NDArray[np.int64]
    known: NDArray[np.bool_]


def rough_hours(heard: NDArray[np.int64], *, nearer: bool = False) -> Rough:
    """Compare hours from a Monday's midnight on with the mean of both neighbours, or with the `nearer` of the two.

    Of a device whose quiet hours stand out by less than a twenty-fifth nothing is known: a machine of constant cycles
    repeats itself honestly. Against the nearer neighbour an event touches its own hour alone, and no other.
    """
    known = np.zeros(heard.shape, dtype=np.bool_)
    works, at = heard > 0, np.arange(heard.shape[1])
    known[:, 1:-1] = works[:, 1:-1] & works[:, :-2] & works[:, 2:]
    known &= at // DAY_H % 7 < _WEEKDAYS
    values = np.where(known, _stand_out(heard, nearer=nearer), 0)
    # Shifts that change over every week have two kinds of days.
    slot = at % DAY_H + DAY_H * (at // WEEK_H % 2)
    for one in range(2 * DAY_H):
        here = slot == one
        usual = ranked(values[:, here], known[:, here])
        values[:, here] = np.where(known[:, here], values[:, here] - usual[:, None], 0)
    sizes = np.abs(values)
    if not nearer:
        known &= (ranked(sizes, known, _QUIET_PERCENT) >= _LEAST)[:, None]
    bound = ranked(sizes, known)[:, None]
    return Rough(np.where(known, np.clip(values, -bound, bound), 0), known)


def _stand_out(heard: NDArray[np.int64], *, nearer: bool) -> NDArray[np.int64]:
    before, now, after = heard[:, :-2], heard[:, 1:-1], heard[:, 2:]
    up, down = now - before, now - after
    rise = np.where(np.abs(up) <= np.abs(down), 2 * up, 2 * down) if nearer else up + down
    values = np.zeros_like(heard)
    # The mean of three in both places: 3/2 of the rise by the sum.
    values[:, 1:-1] = rise * (3 * _UNIT // 2) // np.maximum(1, before + now + after)
    return values


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
