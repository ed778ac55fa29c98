"""Which devices share their chance? Pairs, and devices with themselves, measured at the lags that were proposed.

A copy may be shifted in time, scaled, and have noise added: its residuals still go up and down with the original's. What
is proposed in single precision is decided here, on whole numbers below 2^53, which no machine adds up differently.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from census.proposals import STRETCHES_D, propose
from census.replays import plan_strength, propose_replays
from census.residuals import DAY_H, dependence, memory_of, residuals_of
from census.shared import HOURS_MIN, PairLimits, Shared, capped, strength_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from census.evidence import DeviceDay, DeviceKey
    from census.residuals import Residuals

__all__ = ["PairLimits", "Shared", "find_shared"]
_STARTS = 3
"""Stretches of a length that are measured: those of the greatest products. Their neighbours tell the same."""


def find_shared(
    device_days: Mapping[DeviceKey, Sequence[DeviceDay]],
    limits: PairLimits,
    places: Mapping[str, Hashable] | None = None,
) -> list[Shared]:
    """Find every pair that shares its chance, and every device that repeats its own.

    `places` tells each gateway's firm and workshop; a gateway that is missing there is a place of its own.
    """
    rest = residuals_of(device_days, HOURS_MIN)
    if not rest.keys:
        return []
    memory, own = memory_of(rest.values, by_week=True), memory_of(rest.own)
    found: dict[tuple[int, int], Shared] = {}
    proposed = chain(propose(rest, limits, places or {}), propose_replays(rest, limits))
    for late, early, lag in proposed:
        if (late, early) in found:
            continue
        told = own if late == early else memory
        dependent = int(dependence(told[late], told[early]))
        one = _measure(rest, (late, early, lag), dependent, limits)
        if one is not None:
            found[late, early] = one
    return sorted(found.values(), key=lambda one: (one.mine, one.theirs, one.lag_h))


def _measure(
    rest: Residuals, pair: tuple[int, int, int], dependent: int, limits: PairLimits
) -> Shared | None:
    """Measure the whole time in common, and, where that is no copy, the likeliest stretches of it."""
    late, early, lag = pair
    values = rest.own if late == early else rest.values
    mine, theirs = values[late], np.zeros_like(values[late])
    theirs[lag:] = values[early, : len(theirs) - lag]
    # A residual of nothing says nothing, and is not compared.
    both = (mine != 0) & (theirs != 0)
    mine, theirs = np.where(both, mine, 0), np.where(both, theirs, 0)
    least = limits.strength_percent, limits.sigmas
    if late == early:
        least = limits.replay_certain_percent, limits.replay_sigmas
    told = np.stack([mine * theirs, mine * mine, theirs * theirs, both])
    told[0] = capped(told[0], *(int(part) for part in told[1:].sum(axis=1)))
    sums = told.reshape(4, -1, DAY_H).sum(axis=2)
    totals = np.concatenate([np.zeros((4, 1), dtype=np.int64), np.cumsum(sums, axis=1)], axis=1)
    best: tuple[Fraction, int, int, int] | None = None
    for start, end in _spans(totals):
        part = _strength(totals[:, end] - totals[:, start], dependent, least)
        # The span that is furthest from chance tells which days are copied.
        if part is not None and (best is None or part[0] > best[0]):
            best = (*part, start, end)
    if best is None:
        return None
    days = sums[3] > 0
    days[: best[2]] = days[best[3] :] = False
    return _shared(rest, pair, best[1], days, limits)


def _spans(totals: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Give the whole time, then of each length the stretches of the greatest products, as [start, end) in days."""
    count = totals.shape[1] - 1
    yield 0, count
    for stretch in STRETCHES_D:
        products = totals[0, stretch:] - totals[0, :-stretch]
        for start in np.argsort(-products, kind="stable")[:_STARTS]:
            yield int(start), int(start) + stretch


def _strength(told: NDArray[np.int64], dependent: int, least: tuple[int, int]) -> tuple[Fraction, int] | None:
    """Give how far from chance it is, as Student's t squared, and the correlation in percent."""
    product, mine, theirs, hours = (int(part) for part in told)
    percent, sigmas = least
    independent = hours * 10_000 // dependent
    strength = strength_of((product, mine, theirs, independent), sigmas, percent)
    if strength is None:
        return None
    squared = product * product
    return Fraction(squared * independent, max(1, mine * theirs - squared)), strength


def _shared(
    rest: Residuals, pair: tuple[int, int, int], strength: int, days: NDArray[np.bool_], limits: PairLimits
) -> Shared | None:
    late, early, lag = pair
    if late == early:
        strength = min(strength, plan_strength(rest.heard[late], lag, days))
        if strength < limits.replay_strength_percent:
            return None
    found = tuple(int(day) + rest.first_day for day in np.flatnonzero(days))
    if len(found) < limits.days_min:
        return None
    return Shared(rest.keys[late], rest.keys[early], lag, strength, found)
