"""What do the log's frames say, as tables? Decoded rows of a run of leaves, gathered until they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from store.columns import BATCH_COLUMNS, Origin, Places, ShapeRows, Tables, origin_of, split_days
from store.points import PointRows

if TYPE_CHECKING:
    from store.points import UnsignedWrite
    from store.shapes import DecodedLines, Shape
    from telemetry.seal import Batch, Seal

ROWS_MAX = 20_000
"""Rows held as Python text before they become Arrow columns (2.5 KB a row against 0.4 KB)."""


class RowBuffer:
    """Rows of the leaves [start, stop), on their way into tables."""

    def __init__(self, start: int, offset_ms: int) -> None:
        self.start = start
        self.stop = start
        self.bytes = 0
        self._offset_ms = offset_ms
        self._shapes: dict[Shape, ShapeRows] = {}
        self._seals: list[tuple[Seal, int, str]] = []
        self._seal_places = Places()
        self._points = PointRows(offset_ms)
        self._waiting = 0
        self._tables: Tables = {}

    def add_batch(self, batch: Batch, runs: list[DecodedLines], leaf: int, received_ms: int) -> None:
        """Take in a sealed batch's rows and its own row."""
        origin = origin_of(batch, leaf, received_ms)
        for run in runs:
            rows = self._shapes.get(run.shape)
            if rows is None:
                rows = self._shapes[run.shape] = ShapeRows()
            rows.add(run, origin, self._offset_ms)
        self._seals.append((batch.seal, batch.seal.count, batch.hash))
        self._seal_places.extend([batch.seal.sealed_ms], origin, self._offset_ms)
        self._taken(leaf, len(batch.data), batch.seal.count)

    def add_unsigned(self, write: UnsignedWrite, leaf: int, received_ms: int, size: int) -> None:
        """Take in an unsigned write's rows."""
        origin = Origin(leaf, received_ms)
        count = self._points.add(write, origin)
        for run in write.typed_runs():
            self._shapes.setdefault(run.shape, ShapeRows()).add(run, origin, self._offset_ms)
        self._taken(leaf, size, count)

    def skip(self, leaf: int) -> None:
        """Pass a leaf without rows."""
        self.stop = leaf + 1

    def _taken(self, leaf: int, size: int, rows: int) -> None:
        self.stop = leaf + 1
        self.bytes += size
        self._waiting += rows
        if self._waiting >= ROWS_MAX:
            self._convert()

    def _convert(self) -> None:
        for shape, rows in self._shapes.items():
            for day, table in rows.tables(shape):
                self._tables.setdefault((shape.measurement, day), []).append(table)
        for day, table in self._batch_tables():
            self._tables.setdefault(("batch", day), []).append(table)
        for day, table in self._points.tables():
            self._tables.setdefault(("points", day), []).append(table)
        self._shapes, self._seals, self._seal_places, self._waiting = {}, [], Places(), 0
        self._points = PointRows(self._offset_ms)

    def _batch_tables(self) -> list[tuple[int, pa.Table]]:
        if not self._seals:
            return []
        arrays = self._seal_places.arrays()
        seals = [seal for seal, _, _ in self._seals]
        for name, kind in BATCH_COLUMNS:
            if name == "hash":
                arrays[name] = pa.array([digest for _, _, digest in self._seals], kind)
            else:
                arrays[name] = pa.array([getattr(seal, name) for seal in seals], kind)
        return list(split_days("batch", arrays, self._seal_places.day))

    def tables(self) -> dict[tuple[str, int], pa.Table]:
        """Give all rows, one table a measurement and day."""
        self._convert()
        return {key: pa.concat_tables(parts) for key, parts in self._tables.items()}
