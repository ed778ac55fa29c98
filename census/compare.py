"""Which devices tell the same story? Exact runs of equal day patterns, between devices or with a shift of days. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from census.evidence import DeviceDay, DeviceKey


@dataclass(frozen=True, slots=True)
class Copy:
    """One device's days equal another's (or its own, `shift` days earlier), or go with them hour by hour.

    `kind` is exact (day patterns equal), correlated (what is left of the hours after each device's own rhythm goes
    together), or replay (the same, with its own earlier hours); `strength` is the correlation in percent, and `lag_h` the
    hours of the shift beyond whole days. `later` is True when this device's days were received after the other's on every matched day, by more than the
    margin; False when before on every one; None when the order decides nothing.
    """

    other: DeviceKey
    shift: int
    days: int
    later: bool | None
    kind: Literal["exact", "correlated", "replay"] = "exact"
    strength: int = 100
    lag_h: int = 0


@dataclass(frozen=True, slots=True)
class _Match:
    mine: DeviceDay
    theirs: DeviceDay


def find_copies(
    days: Iterable[DeviceDay], *, patterns_min: int, days_min: int, margin_ms: int
) -> dict[DeviceKey, tuple[Copy, ...]]:
    """Find the copies among all device-days; a day with fewer distinct windows than `patterns_min` says nothing.

    Each day is compared with the first day heard of its pattern and with the one heard just before it: enough to find
    every copy of an original and every loop, at a cost that grows with the number of days and not with its square.
    """
    by_pattern: dict[str, list[DeviceDay]] = {}
    for day in days:
        if day.pattern_windows >= patterns_min:
            by_pattern.setdefault(day.pattern, []).append(day)
    matches: dict[tuple[DeviceKey, DeviceKey, int], dict[int, _Match]] = {}
    for same in by_pattern.values():
        if len(same) > 1:
            _match(same, matches)
    copies: dict[DeviceKey, list[Copy]] = {}
    for (mine, theirs, shift), found in sorted(matches.items()):
        if len(found) >= days_min:
            later = order_of(
                [match.mine.received_max_ms - match.theirs.received_max_ms for match in found.values()],
                margin_ms,
            )
            copies.setdefault(mine, []).append(Copy(theirs, shift, len(found), later))
            if mine != theirs:
                reverse = None if later is None else not later
                copies.setdefault(theirs, []).append(Copy(mine, -shift, len(found), reverse))
    return {key: tuple(found) for key, found in copies.items()}


def _match(same: list[DeviceDay], matches: dict[tuple[DeviceKey, DeviceKey, int], dict[int, _Match]]) -> None:
    same.sort(key=lambda day: (day.received_max_ms, day.leaf_max, day.gateway, day.device, day.day))
    for place in range(1, len(same)):
        mine = same[place]
        for theirs in {id(same[0]): same[0], id(same[place - 1]): same[place - 1]}.values():
            key, other = (mine.gateway, mine.device), (theirs.gateway, theirs.device)
            first, second = (theirs, mine) if other > key else (mine, theirs)
            pair = ((first.gateway, first.device), (second.gateway, second.device), first.day - second.day)
            if key == other:
                pair = (key, key, abs(mine.day - theirs.day))
                first, second = (mine, theirs) if mine.day > theirs.day else (theirs, mine)
            matches.setdefault(pair, {})[first.day] = _Match(first, second)


def order_of(leads_ms: Sequence[int], margin_ms: int) -> bool | None:
    """Tell which side came later: only when it is the same side on every matched day, by more than the margin."""
    if leads_ms and all(lead > margin_ms for lead in leads_ms):
        return True
    if leads_ms and all(-lead > margin_ms for lead in leads_ms):
        return False
    return None
