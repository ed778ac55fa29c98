"""Which devices are copies of others, or of themselves? Equal days first, then shared chance. Pure, over all devices at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from census.calendar import HOUR_MS
from census.compare import Copy, find_copies, order_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from census.evidence import DeviceDay, DeviceKey
    from census.policy import Thresholds
    from census.shared import Shared

_DAY_H = 24


def all_copies(
    device_days: Mapping[DeviceKey, Sequence[DeviceDay]],
    limits: Thresholds,
    places: Mapping[str, Hashable] | None = None,
) -> dict[DeviceKey, tuple[Copy, ...]]:
    """Find exact copies, then, between pairs that have none, correlated ones and replays.

    `places` tells each gateway's firm and workshop: what `line_lag` grants is granted there.
    """
    from census.pairs import find_shared
    from census.shared import PairLimits

    margin_ms = limits.order_margin.value * HOUR_MS
    exact = find_copies(
        (day for days in device_days.values() for day in days),
        patterns_min=limits.copy_patterns.value,
        days_min=limits.copy_days.value,
        margin_ms=margin_ms,
    )
    shared = find_shared(
        device_days,
        PairLimits(
            strength_percent=limits.copy_strength.value,
            sigmas=limits.copy_sigmas.value,
            replay_strength_percent=limits.replay_strength.value,
            replay_certain_percent=limits.replay_certain.value,
            replay_sigmas=limits.replay_sigmas.value,
            lag_d=limits.copy_lag.value,
            line_lag_h=limits.line_lag.value,
            days_min=limits.copy_days.value,
        ),
        places,
    )
    known = {(key, copy.other) for key, copies in exact.items() for copy in copies}
    found = {key: list(copies) for key, copies in exact.items()}
    received = {
        key: {day.day: day.received_max_ms for day in device_days[key]}
        for one in shared
        for key in (one.mine, one.theirs)
    }
    for one in shared:
        if (one.mine, one.theirs) not in known:
            for key, copy in _both_sides(one, received, margin_ms):
                found.setdefault(key, []).append(copy)
    return without_shadows(found)


def without_shadows(found: Mapping[DeviceKey, Sequence[Copy]]) -> dict[DeviceKey, tuple[Copy, ...]]:
    """Drop the weaker, undecided links of a device that is a decided later copy of another.

    What works in the original's plant goes a little with the copy too, and is no party to it.
    """
    taken = {
        key: max((copy.strength for copy in copies if copy.later and copy.other != key), default=0)
        for key, copies in found.items()
    }
    kept = {
        key: tuple(
            copy
            for copy in found[key]
            if copy.other == key
            or copy.later is not None
            or copy.strength >= max(taken[key], taken.get(copy.other, 0))
        )
        for key in sorted(found)
    }
    return {key: copies for key, copies in kept.items() if copies}


def _both_sides(
    one: Shared, received: Mapping[DeviceKey, Mapping[int, int]], margin_ms: int
) -> list[tuple[DeviceKey, Copy]]:
    """Tell each side of the other; which came later is decided day by day, as for equal days."""
    shift, lag_h = divmod(one.lag_h, _DAY_H)
    count = len(one.days)
    if one.mine == one.theirs:
        return [(one.mine, Copy(one.theirs, shift, count, None, "replay", one.strength, lag_h))]
    # The earlier device's day in which the middle of the later one's lies; a day that one has not, as when its box was
    # off, says nothing of the order.
    leads = [
        received[one.mine][day] - received[one.theirs][theirs]
        for day in one.days
        for theirs in [(day * _DAY_H + _DAY_H // 2 - one.lag_h) // _DAY_H]
        if day in received[one.mine] and theirs in received[one.theirs]
    ]
    later = order_of(leads, margin_ms)
    reverse = None if later is None else not later
    mine = Copy(one.theirs, shift, count, later, "correlated", one.strength, lag_h)
    theirs = Copy(one.mine, -shift, count, reverse, "correlated", one.strength, -lag_h)
    return [(one.mine, mine), (one.theirs, theirs)]
