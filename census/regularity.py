"""Do a machine's counts keep a rhythm that no work has? Counts an hour, compared with those some hours earlier. Pure.

Two signs of a script. Its numbers come again: the very count of an hour stands some hours earlier or later, over and over,
while real work differs by a part or two. And under jitter, where no number comes again, correlation is left: the counts
per running hour, the day's own mean taken out, fall and come back after the same number of hours, day after day. Work
drifts: what is alike an hour later is less alike two hours later, and does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from census.evidence import DeviceDay, DeviceKey

HOURS = 24
PERIOD_MAX_H = 10
"""The longest rhythm looked for inside a day: two of them fit a long shift."""
EQUAL_LAG_MAX_H = 28 * HOURS
"""Equal counts are looked for after every number of hours up to this: a table gone through again, a month told again."""
EQUAL_RISE, EQUAL_SURE = 40, 80
"""A machine of constant cycles has many equal counts after any number of hours: shares (percent) count where they rise by
so much above those after other numbers of hours (their lower quartile), or are nearly all."""
FULL_HOUR_S = 2400
"""An hour's rate is compared when the machine ran at least two thirds of it, and of the hour before: a count is heard a
poll after it was made."""
DEVIATION_MAX = 0.4
"""A rate further from the day's mean is an hour in which polls were lost, or that others' counts fell into."""
PAIRS_MIN = 40
"""Pairs of hours that a judgement needs: of fewer, one in a thousand fleets has one by chance."""
DAYS_MIN = 12
"""Days that must carry a rhythm; honest fleets whose products change had sums carried by one to eight days."""
_BYTES = 2 * HOURS * 4


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How regular one device's hourly counts are; shares in percent.

    `strength` is the correlation after `period_h` hours, `rise` how far it stands above the dip before, over `pairs`
    pairs of hours. `equal` is the share of hours with the very count of `equal_h` hours before, over `equal_pairs`.
    """

    period_h: int
    strength: int
    rise: int
    pairs: int
    equal_h: int = 0
    equal: int = 0
    equal_pairs: int = 0


def find_rhythms(
    device_days: Mapping[DeviceKey, Sequence[DeviceDay]], growth_min: int = 20
) -> dict[DeviceKey, Rhythm]:
    """Measure each device that has counters and enough hours; an hour of fewer counts than `growth_min` is left out."""
    keys: list[DeviceKey] = []
    starts: list[int] = []
    days: list[DeviceDay] = []
    for key, found in device_days.items():
        counted = [day for day in found if len(day.hours) == _BYTES and day.counters]
        if counted:
            keys.append(key)
            starts.append(len(days))
            days += counted
    if not keys:
        return {}
    table = np.frombuffer(b"".join(day.hours for day in days), dtype="<i4").reshape(len(days), 2, HOURS)
    correlations, pairs, spread = _correlations(*_deviations(table), starts)
    shares, equal_pairs = _equal_shares(table[:, 1, :], days, starts, growth_min)
    measured = {}
    for place, key in enumerate(keys):
        # What few days carry is theirs, not a rhythm: there it does not count as strong, whatever the sum says.
        judged = np.where(spread[:, place], pairs[:, place], 0)
        rhythm = _strongest(correlations[:, place], judged, shares[:, place], equal_pairs[:, place])
        if rhythm is not None:
            measured[key] = rhythm
    return measured


def _deviations(table: Any) -> tuple[Any, Any]:
    """Give counts per running second less the day's mean, relative to it, with 1 for the hours that count and else 0."""
    running, grown = table[:, 0, :].astype(np.float32), table[:, 1, :].astype(np.float32)
    full = running >= FULL_HOUR_S
    known = full & (grown > 0)
    known[:, 1:] &= full[:, :-1]
    known[:, 0] = False
    rate = np.where(known, grown / np.maximum(running, 1), 0)
    count = np.maximum(np.count_nonzero(known, axis=1, keepdims=True), 1)
    mean = rate.sum(axis=1, keepdims=True) / count
    relative = rate / np.where(mean > 0, mean, 1) - 1
    known &= np.abs(relative) <= DEVIATION_MAX
    return np.where(known, relative, 0).astype(np.float32), known.astype(np.float32)


