"""Which day is it in Wenzhou? Days as ordinals at the fixed offset +08:00, boundaries half open.

Asia/Shanghai has had no summer time since 1991, so the store's fixed offset and the policy's zone agree.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ZONE = timezone(timedelta(hours=8))
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
DAYS_CACHED = 4_096
"""Dates kept both ways: a city's papers name some eleven years of days again and again."""
_EPOCH = date(1970, 1, 1).toordinal()
_OFFSET_MS = 8 * HOUR_MS
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day_of(time_ms: int) -> int:
    """Give the ordinal of the day that a moment (ms since 1970, UTC) falls in at +08:00."""
    return (time_ms + _OFFSET_MS) // DAY_MS + _EPOCH


def day_start_ms(day: int) -> int:
    """Give the moment (ms since 1970, UTC) at which a day begins at +08:00."""
    return (day - _EPOCH) * DAY_MS - _OFFSET_MS


def days_between(days: Sequence[int], first: int, end: int) -> Sequence[int]:
    """Cut sorted days (ordinals) to those in [first, end)."""
    return days[bisect_left(days, first) : bisect_left(days, end)]


@lru_cache(DAYS_CACHED)
def parse_day(text: str) -> int:
    """Read `2018-01-05` as a day's ordinal; ValueError for anything else."""
    if not _DAY.fullmatch(text):
        raise ValueError(f"expected a date like 2018-01-05, not {text!r}")
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise ValueError(f"expected a date like 2018-01-05, not {text!r}") from None


def parse_instant(text: str) -> int:
    """Read a date (its beginning) or a local or zoned time as ms since 1970, UTC; ValueError for anything else."""
    if len(text) == 10:
        return day_start_ms(parse_day(text))
    try:
        moment = datetime.fromisoformat(text if _DAY.match(text) else "")
    except ValueError:
        raise ValueError(f"expected 2018-01-05 or 2018-01-05T08:00:00+08:00, not {text!r}") from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
    return (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@lru_cache(DAYS_CACHED)
def write_day(day: int | None) -> str:
    """Write a day as ISO 8601; `-` when there is none."""
    return date.fromordinal(day).isoformat() if day is not None else "-"


def write_instant(time_ms: int) -> str:
    """Write a moment as ISO 8601 at +08:00."""
    return (datetime(1970, 1, 1, tzinfo=ZONE) + timedelta(milliseconds=time_ms, hours=8)).isoformat()
