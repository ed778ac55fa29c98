"""Which devices, at which lag, may repeat themselves? Every hour's lag of each device with itself, by Fourier transforms.

Double precision, and nothing is found here, only proposed: what is proposed is measured on whole numbers (`pairs.py`).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H
from census.rough import rough_hours
from census.shared import HOURS_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from census.residuals import Residuals
    from census.shared import PairLimits

_PROPOSED = 3
"""Lags measured, a device: a loop repeats itself at every multiple of its length, and the likeliest are told first."""
_SHORT_SIGMAS = 4
"""A replay of part of the time is weaker over the whole: lags this far below the policy's sigmas are measured."""


def propose_replays(rest: Residuals, limits: PairLimits) -> Iterator[tuple[int, int, int]]:
    """Give (device, the same device, lag in hours) to measure, the likeliest lag of each device first."""
    hours = rest.own.shape[1]
    if hours < 2 * DAY_H:
        return
    least = max(0, limits.replay_sigmas - _SHORT_SIGMAS)
    for device, values in enumerate(rest.own):
        sigmas = _sigmas(values)
        sigmas[:DAY_H] = 0
        for lag in np.argsort(-sigmas, kind="stable")[:_PROPOSED]:
            if sigmas[lag] >= least:
                yield device, device, int(lag)


def _sigmas(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give r times the root of the hours in common, at each lag from 0 on."""
    hours = len(values)
    size = 1 << (2 * hours - 1).bit_length()
    told = np.stack([values / 1000, (values / 1000) ** 2, values != 0])
    wave = np.fft.rfft(told, size)
    # Rows of the later hours by rows of the earlier: products, both squares where the other is known, hours in common.
    later, earlier = wave[[0, 1, 2, 2]], np.conj(wave[[0, 2, 1, 2]])
    product, mine, theirs, common = np.fft.irfft(later * earlier, size)[:, :hours]
    sigmas: NDArray[np.float64] = product * np.sqrt(np.maximum(common, 0) / np.maximum(mine * theirs, 1e-6))
    sigmas[common < HOURS_MIN] = 0
    return sigmas


def plan_strength(heard: NDArray[np.int64], lag: int, days: NDArray[np.bool_]) -> int:
    """Give, in percent, how strongly a device's hours stand out alike `lag` hours later, on these days: all of them.

    A weekly plan makes whole stretches alike, or a few hours that stand apart. So what is smooth within a day says
    nothing here, no hour says more than most, and three quarters must be left against the nearer neighbour.
    """
    inside = np.repeat(days, DAY_H)[lag:]
    least = 100
    for nearer in (False, True):
        rough = rough_hours(heard[None], nearer=nearer)
        both = rough.known[0, lag:] & rough.known[0, :-lag] & inside
        mine, theirs = rough.values[0, lag:][both], rough.values[0, :-lag][both]
        energy = int((mine * mine).sum()) * int((theirs * theirs).sum())
        product = max(0, int((mine * theirs).sum()))
        if not energy or len(mine) < HOURS_MIN // 2:
            return 0
        percent = isqrt(product * product * 10_000 // energy)
        least = min(least, percent * 4 // 3 if nearer else percent)
    return least
