"""What makes shared chance a copy, and what is told of one? Limits, the finding, and the measure of a correlation. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from census.evidence import DeviceKey

CAP = 4
"""An hour's product counts at most four times its mean size: two machines stopped in the same few hours are no copies."""
HOURS_MIN = 48
"""Independent hours in common below which eight sigmas of Student's t are no longer beyond a city's many comparisons."""


@dataclass(frozen=True, slots=True)
class PairLimits:
    """What makes shared chance a copy: the policy's `copy_strength`, `copy_sigmas` and their neighbours there."""

    strength_percent: int
    sigmas: int
    replay_strength_percent: int
    replay_certain_percent: int
    replay_sigmas: int
    lag_d: int
    line_lag_h: int
    days_min: int


@dataclass(frozen=True, slots=True)
class Shared:
    """`mine` goes with `theirs` `lag_h` hours earlier (0: at once), as strongly as `strength` percent, on these days."""

    mine: DeviceKey
    theirs: DeviceKey
    lag_h: int
    strength: int
    days: tuple[int, ...]


def strength_of(told: Sequence[int], sigmas: int, least: int) -> int | None:
    """Give the correlation in percent; None when it is below the `least` or could be chance among so many comparisons.

    `told` is the sum of products, both sums of squares, and the independent hours in common: whole numbers all. What
    is compared with the sigmas is Student's t: r 0.9 over 60 hours says more than r 0.5 over 200.
    """
    product, mine, theirs, hours = told
    squared, energy = product * product, mine * theirs
    if product <= 0 or hours < HOURS_MIN or squared * 10_000 < least**2 * energy:
        return None
    if squared * (hours - 2) < sigmas**2 * (energy - squared):
        return None
    percent = least
    while percent < 100 and squared * 10_000 >= (percent + 1) ** 2 * energy:
        percent += 1
    return percent


def capped(products: NDArray[np.int64], mine: int, theirs: int, hours: int) -> NDArray[np.int64]:
    """Cut products at CAP times what they are on the mean, given both sums of squares over `hours`."""
    return np.minimum(products, CAP * isqrt(mine * theirs) // max(1, hours))
