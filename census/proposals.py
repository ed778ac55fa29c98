"""Which pairs of devices, at which lag, are worth measuring? All pairs coarsely by fortnights, the best of each finely.

Single precision throughout: nothing is found here, only proposed. A copy of the whole time stands out over the whole, one of
some weeks in one of its fortnights or in two together; each is taken for what it is among chance, and the best counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from census.residuals import Residuals
    from census.shared import PairLimits

BIN_H = 3
STRETCHES_D = (14, 21, 28)
"""Part of the time may be copied: beside the whole, stretches of two to four weeks are looked at."""
_BLOCK = 14 * DAY_H // BIN_H
_TILE = 128
"""Devices compared with all others at once: their scores stay in a core's cache."""
_PROPOSED = 32
"""Partners looked at finely, a device. A copy's lag stands out from a thousand by far; more costs time, not truth."""
_SHORT_SIGMAS = 2
"""What single precision and days that are not in common may hide: pairs this far below the policy's sigmas are measured."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Bins of all devices, each block of the later device scaled to one, and what scales the earlier's, by lag."""

    bins: NDArray[np.float32]
    late: NDArray[np.float32]
    edges: tuple[tuple[int, int], ...]
    squares: NDArray[np.float64]

    def early_scale(self, start: int, end: int) -> NDArray[np.float32]:
        """Give one by the norm of each device's bins in [start, end)."""
        norms = np.sqrt(np.maximum(self.squares[:, end] - self.squares[:, start], 1))
        return (1 / norms).astype(np.float32)


