"""Which columns does each measurement have at rest, and how do decoded lines become Arrow tables? Column by column."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

from telemetry.schema import MEASUREMENTS
from telemetry.seal import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.shapes import DecodedLines, Shape
    from telemetry.seal import Batch

DAY_MS = 86_400_000
PAST_MS = 400 * DAY_MS
FUTURE_MS = 600_000
"""A row may lie 400 days before its receipt and 10 minutes after it; beyond, it is kept but quarantined."""
_ARROW = {int: pa.int64(), str: pa.string(), bool: pa.bool_()}
PLACE_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("time_ms", pa.int64()),
    ("epoch", pa.string()),
    ("seq", pa.int64()),
    ("leaf", pa.int64()),
    ("received_ms", pa.int64()),
    ("grade", pa.string()),
    ("quarantined", pa.bool_()),
)
"""What every row carries beside its tags and fields."""
POINT_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("measurement", pa.string()),
    ("tags", pa.string()),
    ("field", pa.string()),
    ("type", pa.string()),
    ("i64", pa.int64()),
    ("f64", pa.float64()),
    ("text", pa.string()),
    ("time_ns", pa.int64()),
    ("line", pa.int64()),
    ("writer", pa.string()),
)
"""One value of an unsigned line: `tags` in line protocol spelling, `type` as its suffix (i, u, f, s, b)."""
BATCH_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("gateway", pa.string()),
    ("count", pa.int64()),
    ("prev", pa.string()),
    ("hash", pa.string()),
    ("sealed_ms", pa.int64()),
    ("clock_state", pa.string()),
    ("boot", pa.string()),
    ("mono_ms", pa.int64()),
)


@lru_cache(maxsize=32)
def schema_of(measurement: str) -> pa.Schema:
    """Give a measurement's Arrow schema: tags, fields by name, and PLACE_COLUMNS."""
    if measurement == "batch":
        return pa.schema([*BATCH_COLUMNS, *PLACE_COLUMNS])
    if measurement == "points":
        return pa.schema([*POINT_COLUMNS, *PLACE_COLUMNS])
    known = MEASUREMENTS[measurement]
    tags = [(name, pa.string()) for name in known.tags]
    fields = [(name, _ARROW[kind]) for name, kind in sorted(known.fields.items())]
    return pa.schema([*tags, *fields, *PLACE_COLUMNS])


def day_number(time_ms: int, offset_ms: int) -> int:
    """Give the calendar day of a time at the store's offset, in days since 1970-01-01."""
    return (time_ms + offset_ms) // DAY_MS


@dataclass(slots=True)
class Places:
    """The PLACE_COLUMNS of a run of rows, column by column, and each row's day."""

    time_ms: list[int] = field(default_factory=list)
    epoch: list[str | None] = field(default_factory=list)
    seq: list[int | None] = field(default_factory=list)
    leaf: list[int] = field(default_factory=list)
    received_ms: list[int] = field(default_factory=list)
    grade: list[str] = field(default_factory=list)
    quarantined: list[bool] = field(default_factory=list)
    day: list[int] = field(default_factory=list)

    def extend(self, times_ms: list[int], origin: Origin, offset_ms: int) -> None:
        """Place rows of one frame; a quarantined row lies in the day of its receipt, so that no clock opens days."""
        count = len(times_ms)
        low, high = origin.received_ms - PAST_MS, origin.received_ms + FUTURE_MS
        self.time_ms += times_ms
        self.epoch += [origin.epoch] * count
        self.seq += [origin.seq] * count
        self.leaf += [origin.leaf] * count
        self.received_ms += [origin.received_ms] * count
        self.grade += [origin.grade] * count
        bad = [not low <= time_ms <= high for time_ms in times_ms]
        self.quarantined += bad
        home = day_number(origin.received_ms, offset_ms)
        self.day += [
            home if is_bad else (time_ms + offset_ms) // DAY_MS
            for time_ms, is_bad in zip(times_ms, bad, strict=True)
        ]

    def arrays(self) -> dict[str, pa.Array]:
        """Give the columns as Arrow arrays."""
        return {name: pa.array(getattr(self, name), kind) for name, kind in PLACE_COLUMNS}


@dataclass(frozen=True, slots=True)
class Origin:
    """The frame that rows come from."""

    leaf: int
    received_ms: int
    epoch: str | None = None
    seq: int | None = None
    grade: str = "unsigned"


def origin_of(batch: Batch, leaf: int, received_ms: int) -> Origin:
    """Give the origin of a sealed batch's rows."""
    return Origin(leaf, received_ms, batch.seal.epoch, batch.seal.seq, "signed")


Tables = dict[tuple[str, int], list[pa.Table]]
"""(measurement, day) → tables of that measurement's schema."""


@dataclass(slots=True)
class ShapeRows:
    """Rows of one shape gathered from many batches."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    places: Places = field(default_factory=Places)

    def add(self, run: DecodedLines, origin: Origin, offset_ms: int) -> None:
        """Take in a run of rows."""
        self.rows += run.rows
        self.places.extend([int(row[-1]) // NS_PER_MS for row in run.rows], origin, offset_ms)

    def tables(self, shape: Shape) -> Iterable[tuple[int, pa.Table]]:
        """Give the rows as one table a day."""
        _, *columns, _ = zip(*self.rows, strict=True)
        names = [*((name, str) for name in shape.tags), *shape.fields]
        arrays = self.places.arrays()
        for (name, kind), texts in zip(names, columns, strict=True):
            arrays[name] = _column(texts, kind)
        return split_days(shape.measurement, arrays, self.places.day)


def _column(texts: tuple[str, ...], kind: type) -> pa.Array:
    if kind is int:
        values = array("q", map(int, texts))
        return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    if kind is bool:
        return pa.array([text == "true" for text in texts], pa.bool_())
    return pa.array(texts, pa.string())


def split_days(
    measurement: str, arrays: dict[str, pa.Array], days: list[int]
) -> Iterable[tuple[int, pa.Table]]:
    """Give columns as tables of the measurement's schema, one a day; columns not given are null."""
    count = len(days)
    schema = schema_of(measurement)
    columns = [
        arrays[name] if name in arrays else pa.nulls(count, kind)
        for name, kind in zip(schema.names, schema.types, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    kinds = set(days)
    if len(kinds) == 1:
        yield days[0], table
        return
    positions: dict[int, list[int]] = {}
    for position, day in enumerate(days):
        positions.setdefault(day, []).append(position)
    for day, chosen in positions.items():
        yield day, table.take(pa.array(chosen, pa.int64()))
