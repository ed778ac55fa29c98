"""Which devices share their chance? Residual hours compared between all pairs: coarse lags first, fine ones around those.

A copy may be shifted in time, scaled, and have noise added: its residuals still go up and down with the original's. What
is proposed in single precision is decided here, on whole numbers below 2^53, which no machine adds up differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from census.proposals import STRETCHES_D, propose
from census.residuals import DAY_H, dependence, memory_of, residuals_of
from census.shared import PairLimits, Shared, capped, strength_of
from census.weeks import find_replays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from census.evidence import DeviceDay, DeviceKey
    from census.residuals import Residuals

__all__ = ["PairLimits", "Shared", "find_shared"]
_STARTS = 3
"""Stretches of a length that are measured: those of the greatest products. Their neighbours tell the same."""


def find_shared(device_days: Mapping[DeviceKey, Sequence[DeviceDay]], limits: PairLimits) -> list[Shared]:
    """Find every pair that shares its chance, and every device that repeats its own of weeks ago."""
    rest = residuals_of(device_days, limits.works_hours_min)
    if not rest.keys:
        return []
    memory = memory_of(rest.values)
    found = []
    for late, early, lag in propose(rest, limits):
        one = _measure(rest, (late, early, lag), int(dependence(memory[late], memory[early])), limits)
        if one is not None:
            found.append(one)
    found += find_replays(rest, limits)
    return sorted(found, key=lambda one: (one.mine, one.theirs, one.lag_h))


def _measure(
    rest: Residuals, pair: tuple[int, int, int], dependent: int, limits: PairLimits
) -> Shared | None:
    """Measure the whole time in common, and, where that is no copy, the likeliest stretches of it."""
    late, early, lag = pair
    mine, theirs = rest.values[late], np.zeros_like(rest.values[late])
    theirs[lag:] = rest.values[early, : len(theirs) - lag]
    # An hour heard in one week alone is its own mean: a residual of nothing says nothing, and is not compared.
    both = (mine != 0) & (theirs != 0)
    mine, theirs = np.where(both, mine, 0), np.where(both, theirs, 0)
    told = np.stack([mine * theirs, mine * mine, theirs * theirs, both])
    told[0] = capped(told[0], *(int(part) for part in told[1:].sum(axis=1)))
    sums = told.reshape(4, -1, DAY_H).sum(axis=2)
    heard = sums[3] > 0
    whole = _strength(sums.sum(axis=1), dependent, limits)
    if whole is not None:
        return _shared(rest, pair, whole, heard, limits)
    totals = np.concatenate([np.zeros((4, 1), dtype=np.int64), np.cumsum(sums, axis=1)], axis=1)
    for stretch in STRETCHES_D:
        parts = totals[:, stretch:] - totals[:, :-stretch]
        for start in np.argsort(-parts[0], kind="stable")[:_STARTS]:
            part = _strength(parts[:, start], dependent, limits)
            if part is not None:
                inside = np.zeros(sums.shape[1], dtype=np.bool_)
                inside[start : start + stretch] = True
                return _shared(rest, pair, part, inside & heard, limits)
    return None


def _strength(told: NDArray[np.int64], dependent: int, limits: PairLimits) -> int | None:
    product, mine, theirs, hours = (int(part) for part in told)
    independent = hours * 10_000 // dependent
    return strength_of((product, mine, theirs, independent), limits.sigmas**2, limits.strength_percent)


def _shared(
    rest: Residuals, pair: tuple[int, int, int], strength: int, days: NDArray[np.bool_], limits: PairLimits
) -> Shared | None:
    late, early, lag = pair
    found = tuple(int(day) + rest.first_day for day in np.flatnonzero(days))
    if len(found) < limits.days_min:
        return None
    return Shared(rest.keys[late], rest.keys[early], lag, strength, found)
