"""How do unsigned lines rest? One row a value in `points`, and once more as typed rows where they fit a measurement.

A value keeps its exact type and its nanoseconds, so that it can be given back as it came. A line that has exactly the
tags and typed fields of a known measurement also becomes a row there, with grade `unsigned`; the census decides whether
that grade counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from store.columns import POINT_COLUMNS, Origin, Places, split_days
from store.influx_line import InfluxLine, parse_lines, spell_tags
from store.shapes import DecodedLines, Shape
from telemetry.schema import MEASUREMENTS
from telemetry.seal import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class UnsignedWrite:
    """One accepted request of an unsigned writer, as it lies in the log."""

    writer: str
    precision: str
    text: str
    lines: tuple[InfluxLine, ...]

    def body(self) -> bytes:
        """Give the frame's body: a line of JSON, then the line protocol as it came."""
        head = json.dumps({"precision": self.precision, "writer": self.writer}, sort_keys=True)
        return f"{head}\n{self.text}".encode()

    def typed_runs(self) -> Iterator[DecodedLines]:
        """Give the lines that fit a known measurement, decoded as sealed ones are."""
        for line in self.lines:
            shape = Shape(
                line.measurement,
                tuple(sorted(line.tags)),
                tuple(sorted((name, _python_type(value.kind)) for name, value in line.fields.items())),
            )
            if _fits(shape):
                tags = [line.tags[name] for name in shape.tags]
                values = [line.fields[name].text for name, _ in shape.fields]
                yield DecodedLines(shape, [("", *tags, *values, str(line.time_ns))])


def make_write(writer: str, text: str, precision: str, received_ms: int) -> UnsignedWrite:
    """Parse a request's text; `influx_line.LineError` names the first wrong line."""
    lines = tuple(parse_lines(text, precision, received_ms * NS_PER_MS))
    return UnsignedWrite(writer, precision, text, lines)


def read_write(body: bytes, received_ms: int) -> UnsignedWrite:
    """Read an unsigned write back from its frame."""
    head, _, text = body.decode().partition("\n")
    values = json.loads(head)
    return make_write(values["writer"], text, values["precision"], received_ms)


def _python_type(kind: str) -> type:
    return {"i": int, "s": str, "b": bool}.get(kind, float)


def _fits(shape: Shape) -> bool:
    known = MEASUREMENTS.get(shape.measurement)
    return (
        known is not None
        and shape.tags == tuple(sorted(known.tags))
        and all(known.fields.get(name) is kind for name, kind in shape.fields)
    )


@dataclass(slots=True)
class PointRows:
    """Values gathered from unsigned writes."""

    offset_ms: int
    _columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name, _ in POINT_COLUMNS})
    _places: Places = field(default_factory=Places)

    def add(self, write: UnsignedWrite, origin: Origin) -> int:
        """Take in a write's values; gives how many."""
        columns, times = self._columns, []
        for number, line in enumerate(write.lines, start=1):
            tags = spell_tags(line.tags)
            for name, value in line.fields.items():
                integer = int(value.text) if value.kind in "iu" else None
                fits = integer is not None and integer <= _INT64_MAX
                columns["measurement"].append(line.measurement)
                columns["tags"].append(tags)
                columns["field"].append(name)
                columns["type"].append(value.kind)
                columns["i64"].append(integer if fits else None)
                columns["f64"].append(float(value.text) if value.kind == "f" else None)
                columns["text"].append(None if fits or value.kind == "f" else value.text)
                columns["time_ns"].append(line.time_ns)
                columns["line"].append(number)
                columns["writer"].append(write.writer)
                times.append(line.time_ns // NS_PER_MS)
        self._places.extend(times, origin, self.offset_ms)
        return len(times)

    def tables(self) -> Iterable[tuple[int, pa.Table]]:
        """Give the values as one table a day."""
        if not self._places.day:
            return []
        arrays = self._places.arrays()
        for name, kind in POINT_COLUMNS:
            arrays[name] = pa.array(self._columns[name], kind)
        return split_days("points", arrays, self._places.day)
