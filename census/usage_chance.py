"""Whose daily use goes up and down with another customer's? What stays of a day when the habit of its weekday is taken out.

Copied numbers are seldom copied plainly: a little noise is added, or they come some days late. What no habit, trend or
holiday explains is chance, and two firms do not share that. All in whole numbers until the last division, so that a figure
recomputes anywhere. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

DAYS_MIN = 14
"""Days that two customers must have in common to be compared."""
LAG_MAX_D = 14
_PAIRS_MAX = 60_000_000
"""Pairs of customers and lags looked at for one reporter, some seconds of work: of very many customers fewer lags are tried."""
_WEEKS = (-14, -7, 0, 7, 14)
"""Days whose median is a day's usual: the same weekday of the weeks around. A holiday among them does not move it."""
_USUAL_MIN = 3
_UNIT = 1000
_FAR = 600
"""A day further (thousandths) from its usual is a closed one, or a rush: those come to many firms at once."""
_CROWD = 20
"""Customers heard on a day from which on what is common to all is taken out."""
_ROUGH = 0.5
"""Correlation over all days from which on a pair is measured over its common days."""
_TELLING, _EQUAL_MIN, _SURE = 100, 6, 1_000
"""Work, and days of the very same work, from which on chance is no explanation; and how sure that is."""
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Worked:
    """One customer of a reporter: the days (ordinals) on which it had enough work, the work, and when its use began."""

    enterprise: str
    provider: str
    gateway: str
    begun: int
    days: Whole
    work: Whole


def worked(enterprise: str, provider: str, gateway: str, begun: int, packed: Sequence[int]) -> Worked:
    """Read a row of usage_work.sql."""
    days, work = np.divmod(np.asarray(packed, dtype=np.int64), 10**12)
    return Worked(enterprise, provider, gateway, begun, days, work)


@dataclass(frozen=True, slots=True)
class Alike:
    """The customer most like another: by what percent, over how many days, and how much later.

    `beyond` is by how many tenths of a standard deviation it goes beyond the best that chance gives among all that were
    compared. Equal numbers on half of the days or more, some days later, are 100 percent. `order` is 1 where this one came later (its numbers, or where they come on the same days, its use), -1 where the other
    did, and 0 where both began the same day.
    """

    other: str
    percent: int
    days: int
    beyond: int
    lag_d: int
    order: int


def find_alike(customers: Sequence[Worked]) -> dict[tuple[str, str, str], Alike]:
    """Give for each (enterprise, provider, gateway) the customer of the same reporter that is most surely like it."""
    reporters: dict[tuple[str, str], list[Worked]] = {}
    for one in customers:
        if len(one.days) >= DAYS_MIN:
            reporters.setdefault((one.provider, one.gateway), []).append(one)
    found: dict[tuple[str, str, str], Alike] = {}
    for (provider, gateway), group in sorted(reporters.items()):
        ordered = sorted(group, key=lambda one: one.enterprise)
        for mine, theirs, alike in _pairs(ordered):
            for who, other, order in ((mine, theirs, alike.order), (theirs, mine, -alike.order)):
                key = (ordered[who].enterprise, provider, gateway)
                lag = alike.lag_d if who == mine else -alike.lag_d
                said = Alike(ordered[other].enterprise, alike.percent, alike.days, alike.beyond, lag, order)
                if key not in found or _weight(said) > _weight(found[key]):
                    found[key] = said
    return found


def _weight(alike: Alike) -> tuple[int, int, int, str]:
    """Of two that are as sure, the one says more after which this customer came."""
    return alike.beyond, alike.order, alike.percent, alike.other


