"""Which devices share their chance? Residual hours compared between all pairs: coarse lags first, fine ones around those.

A copy may be shifted in time, scaled, and have noise added: its residuals still go up and down with the original's. The
coarse pass (three hours a bin, all lags up to the policy's) only proposes, in single precision; what is found is decided
on whole numbers below 2^53, which no machine adds up differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H, WEEK_H, residuals_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from census.evidence import DeviceDay, DeviceKey
    from census.residuals import Residuals

BIN_H = 3
_PROPOSED = 24
"""Partners proposed a device at most. A copy's lag stands out from a thousand by far; more costs time, not truth."""
_PROPOSE_PERCENT = 12
"""Below this a coarse correlation proposes nothing: a full copy that lies between two bins keeps half of its own."""
_STRETCHES_D = (14, 28)
"""Part of the time may be copied: beside the whole, stretches of two and four weeks are looked at."""


@dataclass(frozen=True, slots=True)
class PairLimits:
    """What makes shared chance a copy: the policy's `copy_strength`, `copy_sigmas` and their neighbours there."""

    strength_percent: int
    sigmas: int
    replay_sigmas: int
    lag_d: int
    line_lag_h: int
    days_min: int

    @property
    def works_hours_min(self) -> int:
        """Hours below which not even a perfect copy could be told from chance."""
        return min(self.sigmas, self.replay_sigmas) ** 2


@dataclass(frozen=True, slots=True)
class Shared:
    """`mine` goes with `theirs` `lag_h` hours earlier (0: at once), as strongly as `strength` percent, on these days."""

    mine: DeviceKey
    theirs: DeviceKey
    lag_h: int
    strength: int
    days: tuple[int, ...]


def find_shared(device_days: Mapping[DeviceKey, Sequence[DeviceDay]], limits: PairLimits) -> list[Shared]:
    """Find every pair that shares its chance, and every device that repeats its own of weeks ago."""
    rest = residuals_of(device_days, limits.works_hours_min)
    if not rest.keys:
        return []
    values = rest.values.astype(np.float64)
    found = [one for pair in _proposals(rest, limits) if (one := _decide(rest, values, pair, limits))]
    found += _replays(rest, limits)
    return sorted(found, key=lambda one: (one.mine, one.theirs, one.lag_h))


