"""How is a ledger file read strictly? CSV rows against declared columns; a bad row is a problem, the rest is counted."""

from __future__ import annotations

import csv
import difflib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FILE_BYTES_MAX = 64_000_000
"""Bytes a ledger file may have: a million invoice lines fit, an accident does not."""
FIELD_CHARS_MAX = 512
"""Characters a cell may have; names of legal entities stay under 200."""
PROBLEMS_MAX = 200
"""Problems reported one by one for a file; the rest is counted in one last problem."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, how a cell becomes a value (ValueError says what was expected), and what an empty cell is."""

    name: str
    read: Callable[[str], Any]
    required: bool = False
    empty: Any = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One decoded row: its line in the file (from 1) and its values in the order of the declared columns."""

    line: int
    values: list[Any]


def read_rows(data: bytes, file: str, columns: Sequence[Column]) -> tuple[list[Record], list[Problem]]:
    """Decode a file's bytes: UTF-8 (a byte order mark is fine), the declared header in any order, one row a line.

    A problem's column is the cell's number. No row is guessed: a row with any bad cell is left out and reported.
    """
    text, problems = _decoded(data, file)
    if problems:
        return [], problems
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    problems = []
    records: list[Record] = []
    try:
        header = next(reader, [])
        places = _places(header, file, columns, problems)
        if places is None:
            return [], problems
        records.extend(_records(reader, file, columns, (len(header), places), problems))
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, 0, "", f"is not CSV from here on: {error}"))
    return records, _bounded(problems, file)


def _decoded(data: bytes, file: str) -> tuple[str, list[Problem]]:
    if len(data) > FILE_BYTES_MAX:
        return "", [Problem(file, 0, 0, "", f"is larger than {FILE_BYTES_MAX} bytes")]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save it as UTF-8; spreadsheets in China often write GB 18030"
        return "", [Problem(file, line, 0, "", "is not UTF-8", hint)]


def _places(
    header: list[str], file: str, columns: Sequence[Column], problems: list[Problem]
) -> list[int | None] | None:
    """Find each declared column in the header; None when a required one is missing."""
    known = {column.name for column in columns}
    names = [name.strip() for name in header]
    for number, name in enumerate(names, start=1):
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
            problems.append(Problem(file, 1, number, name, "is not a known column", hint))
        elif name in names[: number - 1]:
            problems.append(Problem(file, 1, number, name, "is given twice"))
    missing = [column for column in columns if column.name not in names]
    problems += [Problem(file, 1, 0, column.name, "this column is missing") for column in missing]
    if any(column.required for column in missing):
        return None
    return [names.index(column.name) if column.name in names else None for column in columns]


def _records(
    reader: Any,
    file: str,
    columns: Sequence[Column],
    header: tuple[int, list[int | None]],
    problems: list[Problem],
) -> Iterator[Record]:
    width, places = header
    line = reader.line_num + 1
    for cells in reader:
        first_line, line = line, reader.line_num + 1
        if not cells:
            continue
        if len(cells) != width:
            message = f"has {len(cells)} cells, the header has {width}"
            problems.append(
                Problem(file, first_line, 0, "", message, "quote cells that hold a comma", _source(cells))
            )
            continue
        values, before = [], len(problems)
        for place, column in zip(places, columns, strict=True):
            cell = cells[place].strip() if place is not None else ""
            try:
                values.append(_value(cell, column))
            except ValueError as error:
                number = (place or 0) + 1
                problems.append(
                    Problem(file, first_line, number, column.name, str(error), source=_source(cells))
                )
        if len(problems) == before:
            yield Record(first_line, values)


def _value(cell: str, column: Column) -> Any:
    if not cell:
        if column.required:
            raise ValueError("must not be empty")
        return column.empty
    if len(cell) > FIELD_CHARS_MAX:
        raise ValueError(f"is longer than {FIELD_CHARS_MAX} characters")
    if not cell.isprintable() and _CONTROL.search(cell):
        raise ValueError("holds control characters or a newline")
    return column.read(cell)


def _source(cells: list[str]) -> str:
    return _CONTROL.sub("?", ",".join(cells))[:160]


def _bounded(problems: list[Problem], file: str) -> list[Problem]:
    if len(problems) <= PROBLEMS_MAX:
        return problems
    rest = len(problems) - PROBLEMS_MAX
    return [*problems[:PROBLEMS_MAX], Problem(file, 0, 0, "", f"{rest} more problems are not listed")]