def _pairs(group: Sequence[Worked]) -> Iterator[tuple[int, int, Alike]]:
    """Give pairs that go together: the later one's place, the other's, and how alike."""
    work, heard = _table(group)
    values, known = residual_days(work, heard)
    size, span = values.shape
    lags = max(0, min(LAG_MAX_D, span - DAYS_MIN, _PAIRS_MAX // max(1, size * size)))
    best = math.sqrt(2 * math.log(max(2, size * size * (lags + 1))))
    for lag in range(lags + 1):
        for mine, theirs in _rough_pairs(values, lag):
            told = _measured(values, known, (mine, theirs), lag)
            alike = _equal_later(work, (mine, theirs), lag) or (
                told and (*told[:2], int((told[2] - best) * 10))
            )
            if alike:
                order = 1 if lag else _sign(group[mine].begun - group[theirs].begun)
                yield mine, theirs, Alike("", *alike, lag, order)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _table(group: Sequence[Worked]) -> tuple[Whole, NDArray[np.bool_]]:
    """Give work by customer and day, and where it is known."""
    first = min(int(one.days[0]) for one in group)
    last = max(int(one.days[-1]) for one in group)
    work = np.zeros((len(group), last - first + 1), dtype=np.int64)
    for place, one in enumerate(group):
        work[place, one.days - first] = one.work
    return work, work > 0


def residual_days(work: Whole, known: NDArray[np.bool_]) -> tuple[Whole, NDArray[np.bool_]]:
    """Give each day against its usual in thousandths, what is common to all days and customers taken out; 0 where unknown."""
    usual, heard = _usual(work, known)
    told = work * _UNIT // np.maximum(usual, 1) - _UNIT
    good = known & (heard >= _USUAL_MIN) & (np.abs(told) <= _FAR)
    crowd = good.sum(axis=0)
    common = _lower_median(np.where(good, told, _FAR + 1), crowd, axis=0)
    told = np.where(good, told - np.where(crowd >= _CROWD, common, 0)[None, :], 0)
    mean = told.sum(axis=1) // np.maximum(good.sum(axis=1), 1)
    return np.where(good, told - mean[:, None], 0), good


def _usual(work: Whole, known: NDArray[np.bool_]) -> tuple[Whole, Whole]:
    """Give the lower median of the same weekdays around each day, and how many of them are known."""
    size, span = work.shape
    most = np.iinfo(np.int64).max
    around = np.full((len(_WEEKS), size, span), most, dtype=np.int64)
    for place, by in enumerate(_WEEKS):
        low, high = max(0, -by), min(span, span - by)
        if low < high:
            part = slice(low + by, high + by)
            around[place, :, low:high] = np.where(known[:, part], work[:, part], most)
    heard = (around < most).sum(axis=0)
    usual = _lower_median(around, heard, axis=0)
    return np.where(heard > 0, usual, 1), heard


def _lower_median(values: Whole, counts: Whole, axis: int) -> Whole:
    """Give the lower median of the `counts` smallest values; what is unknown must be greater than all."""
    ordered = np.sort(values, axis=axis)
    place = np.expand_dims(np.maximum(counts - 1, 0) // 2, axis)
    taken: Whole = np.take_along_axis(ordered, place, axis=axis).squeeze(axis)
    return taken


def _rough_pairs(values: Whole, lag: int) -> list[tuple[int, int]]:
    """Give for every customer the one after which it goes most, and the one that goes most after it, where that is much."""
    span = values.shape[1]
    later, earlier = values[:, lag:].astype(np.float64), values[:, : span - lag].astype(np.float64)
    size = np.sqrt(np.maximum(1.0, (values * values).sum(axis=1)))
    best, best_of = np.full(len(values), _ROUGH), np.full(len(values), -1)
    chosen: set[tuple[int, int]] = set()
    for start in range(0, len(values), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(values)))
        # Products of whole numbers below 2^53: the same sums in any order, on any machine.
        alike = later[rows] @ earlier.T / (size[rows, None] * size[None, :])
        alike[np.arange(len(rows)), rows] = -1
        column = alike.argmax(axis=1)
        chosen |= {
            (int(row), int(other))
            for row, other, value in zip(rows, column, alike[np.arange(len(rows)), column], strict=True)
            if value >= _ROUGH
        }
        top = alike.argmax(axis=0)
        peak = alike[top, np.arange(len(values))]
        risen = peak > best
        best, best_of = np.where(risen, peak, best), np.where(risen, rows[top], best_of)
    chosen |= {(int(row), other) for other, row in enumerate(best_of) if row >= 0}
    return sorted(chosen)


def _measured(values: Whole, known: Any, pair: tuple[int, int], lag: int) -> tuple[int, int, float] | None:
    """Give percent, days and sigmas of a pair over its common days; None when these are too few or it does not go together."""
    span, (mine, theirs) = values.shape[1], pair
    common = known[mine, lag:] & known[theirs, : span - lag]
    days = int(common.sum())
    if days < DAYS_MIN:
        return None
    ours, others = values[mine, lag:][common], values[theirs, : span - lag][common]
    ours, others = ours - ours.sum() // days, others - others.sum() // days
    together, size = int((ours * others).sum()), int((ours * ours).sum()) * int((others * others).sum())
    if together <= 0:
        return None
    strength = min(0.9999, together / math.sqrt(size))
    return int(strength * 100), days, math.atanh(strength) * math.sqrt(days - 3)


def _equal_later(work: Whole, pair: tuple[int, int], lag: int) -> tuple[int, int, int] | None:
    """Tell whether the very numbers come some days later (the same day's are compared in SQL, all of them)."""
    span, (mine, theirs) = work.shape[1], pair
    ours, others = work[mine, lag:], work[theirs, : span - lag]
    common = (ours > 0) & (others > 0)
    equal = common & (ours == others) & (ours >= _TELLING)
    days, distinct = int(equal.sum()), len(np.unique(ours[equal]))
    if not lag or days < _EQUAL_MIN or distinct * 2 < days or days * 2 < int(common.sum()):
        return None
    return 100, days, _SURE
