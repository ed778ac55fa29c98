"""Which devices repeat their own weeks? Chance that comes again, or one week told for ever. Pure.

Weeks that repeat earlier ones are told by what is left without the fortnight's rhythm. Of one week (or two) told all the time
that leaves nothing: its chance has become the rhythm. So hours are also compared without taking the week out (`rough`),
and must agree more strongly, for some of an honest week's roughness is planned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H, WEEK_H, dependence, memory_of, residual_hours
from census.rough import rough_hours
from census.shared import CAP, Shared, strength_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from census.residuals import Residuals
    from census.shared import PairLimits

_Run = tuple[int, int, int, int]
"""Device, lag in weeks, first week that is repeated, and the week it ends before."""


def find_replays(rest: Residuals, limits: PairLimits) -> Iterator[Shared]:
    """Find runs of weeks that repeat earlier weeks of the same device."""
    found = set()
    chance = residual_hours(rest.heard, rest.works, by_median=True)
    for told, run in _runs(chance, chance != 0, limits.replay_sigmas**2):
        strength = strength_of(told, limits.replay_sigmas**2, limits.strength_percent)
        if strength is not None and (one := _shared(rest, run, strength, limits)):
            found.add(run[0])
            yield one
    rough = rough_hours(rest.heard, limits.week_rough_percent)
    least = limits.replay_sigmas**2
    best: dict[int, Shared] = {}
    for told, run in _runs(rough.values, rough.known, least):
        strength = strength_of(told, least, limits.week_strength_percent)
        if strength is None or run[0] in found or not _is_dense(rest, run, limits):
            continue
        one = _shared(rest, run, strength, limits)
        if one is not None and (run[0] not in best or len(one.days) > len(best[run[0]].days)):
            best[run[0]] = replace(one, is_week=True)
    yield from best.values()


def _cap(values: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give each device's greatest product that counts (`shared.capped`)."""
    cap = CAP * (values * values).sum(axis=1) // np.maximum(1, known.sum(axis=1))
    return np.asarray(cap, dtype=np.float64)


def _by_weeks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    count, hours = values.shape
    weeks = np.zeros((count, -(-hours // WEEK_H) * WEEK_H))
    weeks[:, :hours] = values
    return weeks.reshape(count, -1, WEEK_H)


def _sums(
    values: NDArray[np.float64], known: NDArray[np.float64], cap: NDArray[np.float64], lag: int
) -> NDArray[np.float64]:
    """Sum up to each week: products, both squares and hours in common, a row each, by device and week."""
    mine, theirs, there, then = values[:, lag:], values[:, :-lag], known[:, lag:], known[:, :-lag]
    products = np.minimum(mine * theirs, cap[:, None, None])
    told = np.stack([products, mine * mine * then, theirs * theirs * there, there * then]).sum(axis=3)
    return np.concatenate([np.zeros((*told.shape[:2], 1)), np.cumsum(told, axis=2)], axis=2)


def _runs(
    values: NDArray[np.int64], known: NDArray[np.bool_], least: int
) -> Iterator[tuple[tuple[int, ...], _Run]]:
    """Give, at each lag, each device's least likely run of weeks, when its squared sigmas are no fewer than the `least`."""
    by_weeks, there = _by_weeks(values), _by_weeks(known.astype(np.int64))
    count, weeks = by_weeks.shape[:2]
    cap, memory = _cap(values, known), memory_of(values)
    dependent = dependence(memory, memory)
    for lag in range(1, weeks):
        totals = _sums(by_weeks, there, cap, lag)
        best, best_run = np.zeros(count), np.zeros((count, 2), dtype=np.int64)
        for start in range(weeks - lag):
            for end in range(start + 1, weeks - lag + 1):
                product, mine, theirs, both = totals[:, :, end] - totals[:, :, start]
                score = np.maximum(product, 0) ** 2 * both * 10_000 / dependent / np.maximum(mine * theirs, 1)
                better = score > best
                best[better], best_run[better] = score[better], (start, end)
        for device in np.flatnonzero(best >= least):
            start, end = (int(week) for week in best_run[device])
            told = tuple(int(part) for part in totals[:, device, end] - totals[:, device, start])
            independent = told[3] * 10_000 // int(dependent[device])
            yield (*told[:3], independent), (int(device), lag, start, end)


def _is_dense(rest: Residuals, run: _Run, limits: PairLimits) -> bool:
    """Tell whether most hours agree and not only those beside fixed events: against the nearer neighbour, by three quarters."""
    device, lag, start, end = run
    rough = rough_hours(rest.heard[device : device + 1], 0, nearer=True)
    cap = _cap(rough.values, rough.known)
    totals = _sums(_by_weeks(rough.values), _by_weeks(rough.known.astype(np.int64)), cap, lag)
    told = tuple(int(part) for part in totals[:, 0, end] - totals[:, 0, start])
    return strength_of(told, 0, limits.week_strength_percent * 3 // 4) is not None


def _shared(rest: Residuals, run: _Run, strength: int, limits: PairLimits) -> Shared | None:
    device, lag, start, end = run
    days = np.zeros(rest.values.shape[1] // DAY_H, dtype=np.bool_)
    days[(start + lag) * 7 : (end + lag) * 7] = True
    days &= rest.works[device].reshape(-1, DAY_H).any(axis=1)
    told = tuple(int(day) + rest.first_day for day in np.flatnonzero(days))
    if len(told) < limits.days_min:
        return None
    return Shared(rest.keys[device], rest.keys[device], lag * WEEK_H, strength, told)
