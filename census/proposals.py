"""Which pairs of devices, at which lag, are worth measuring? All pairs over the whole time and by fortnights, the best finely.

Single precision throughout: nothing is found here, only proposed. A copy of the whole time stands out over the whole, where
every hour's lag is tried; one of some weeks in one of its fortnights or in two together, where three hours are one bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from census.residuals import DAY_H

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

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
_PROPOSED_WHOLE = 16
"""Further partners, a device: the best over the whole time, at each hour's lag."""
_SHORT_SIGMAS = 3
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


def propose(
    rest: Residuals, limits: PairLimits, places: Mapping[str, Hashable]
) -> Iterator[tuple[int, int, int]]:
    """Give (later device, earlier device, lag in hours) of the pairs to measure."""
    count, hours = rest.values.shape
    if count < 2:
        return
    blocks = _blocks(rest.values)
    lag_bins = min(limits.lag_d * DAY_H // BIN_H, hours // BIN_H - 1)
    fine = _Fine(rest, limits, places, (lag_bins + 2) * BIN_H)
    whole, whole_lag = _whole(rest.values, max(1, min(limits.lag_d * DAY_H, hours - DAY_H)))
    scales = [
        [blocks.early_scale(max(0, start - lag), max(0, end - lag)) for start, end in blocks.edges]
        for lag in range(lag_bins + 1)
    ]
    for first in range(0, count, _TILE):
        best, best_lag = _best(blocks, scales, first)
        for row, scores in enumerate(best):
            late = first + row
            found: dict[tuple[int, int, int], None] = {}
            for kept, score, lags in (
                (_PROPOSED, scores, best_lag[row]),
                (_PROPOSED_WHOLE, whole[late], whole_lag[late]),
            ):
                chosen = np.sort(np.argpartition(score, max(0, count - kept))[max(0, count - kept) :])
                chosen = chosen[chosen != late]
                found |= dict.fromkeys(fine.worth(late, chosen, lags[chosen].astype(np.int64)))
            yield from found


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


def _whole(values: NDArray[np.int64], lag_max: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Give, for each later and earlier device, the greatest correlation of the whole time in common, and its lag (hours).

    Every lag in whole hours up to `lag_max`, by Fourier's product: a bin of three hours would lose what is shifted by one.
    """
    count, hours = values.shape
    size = _round_size(hours + lag_max)
    # Scaled over the whole time, not over what is in common at a lag: a long lag is proposed for a little less than it is.
    norms = np.sqrt(np.square(values, dtype=np.float64).sum(axis=1, keepdims=True))
    spectra = np.fft.rfft((values / np.maximum(norms, 1)).astype(np.float32), size, axis=1)
    turned = spectra.conj()
    best = np.full((count, count), -1, dtype=np.float32)
    best_lag = np.zeros((count, count), dtype=np.int16)
    for one in range(count - 1):
        others = slice(one + 1, count)
        products = np.fft.irfft(spectra[one] * turned[others], size, axis=1)
        rows = np.arange(count - one - 1)
        # Where `one` is later the lag runs up from 0, where it is earlier down from the end.
        at = products[:, : lag_max + 1].argmax(axis=1)
        best[one, others], best_lag[one, others] = products[rows, at], at
        at = products[:, size - lag_max :].argmax(axis=1) - lag_max
        best[others, one], best_lag[others, one] = products[rows, at], -at
    return best, best_lag


def _round_size(least: int) -> int:
    """Give the next size without a prime above 5, for which the transform is fast."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def _best(
    blocks: _Blocks, scales: Sequence[Sequence[NDArray[np.float32]]], first: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give a tile's best score with each device, and the lag (hours) it is at."""
    late = blocks.late[first : first + _TILE]
    count = len(late)
    shape = count, len(blocks.bins)
    best, best_lag = np.full(shape, -1, dtype=np.float32), np.zeros(shape, dtype=np.int64)
    for lag, by_block in enumerate(scales):
        score = _at_lag(blocks, late, lag, by_block)
        # A device is not its own copy: replays of itself are looked for elsewhere.
        score[np.arange(count), first + np.arange(count)] = -1
        better = score > best
        np.copyto(best, score, where=better)
        np.copyto(best_lag, lag * BIN_H, where=better)
    return best, best_lag


def _at_lag(
    blocks: _Blocks, late: NDArray[np.float32], lag: int, scales: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Give the best of each block and of each two at one lag, as if each were as long as one block."""
    before: NDArray[np.float32] | None = None
    peak = np.full((len(late), len(blocks.bins)), -1, dtype=np.float32)
    for (start, end), scale in zip(blocks.edges, scales, strict=True):
        begin = max(start, lag)
        if begin >= end:
            continue
        score = late[:, begin:end] @ blocks.bins[:, begin - lag : end - lag].T
        score *= scale
        np.maximum(peak, score, out=peak)
        if before is not None:
            before += score
            before *= np.float32(0.5**0.5)
            np.maximum(peak, before, out=peak)
        before = score
    return peak


class _Fine:
    """Hours of all devices, with room for every lag, and how far a pair's best stretch is from chance."""

    def __init__(
        self, rest: Residuals, limits: PairLimits, places: Mapping[str, Hashable], lag_max_h: int
    ) -> None:
        count, hours = rest.values.shape
        self.places = [places.get(gateway, gateway) for gateway, _ in rest.keys]
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
            first = self.limits.line_lag_h + 1 if self.places[late] == self.places[early] else 0
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