def _proposals(rest: Residuals, limits: PairLimits) -> Iterator[tuple[int, int, int]]:
    """Give (later device, earlier device, lag in hours) worth a closer look."""
    count, hours = rest.values.shape
    bins = rest.values.reshape(count, hours // BIN_H, BIN_H).sum(axis=2).astype(np.float32)
    norms = np.sqrt((bins * bins).sum(axis=1, keepdims=True))
    bins /= np.maximum(norms, 1)
    best = np.full((count, count), -1, dtype=np.float32)
    best_lag = np.zeros((count, count), dtype=np.int16)
    for lag in range(min(limits.lag_d * DAY_H // BIN_H, bins.shape[1] - 1) + 1):
        score = bins[:, lag:] @ bins[:, : bins.shape[1] - lag].T
        # A device is not its own copy: replays of itself are looked for by weeks.
        np.fill_diagonal(score, -1)
        better = score > best
        best[better] = score[better]
        best_lag[better] = lag
    kept = min(_PROPOSED, count - 1)
    if kept < 1:
        return
    for late in range(count):
        for early in np.argpartition(best[late], count - kept)[count - kept :]:
            if best[late, early] * 100 >= _PROPOSE_PERCENT:
                yield late, int(early), int(best_lag[late, early]) * BIN_H


def _decide(
    rest: Residuals, values: NDArray[np.float64], pair: tuple[int, int, int], limits: PairLimits
) -> Shared | None:
    """Look at the lags around a proposed one, on whole numbers: the one with the greatest product is measured."""
    late, early, near_h = pair
    # The stations of one line wait for each other.
    first = limits.line_lag_h + 1 if rest.keys[late][0] == rest.keys[early][0] else 0
    lags = range(max(first, near_h - BIN_H), min(near_h + BIN_H, values.shape[1] - DAY_H) + 1)
    products = [float(values[late, lag:] @ values[early, : values.shape[1] - lag]) for lag in lags]
    if not products or max(products) <= 0:
        return None
    return _measure(rest, (late, early, lags[products.index(max(products))]), limits)


def _measure(rest: Residuals, pair: tuple[int, int, int], limits: PairLimits) -> Shared | None:
    """Measure the whole time in common, and, where that is no copy, the likeliest stretches of it."""
    late, early, lag = pair
    hours = rest.values.shape[1] - lag
    # An hour heard in one week alone is its own mean: a residual of nothing says nothing, and is not compared.
    both = (rest.values[late, lag:] != 0) & (rest.values[early, :hours] != 0)
    mine = np.where(both, rest.values[late, lag:], 0).astype(np.float64)
    theirs = np.where(both, rest.values[early, :hours], 0).astype(np.float64)
    days = (lag + np.arange(hours)) // DAY_H
    sums = np.stack([np.bincount(days, part) for part in (mine * theirs, mine * mine, theirs * theirs, both)])
    whole = _strength(sums.sum(axis=1), limits.sigmas, limits.strength_percent)
    if whole is not None:
        return _shared(rest, pair, whole, sums[3] > 0, limits)
    totals = np.concatenate([np.zeros((4, 1)), np.cumsum(sums, axis=1)], axis=1)
    for stretch in _STRETCHES_D:
        parts = totals[:, stretch:] - totals[:, :-stretch]
        for start in np.argsort(-parts[0], kind="stable")[:3]:
            part = _strength(parts[:, start], limits.sigmas, limits.strength_percent)
            if part is not None:
                inside = np.zeros(sums.shape[1], dtype=np.bool_)
                inside[start : start + stretch] = True
                return _shared(rest, pair, part, inside & (sums[3] > 0), limits)
    return None


def _strength(told: NDArray[np.float64], sigmas: int, least: int) -> int | None:
    """Give the correlation in percent; None when it is below the `least` or could be chance among so many pairs.

    `told` is the sum of products, both sums of squares, and the hours in common: whole numbers all.
    """
    product, mine, theirs, hours = (int(value) for value in told)
    squared, energy = product * product, mine * theirs
    if product <= 0 or squared * 10_000 < least**2 * energy or squared * hours < sigmas**2 * energy:
        return None
    percent = least
    while percent < 100 and squared * 10_000 >= (percent + 1) ** 2 * energy:
        percent += 1
    return percent


def _shared(
    rest: Residuals, pair: tuple[int, int, int], strength: int, days: NDArray[np.bool_], limits: PairLimits
) -> Shared | None:
    late, early, lag = pair
    found = tuple(int(day) + rest.first_day for day in np.flatnonzero(days))
    if len(found) < limits.days_min:
        return None
    return Shared(rest.keys[late], rest.keys[early], lag, strength, found)


def _replays(rest: Residuals, limits: PairLimits) -> Iterator[Shared]:
    """Find runs of weeks that repeat earlier weeks of the same device, after its mean week."""
    count, hours = rest.values.shape
    weeks = -(-hours // WEEK_H)
    values = np.zeros((count, weeks * WEEK_H))
    values[:, :hours] = rest.values
    works = np.zeros((count, weeks * WEEK_H))
    works[:, :hours] = rest.works
    values, works = values.reshape(count, weeks, WEEK_H), works.reshape(count, weeks, WEEK_H)
    for lag in range(1, weeks):
        mine, theirs, there, then = values[:, lag:], values[:, :-lag], works[:, lag:], works[:, :-lag]
        told = np.stack([mine * theirs, mine * mine * then, theirs * theirs * there, there * then]).sum(
            axis=3
        )
        yield from _runs(
            rest, np.concatenate([np.zeros((4, count, 1)), np.cumsum(told, axis=2)], axis=2), lag, limits
        )


def _runs(rest: Residuals, totals: NDArray[np.float64], lag: int, limits: PairLimits) -> Iterator[Shared]:
    """Choose each device's least likely run of weeks at one lag, when it is no chance."""
    count, ends = totals.shape[1:]
    best, best_run = np.zeros(count), np.zeros((count, 2), dtype=np.int64)
    for start in range(ends - 1):
        for end in range(start + 1, ends):
            product, mine, theirs, both = totals[:, :, end] - totals[:, :, start]
            score = np.maximum(product, 0) ** 2 * both / np.maximum(mine * theirs, 1)
            better = score > best
            best[better], best_run[better] = score[better], (start, end)
    for device in np.flatnonzero(best >= limits.replay_sigmas**2):
        start, end = best_run[device]
        told = totals[:, device, end] - totals[:, device, start]
        strength = _strength(told, limits.replay_sigmas, limits.strength_percent)
        if strength is not None:
            days = np.zeros(rest.values.shape[1] // DAY_H, dtype=np.bool_)
            days[(start + lag) * 7 : (end + lag) * 7] = True
            days &= rest.works[device].reshape(-1, DAY_H).any(axis=1)
            one = _shared(rest, (int(device), int(device), lag * WEEK_H), strength, days, limits)
            if one is not None:
                yield one
