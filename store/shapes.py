"""How are a batch's lines read fast? By shape: one pattern for all lines with the same measurement, tags and fields.

`telemetry.line.decode_line` decides what is canonical; a pattern made from a line it accepted takes a subset of the same
language (no escapes, at most 18 digits) and gives the same values, and every line no pattern takes goes to
`decode_line`. So the language is exactly that of `telemetry.seal.read_lines`; the tests compare the two.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.errors import SealError
from telemetry.line import TEXT_MAX, Line, decode_line, encode_line
from telemetry.schema import MEASUREMENTS
from telemetry.seal import NS_PER_MS, split_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.seal import Batch

SHAPES_MAX = 256
"""Compiled shapes kept, the least used going first: a pattern of 45 groups takes some 3 ms to compile and 100 KB."""
_TRIED_MAX = 16
"""Patterns tried on a line before it is decoded the slow way."""
_SEEN_BEFORE_COMPILED = 4
"""Slow lines of one shape before it gets a pattern, so that nobody can make us compile a pattern a line."""
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_TAG = rf"([^\\,= {_CONTROL}]{{1,{TEXT_MAX}}})"
_STRING = rf'"([^"\\{_CONTROL}]{{0,{TEXT_MAX}}})"'
_DIGITS = r"(0|-?[1-9][0-9]{0,17})"
_VALUE = {int: f"{_DIGITS}i", bool: "(true|false)", str: _STRING}
_TIME = r"(0|-?[1-9][0-9]{0,17}|[1-8][0-9]{18})"


@dataclass(frozen=True, slots=True)
class Shape:
    """What lines have in common: measurement, tag names, and field names with their types."""

    measurement: str
    tags: tuple[str, ...]
    fields: tuple[tuple[str, type], ...]

    def pattern(self) -> re.Pattern[str]:
        """Make the pattern of a whole line with its newline: a group a tag and field, and the time."""
        tags = "".join(f",{name}={_TAG}" for name in self.tags)
        fields = ",".join(f"{name}={_VALUE[kind]}" for name, kind in self.fields)
        return re.compile(f"({self.measurement}{tags}) {fields} {_TIME}\n")


@dataclass(frozen=True, slots=True)
class DecodedLines:
    """A run of consecutive lines of one shape.

    A row is (head, tag values..., field values..., time in ns) as text: integers as digits, booleans as `true` or
    `false`, strings without their escapes. The head is measurement and tags as they stand in the line.
    """

    shape: Shape
    rows: list[tuple[str, ...]]


class ShapeCache:
    """The patterns known so far; bounded by SHAPES_MAX. Used by several threads: each step is one dict operation."""

    def __init__(self) -> None:
        self._patterns: OrderedDict[Shape, re.Pattern[str]] = OrderedDict()
        self._recent: dict[str, tuple[tuple[Shape, re.Pattern[str]], ...]] = {}
        self._seen: dict[Shape, int] = {}

    def candidates(self, measurement: str) -> tuple[tuple[Shape, re.Pattern[str]], ...]:
        """Give the patterns to try on a line of this measurement, the last successful one first."""
        return self._recent.get(measurement, ())

    def moved_up(self, shape: Shape, pattern: re.Pattern[str]) -> None:
        """Put a pattern first, it took a line."""
        others = tuple(item for item in self.candidates(shape.measurement) if item[0] != shape)
        self._recent[shape.measurement] = ((shape, pattern), *others)[:_TRIED_MAX]

    def learn(self, shape: Shape) -> None:
        """Note a line decoded the slow way; its shape gets a pattern when it keeps coming."""
        pattern = self._patterns.pop(shape, None)
        if pattern is None:
            count = self._seen.get(shape, 0) + 1
            if len(self._seen) >= 4 * SHAPES_MAX:
                self._seen.clear()
            self._seen[shape] = count
            if count < _SEEN_BEFORE_COMPILED:
                return
            self._seen.pop(shape, None)
            pattern = shape.pattern()
        self._patterns[shape] = pattern
        if len(self._patterns) > SHAPES_MAX:
            self._patterns.popitem(last=False)
        self.moved_up(shape, pattern)


def decode_batch(batch: Batch, cache: ShapeCache) -> list[DecodedLines]:
    """Do what `read_lines` does, fast: the same batches are accepted, and SealError names the first wrong line."""
    body, _ = split_batch(batch.data)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise SealError(f"not canonical line protocol: {error}") from None
    runs = list(_decode_runs(text, cache))
    _check_order(text)
    identities = 0
    unique = set()
    for run in runs:
        _check_run(run, batch.seal.gateway)
        identities += len(run.rows)
        unique.update([(row[0], row[-1]) for row in run.rows])
    _check_times(runs, batch.seal.seq % NS_PER_MS)
    if len(unique) != identities:
        raise SealError("two rows share measurement, tags and time")
    return runs


def _decode_runs(text: str, cache: ShapeCache) -> Iterator[DecodedLines]:
    at, end, number = 0, len(text), 0
    run: DecodedLines | None = None
    pattern: re.Pattern[str] | None = None
    while at < end:
        number += 1
        match = pattern.match(text, at) if pattern is not None else None
        if match is not None and run is not None:
            run.rows.append(match.groups())
            at = match.end()
            continue
        shape, row, pattern, at = _decode_one(text, at, number, cache)
        if run is None or run.shape != shape:
            if run is not None:
                yield run
            run = DecodedLines(shape, [])
        run.rows.append(row)
    if run is not None:
        yield run


def _decode_one(
    text: str, at: int, number: int, cache: ShapeCache
) -> tuple[Shape, tuple[str, ...], re.Pattern[str] | None, int]:
    """Read the line at an offset by another pattern or the slow way."""
    measurement = text[at : text.find(",", at)]
    for shape, pattern in cache.candidates(measurement):
        match = pattern.match(text, at)
        if match is not None:
            cache.moved_up(shape, pattern)
            return shape, match.groups(), pattern, match.end()
    end = text.index("\n", at)
    try:
        line = decode_line(text[at:end])
    except ValueError as error:
        raise SealError(f"line {number} is not canonical line protocol: {error}") from None
    shape = Shape(
        line.measurement,
        tuple(line.tags),
        tuple([(name, type(value)) for name, value in line.fields.items()]),
    )
    _check_shape(shape, number)
    cache.learn(shape)
    return shape, _as_texts(line), None, end + 1


def _as_texts(line: Line) -> tuple[str, ...]:
    head = encode_line(line.measurement, line.tags, {"x": 0}, 0).removesuffix(" x=0i 0")
    values = [_as_text(value) for value in line.fields.values()]
    return head, *line.tags.values(), *values, str(line.time_ns)


def _as_text(value: int | str | bool) -> str:  # noqa: FBT001 - a field value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _check_shape(shape: Shape, number: int) -> None:
    known = MEASUREMENTS.get(shape.measurement)
    if known is None or shape.tags != known.tags:
        raise SealError(f"line {number}: unknown measurement or tags {shape.measurement} {shape.tags}")
    for name, kind in shape.fields:
        if known.fields.get(name) is not kind:
            raise SealError(f"line {number}: field {name} is unknown or of the wrong type")


def _check_order(text: str) -> None:
    lines = text.split("\n")[:-1]
    previous = ""
    for number, line in enumerate(lines, start=1):
        if line <= previous:  # code points order as their UTF-8 bytes do
            raise SealError(f"line {number} is out of order or repeated")
        previous = line


def _check_run(run: DecodedLines, gateway: str) -> None:
    column = 1 + run.shape.tags.index("gateway")
    for row in run.rows:
        if row[column] != gateway:
            raise SealError(f"a row of gateway {row[column]!r} in a batch of {gateway!r}")


def _check_times(runs: list[DecodedLines], suffix: int) -> None:
    for run in runs:
        for row in run.rows:
            if int(row[-1]) % NS_PER_MS != suffix:
                raise SealError(f"the time {row[-1]} does not name seq")
