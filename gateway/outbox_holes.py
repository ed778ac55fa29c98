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
    if any(is_done(number) for number in range(first, last + 1)):
        # What was delivered from in here must not be declared lost: the hole has what is nowhere else.
        buffered = max(0, buffered - _waiting_readings(segments, is_done))
    return Hole(first, last, min(readings, buffered))


def _before_the_first(
    segments: Segments, cursor: Cursor, buffered: int, is_done: Callable[[int], bool]
) -> Hole:
    """Measure what stood in files before the first there is: what is to be delivered, less what lies in the others."""
    here = _waiting_readings(segments, is_done)
    last = (segments.items[0].first if segments.items else cursor.index) - 1
    return Hole(cursor.done + 1, last, max(0, buffered - here))


def _waiting_readings(segments: Segments, is_done: Callable[[int], bool]) -> int:
    """Count the readings of all batches that can be read and are not done with."""
    return sum(
        place.readings
        for segment in list(segments.items)
        for index, place in segments.load(segment).items()
        if not is_done(index)
    )