def propose(rest: Residuals, limits: PairLimits) -> Iterator[tuple[int, int, int]]:
    """Give (later device, earlier device, lag in hours) of the pairs to measure."""
    count, hours = rest.values.shape
    if count < 2:
        return
    blocks = _blocks(rest.values)
    lag_bins = min(limits.lag_d * DAY_H // BIN_H, hours // BIN_H - 1)
    fine = _Fine(rest, limits, (lag_bins + 1) * BIN_H)
    kept = min(_PROPOSED, count - 1)
    scales = [
        [blocks.early_scale(max(0, start - lag), max(0, end - lag)) for start, end in blocks.edges]
        for lag in range(lag_bins + 1)
    ]
    for first in range(0, count, _TILE):
        best, best_lag = _best(blocks, scales, first)
        for row in range(len(best)):
            chosen = np.sort(np.argpartition(best[row], count - kept)[count - kept :])
            yield from fine.worth(first + row, chosen, best_lag[row, chosen] * BIN_H)


def _blocks(values: NDArray[np.int64]) -> _Blocks:
    count, hours = values.shape
    bins = values.reshape(count, hours // BIN_H, BIN_H).sum(axis=2).astype(np.float32)
    starts = list(range(0, bins.shape[1], _BLOCK))
    if len(starts) > 1 and bins.shape[1] - starts[-1] < _BLOCK // 2:
        starts.pop()
    edges = tuple(zip(starts, [*starts[1:], bins.shape[1]], strict=True))
    late = bins.copy()
    for start, end in edges:
        norms = np.sqrt((bins[:, start:end] ** 2).sum(axis=1, keepdims=True))
        late[:, start:end] /= np.maximum(norms, 1)
    squares = np.zeros((count, bins.shape[1] + 1))
    np.cumsum(bins.astype(np.float64) ** 2, axis=1, out=squares[:, 1:])
    return _Blocks(bins, late, edges, squares)


def _best(
    blocks: _Blocks, scales: Sequence[Sequence[NDArray[np.float32]]], first: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give a tile's best score with each device, and the lag (bins) it is at."""
    late = blocks.late[first : first + _TILE]
    shape = len(late), len(blocks.bins)
    best, best_lag = np.full(shape, -1, dtype=np.float32), np.zeros(shape, dtype=np.int64)
    for lag, by_block in enumerate(scales):
        score = _at_lag(blocks, late, lag, by_block)
        # A device is not its own copy: replays of itself are looked for by weeks.
        score[np.arange(len(late)), first + np.arange(len(late))] = -1
        better = score > best
        np.copyto(best, score, where=better)
        np.copyto(best_lag, lag, where=better)
    return best, best_lag


def _at_lag(
    blocks: _Blocks, late: NDArray[np.float32], lag: int, scales: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Give the best of the whole, of each block and of each two at one lag, as if each were as long as one block."""
    whole: NDArray[np.float32] | None = None
    before: NDArray[np.float32] | None = None
    peak = np.full((len(late), len(blocks.bins)), -1, dtype=np.float32)
    used = 0
    for (start, end), scale in zip(blocks.edges, scales, strict=True):
        begin = max(start, lag)
        if begin >= end:
            continue
        score = late[:, begin:end] @ blocks.bins[:, begin - lag : end - lag].T
        score *= scale
        np.maximum(peak, score, out=peak)
        if whole is None or before is None:
            whole = score.copy()
        else:
            before += score
            before *= np.float32(0.5**0.5)
            np.maximum(peak, before, out=peak)
            whole += score
        before = score
        used += 1
    if whole is not None:
        whole *= np.float32(used**-0.5)
        np.maximum(peak, whole, out=peak)
    return peak


class _Fine:
    """Hours of all devices, with room for every lag, and how far a pair's best stretch is from chance."""

    def __init__(self, rest: Residuals, limits: PairLimits, lag_max_h: int) -> None:
        count, hours = rest.values.shape
        self.keys = rest.keys
        self.limits = limits
        self.offset = lag_max_h + BIN_H
        self.hours = hours
        self.padded = np.zeros((count, self.offset + hours + BIN_H), dtype=np.float32)
        self.padded[:, self.offset : self.offset + hours] = rest.values / 1000
        self.least = max(0, limits.sigmas - _SHORT_SIGMAS) ** 2

    def worth(
        self, late: int, chosen: NDArray[np.int64], lags: NDArray[np.int64]
    ) -> Iterator[tuple[int, int, int]]:
        """Give the chosen partners whose best stretch, at a lag near the coarse one, is far enough from chance."""
        mine = self.padded[late, self.offset : self.offset + self.hours]
        near = range(-BIN_H, BIN_H + 1)
        windows = np.stack(
            [
                self.padded[early, self.offset - lag - BIN_H : self.offset - lag + self.hours + BIN_H]
                for early, lag in zip(chosen, lags, strict=True)
            ]
        )
        squared = _squared_sigmas(windows, mine)
        for place, early in enumerate(chosen):
            first = self.limits.line_lag_h + 1 if self.keys[late][0] == self.keys[early][0] else 0
            allowed = [n for n, by in enumerate(near) if first <= lags[place] + by < self.hours - DAY_H]
            if not allowed:
                continue
            at = max(allowed, key=lambda n: float(squared[place, n]))
            if squared[place, at] >= self.least:
                yield late, int(early), int(lags[place]) + near[at]


def _squared_sigmas(windows: NDArray[np.float32], mine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the squared sigmas of the best stretch, by partner and lag: its squared correlation by the hours I worked in it.

    A partner's own squares are taken at the middle lag: a few hours more or less change little.
    """
    own = mine.reshape(-1, DAY_H)
    middle = windows[:, BIN_H : BIN_H + len(mine)]
    energy = np.square(middle).reshape(len(windows), -1, DAY_H).sum(axis=2)
    product = np.stack(
        [
            np.einsum("kdh,dh->kd", windows[:, at : at + len(mine)].reshape(len(windows), -1, DAY_H), own)
            for at in range(2 * BIN_H, -1, -1)
        ],
        axis=1,
    )
    mass, worked = (own * own).sum(axis=1), np.count_nonzero(own, axis=1).astype(np.float32)
    best = np.zeros(product.shape[:2], dtype=np.float32)
    for stretch in sorted({min(one, len(own)) for one in (*STRETCHES_D, len(own))}):
        sums = np.maximum(_sliding(product, stretch), 0)
        weight = _sliding(worked, stretch) / np.maximum(
            _sliding(energy, stretch) * _sliding(mass, stretch), 1e-6
        )
        np.maximum(best, (sums * sums * weight[:, None]).max(axis=2), out=best)
    return best


def _sliding(by_day: NDArray[np.float32], stretch: int) -> NDArray[np.float32]:
    """Sum each stretch of days."""
    sums = np.zeros((*by_day.shape[:-1], by_day.shape[-1] + 1), dtype=np.float32)
    np.cumsum(by_day, axis=-1, out=sums[..., 1:])
    found: NDArray[np.float32] = sums[..., stretch:] - sums[..., :-stretch]
    return found
