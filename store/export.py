"""How does everything come out again? As line protocol: sealed rows exactly as they were sealed, unsigned values exactly."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from store.influx_line import spell_measurement, spell_tags, spell_value
from telemetry.line import encode_line
from telemetry.schema import MEASUREMENTS
from telemetry.seal import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.embedded import EmbeddedStore

_BATCH_FIELDS = ("count", "prev", "hash", "sealed_ms", "clock_state", "boot", "mono_ms", "epoch", "seq")
_ROWS_AT_ONCE = 5_000
_POINTS = """
SELECT measurement, tags, time_ns, field, type, i64, f64, text FROM points
WHERE time_ns >= $start AND time_ns < $stop AND ($measurement = '' OR measurement = $measurement)
QUALIFY row_number() OVER (PARTITION BY measurement, tags, field, time_ns ORDER BY leaf DESC, line DESC) = 1
ORDER BY measurement, tags, time_ns, field
"""


def export_lines(store: EmbeddedStore, start_ms: int, stop_ms: int, measurement: str = "") -> Iterator[str]:
    """Give every row with a time in [start_ms, stop_ms), a line each with its newline; one measurement or all.

    Of unsigned values with the same measurement, tags, field and time the last one written counts, as in InfluxDB.
    """
    for name in store.measurements():
        if name != "points" and measurement in ("", name):
            for path in _overlapping(store, name, "time_ms", start_ms, stop_ms):
                yield from _sealed_lines(path, name, start_ms, stop_ms)
    start_ns, stop_ns = start_ms * NS_PER_MS, stop_ms * NS_PER_MS
    files = _overlapping(store, "points", "time_ns", start_ns, stop_ns)
    if files:
        yield from _point_lines(files, start_ns, stop_ns, measurement)


def _overlapping(store: EmbeddedStore, measurement: str, column: str, start: int, stop: int) -> list[Path]:
    """Give the files that can hold a time of [start, stop): a file's day says little, quarantined rows lie elsewhere."""
    chosen = []
    for day in store.days(measurement):
        for path in store.files(day, measurement):
            bounds = _bounds(path, column)
            if bounds is None or (bounds[0] < stop and bounds[1] >= start):
                chosen.append(path)
    return chosen


def _bounds(path: Path, column: str) -> tuple[int, int] | None:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        position = metadata.schema.names.index(column)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        statistics = [group.column(position).statistics for group in groups]
    if not statistics or any(item is None or not item.has_min_max for item in statistics):
        return None
    return min(item.min for item in statistics), max(item.max for item in statistics)


def _sealed_lines(path: Path, measurement: str, start_ms: int, stop_ms: int) -> Iterator[str]:
    tags = ("gateway",) if measurement == "batch" else MEASUREMENTS[measurement].tags
    fields = _BATCH_FIELDS if measurement == "batch" else tuple(sorted(MEASUREMENTS[measurement].fields))
    with pq.ParquetFile(path) as file:
        for part in file.iter_batches(_ROWS_AT_ONCE):
            present = [name for name in fields if part.column(name).null_count < part.num_rows]
            wanted = dict.fromkeys([*tags, *present, "time_ms", "seq", "grade"])
            for row in part.select(list(wanted)).to_pylist():
                if row["grade"] == "signed" and start_ms <= row["time_ms"] < stop_ms:
                    values = {name: row[name] for name in present if row[name] is not None}
                    time_ns = row["time_ms"] * NS_PER_MS + row["seq"] % NS_PER_MS
                    yield encode_line(measurement, {name: row[name] for name in tags}, values, time_ns) + "\n"


def _point_lines(files: list[Path], start_ns: int, stop_ns: int, measurement: str) -> Iterator[str]:
    from store.query import connect, register_files

    with connect() as connection:
        register_files(connection, "points", files)
        parameters = {"start": start_ns, "stop": stop_ns, "measurement": measurement}
        result = connection.execute(_POINTS, parameters)
        for key, values in groupby(_rows(result), key=lambda row: row[:3]):
            yield _point_line(key, list(values))


def _rows(result: Any) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _point_line(key: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> str:
    measurement, tags, time_ns = key
    head = spell_measurement(measurement) + (f",{tags}" if tags else "")
    fields = []
    for _, _, _, name, kind, integer, number, text in rows:
        value = repr(number) if kind == "f" else str(integer) if text is None else text
        fields.append(f"{spell_tags({name: 'x'})[:-2]}={spell_value(kind, value)}")
    return f"{head} {','.join(fields)} {time_ns}\n"
