"""What is missing around a batch that cannot be read? Which indices, and how many readings stood in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.outbox_records import Cursor
    from gateway.outbox_segments import Segments


@dataclass(frozen=True, slots=True)
class Hole:
    """Indices from `first` to `last`, and the readings that were in them."""

    first: int
    last: int
    readings: int


def buffered_readings(cursor: Cursor) -> int:
    """Count the readings in sealed batches that the store has not taken yet."""
    return cursor.rowed - cursor.replaced - cursor.delivered - cursor.quarantined - cursor.dead_lettered


def measure_hole(segments: Segments, cursor: Cursor, index: int, is_done: Callable[[int], bool]) -> Hole:
    """Measure the hole at an index: one rotten batch, a rotten stretch of records, or files that are gone.

    Never more readings than the account still has to deliver.
    """
    segment = segments.holding(index)
    buffered = buffered_readings(cursor)
    if segment is None:
        return _before_the_first(segments, cursor, buffered, is_done)
    place = segments.load(segment).get(index)
    if place is not None:
        return Hole(index, index, min(place.readings, buffered))
    following = segments.items.index(segment) + 1
    end = (cursor.index, cursor.rowed)
    if following < len(segments.items):
        end = (segments.items[following].first, segments.items[following].before)
    first, last, readings = segments.hole(segment, index, end)
    return Hole(first, last, min(readings, buffered))


def _before_the_first(
    segments: Segments, cursor: Cursor, buffered: int, is_done: Callable[[int], bool]
) -> Hole:
    """Measure what stood in files before the first there is: what is to be delivered, less what lies in the others."""
    items = list(segments.items)
    here = sum(
        place.readings
        for segment in items
        for index, place in segments.load(segment).items()
        if not is_done(index)
    )
    last = (items[0].first if items else cursor.index) - 1
    return Hole(cursor.done + 1, last, max(0, buffered - here))
