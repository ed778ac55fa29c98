"""What does the census ask of a store for rows? Days, and a day's immutable files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path


class DayFiles(Protocol):
    """The days a measurement has, and a day's immutable Parquet files."""

    def days(self, measurement: str) -> list[date]:
        """List the days, at the store's offset, that have rows."""
        ...

    def files(self, day: date, measurement: str) -> list[Path]:
        """List a day's files."""
        ...


def held_columns(files: Iterable[str]) -> frozenset[str]:
    """Name the columns that hold any value in any of the files, by their footers; a column without statistics may."""
    import pyarrow.parquet as pq

    held: set[str] = set()
    for file in files:
        footer = pq.read_metadata(file)
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for place in range(group.num_columns):
                column = group.column(place)
                told = column.statistics
                if told is None or not told.has_null_count or told.null_count < column.num_values:
                    held.add(column.path_in_schema)
    return frozenset(held)
