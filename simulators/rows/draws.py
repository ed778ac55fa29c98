"""What would Python's generator draw from here on? Its next words at once, read as its methods would from any word on.

A machine's steps draw a number of words that depends on what was drawn, so that nothing but a walk finds where each step
begins. The walk needs one table lookup a step; what is drawn there is then read for all steps together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Share = NDArray[np.float64]

WORD_BITS = 32


class Draws:
    """The next `count` words of a generator. Positions are word numbers; `count` and beyond mean that words ran out."""

    def __init__(self, rng: random.Random, count: int) -> None:
        self._rng = rng
        self._words = _words(rng, count)

    @property
    def count(self) -> int:
        """Words at hand."""
        return len(self._words)

    def more(self, count: int) -> None:
        """Draw on."""
        self._words = np.concatenate([self._words, _words(self._rng, count)])

    def shares(self) -> Share:
        """Give what `random()` would give at each position; it takes two words."""
        words = self._words
        shares = np.zeros(self.count + 4)
        told = shares[: self.count - 1]
        np.multiply(words[:-1] >> 5, 67_108_864.0, out=told)
        told += words[1:] >> 6
        told /= 9_007_199_254_740_992.0
        return shares

    def after_whole(self, least: int, most: int) -> Whole:
        """Give at each position the one behind what `randint(least, most)` takes there: words too large are passed over."""
        size = most - least + 1
        count = self.count
        behind = np.flatnonzero((self._words >> (WORD_BITS - size.bit_length())) < size) + 1
        last = int(behind[-1]) if len(behind) else 0
        after = np.full(count + 4, count)
        after[:last] = np.repeat(behind, np.diff(behind, prepend=0))
        return after

    def whole(self, after: Whole, least: int, most: int) -> Whole:
        """Give what `randint(least, most)` gave that ended at these positions."""
        shift = WORD_BITS - (most - least + 1).bit_length()
        return (self._words[after - 1] >> shift).astype(np.int64) + least


def _words(rng: random.Random, count: int) -> NDArray[np.uint32]:
    """Draw words; a large `getrandbits` gives them in their order, the first as the lowest."""
    return np.frombuffer(rng.getrandbits(WORD_BITS * count).to_bytes(4 * count, "little"), "<u4")


def shares_of(rng: random.Random, count: int) -> Share:
    """Draw as many calls of `random()` would."""
    return Draws(rng, 2 * count).shares()[: 2 * count : 2]


def walk(after: list[tuple[Whole, int]]) -> Whole:
    """Give where each step begins and, last, where the next would: `after` says for so many steps what follows a position."""
    place = 0
    places = [place]
    for table, steps in after:
        view: memoryview[int] = memoryview(table)  # type: ignore[arg-type] # numpy 2.4's stubs do not say so
        places += [place := view[place] for _ in range(steps)]
    return np.array(places)