def _correlations(deviations: Any, known: Any, starts: list[int]) -> tuple[Any, Any, Any]:
    """Give, for each lag and device, the correlation of an hour with the one `lag` later, and the pairs it rests on.

    Third, whether enough days carry it. The days that a sum rests on are told by (sum |x|)^2 / sum x^2: a day on which the
    product changed deviates by tenths where others do by hundredths, and a few such days would make any sum.
    """
    squares = deviations * deviations

    def by_day(first: Any, second: Any, lag: int) -> Any:
        return np.einsum("ij,ij->i", first[:, :-lag], second[:, lag:]).astype(np.float64)

    def summed(values: Any) -> Any:
        return np.add.reduceat(values, starts)

    correlations, counts, spread = [], [], []
    for lag in range(1, PERIOD_MAX_H + 1):
        power = np.sqrt(summed(by_day(squares, known, lag)) * summed(by_day(known, squares, lag)))
        daily, pairs = by_day(deviations, deviations, lag), by_day(known, known, lag)
        correlations.append(np.where(power > 0, summed(daily) / np.maximum(power, 1e-300), 0.0))
        counts.append(summed(pairs))
        carrying = summed(np.abs(daily)) ** 2 / np.maximum(summed(daily * daily), 1e-300)
        days = summed((pairs > 0).astype(np.float64))
        spread.append((carrying >= DAYS_MIN) & (carrying * 3 >= days))
    return np.array(correlations), np.array(counts), np.array(spread)


def _equal_shares(
    grown: Any, days: Sequence[DeviceDay], starts: list[int], growth_min: int
) -> tuple[Any, Any]:
    """Give, for each lag and device, the share (percent) of hours that equal the one `lag` earlier, and their number."""
    numbers = np.array([day.day for day in days])
    first, span = int(numbers.min()), int(numbers.max() - numbers.min()) + 1
    owners = np.repeat(np.arange(len(starts)), np.diff([*starts, len(days)]))
    series = np.zeros((len(starts) * span, HOURS), dtype=np.int32)
    np.add.at(series, owners * span + numbers - first, grown)  # two lives may share a day
    series = series.reshape(len(starts), span * HOURS)
    rich = series >= growth_min
    # Hours of few counts equal nothing: they are one number as the earlier hour and another as the later.
    later, earlier = np.where(rich, series, -1), np.where(rich, series, -2)
    shares, counts = [], []
    for lag in range(1, min(EQUAL_LAG_MAX_H, span * HOURS - 1) + 1):
        count = np.count_nonzero(rich[:, lag:] & rich[:, :-lag], axis=1)
        equal = np.count_nonzero(later[:, lag:] == earlier[:, :-lag], axis=1)
        shares.append(equal * 100 // np.maximum(count, 1))
        counts.append(count)
    return np.array(shares), np.array(counts)


def _telling(shares: Any, pairs: Any) -> Any:
    """Give the shares that no constant cycle explains, and -1 for the others and where there are too few pairs."""
    enough = pairs >= PAIRS_MIN
    if not enough.any():
        return np.full_like(shares, -1)
    usual = np.sort(shares[enough])[np.count_nonzero(enough) // 4]
    return np.where(enough & ((shares - usual >= EQUAL_RISE) | (shares >= EQUAL_SURE)), shares, -1)


def _strongest(correlations: Any, pairs: Any, shares: Any, equal_pairs: Any) -> Rhythm | None:
    period = strength = rise = rested = 0
    for lag in range(2, PERIOD_MAX_H + 1):
        if pairs[lag - 1] < PAIRS_MIN:
            continue
        found = round(float(correlations[lag - 1]) * 100)
        if not period or found > strength:
            dip = round(float(correlations[: lag - 1].min()) * 100)
            period, strength, rise, rested = lag, found, found - dip, int(pairs[lag - 1])
    equal = _telling(shares, equal_pairs)
    best = int(equal.argmax()) if len(equal) else 0
    if not len(equal) or equal[best] < 0:
        return Rhythm(period, strength, rise, rested) if period else None
    return Rhythm(period, strength, rise, rested, best + 1, int(equal[best]), int(equal_pairs[best]))
