"""How do many row files become one? Piece by piece, so that memory does not grow with the day.

A whole city's day is 1.85 M rows of 120 columns, 2 GB at once; here no more than PART_ROWS of them are held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.segments import Segment

PART_ROWS = 250_000
"""Rows held at once: some 250 MB with all columns, twice while they are sorted."""
_READ_ROWS = 65_536
_SORT_FIRST = ("enterprise", "device", "tags", "gateway")


def merged_parts(segments: list[Segment]) -> Iterator[pa.Table]:
    """Give all rows in the order of their files, in parts of similar size."""
    waiting: list[pa.Table] = []
    count = 0
    for segment in segments:
        with pq.ParquetFile(segment.path) as file:
            for batch in file.iter_batches(_READ_ROWS):
                waiting.append(pa.Table.from_batches([batch]))
                count += batch.num_rows
                if count >= _READ_ROWS:
                    yield pa.concat_tables(waiting)
                    waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def sorted_parts(segments: list[Segment]) -> Iterator[pa.Table]:
    """Give all rows sorted by (device or enterprise or tags or gateway), time and leaf, in parts."""
    names = pq.read_schema(segments[0].path).names
    key = next(name for name in _SORT_FIRST if name in names)
    order = [(key, "ascending"), ("time_ms", "ascending"), ("leaf", "ascending")]
    for span in _key_ranges(segments, key):
        table = pa.concat_tables([_read(segment, key, span) for segment in segments])
        yield table.sort_by(order)


def _read(segment: Segment, key: str, span: tuple[str, str] | None) -> pa.Table:
    with pq.ParquetFile(segment.path) as file:
        if span is None:
            return file.read()
        low, high = span
        parts = []
        for batch in file.iter_batches(_READ_ROWS):
            column = batch.column(key)
            parts.append(batch.filter(pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))))
        return pa.Table.from_batches(parts, schema=file.schema_arrow)


def _key_ranges(segments: list[Segment], key: str) -> Iterator[tuple[str, str] | None]:
    """Give ranges of the key, each with about PART_ROWS rows; None (everything) when all fit into one part."""
    columns = [pq.ParquetFile(segment.path).read([key]).column(key) for segment in segments]
    if sum(len(column) for column in columns) <= PART_ROWS:
        yield None
        return
    counts = pc.value_counts(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    ordered = sorted((item["values"].as_py(), item["counts"].as_py()) for item in counts)
    low, total = ordered[0][0], 0
    for position, (value, count) in enumerate(ordered):
        total += count
        if total >= PART_ROWS or position == len(ordered) - 1:
            yield low, value
            if position + 1 < len(ordered):
                low, total = ordered[position + 1][0], 0
