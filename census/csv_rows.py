"""How is a ledger file read strictly? CSV rows against declared columns; a bad row is a problem, the rest is counted."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from census.csv_split import RawRow, split_rows
from census.unread import NOTHING, Unread, words_of
from census.unseen import first_unseen
from telemetry.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE_BYTES_MAX = 64_000_000
"""Bytes a ledger file may have: a million invoice lines fit, an accident does not."""
FIELD_CHARS_MAX = 512
"""Characters a cell may have; names of legal entities stay under 200."""
PROBLEMS_MAX = 200
"""Problems reported one by one for a file; the rest is counted in one last problem."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, how a cell becomes a value (ValueError says what was expected), and what an empty cell is.

    Of `is_text` a person reads a name or a sentence: a line break is a blank there, and unseen characters do no harm. Any
    other cell is an id or a code. Without a column that `must_stand` an empty cell would say something: no row is read.
    """

    name: str
    read: Callable[[str], Any]
    required: bool = False
    empty: Any = ""
    is_text: bool = False
    must_stand: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One decoded row: its line in the file (from 1), its values in the order of the declared columns, and its cells."""

    line: int
    values: list[Any]
    cells: list[str]


class Rows(NamedTuple):
    """What became of a file: its good rows, what is to be said of the others, and what those name."""

    records: list[Record]
    problems: list[Problem]
    unread: Unread


def read_rows(data: bytes, file: str, columns: Sequence[Column]) -> Rows:
    """Decode a file's bytes: UTF-8 (a byte order mark is fine), the declared header in any order, one row a line.

    A problem's column is the cell's number. No row is guessed: a row with any bad cell is left out and reported.
    """
    text, problems = _decoded(data, file)
    if problems:
        return Rows([], problems, Unread(is_whole=True))
    rows = split_rows(text)
    header = next(rows, RawRow(1, []))
    places = _places(header, file, columns, problems)
    if places is None:
        return Rows([], problems, Unread(is_whole=True))
    records, unread = [], []
    for row in rows:
        values = _values(row, file, columns, (len(header.cells), places), problems)
        if values is None:
            unread.append(words_of(row.cells))
        else:
            records.append(Record(row.line, values, row.cells))
    return Rows(records, _bounded(problems, file), Unread(unread) if unread else NOTHING)


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
    header: RawRow, file: str, columns: Sequence[Column], problems: list[Problem]
) -> list[int | None] | None:
    """Find each declared column in the header; None when one is missing without which no row can be read."""
    if header.fault:
        problems.append(Problem(file, header.line, 0, "", header.fault, source=_source(header.cells)))
        return None
    known = {column.name for column in columns}
    names = [name.strip() for name in header.cells]
    for number, name in enumerate(names, start=1):
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
            unseen = first_unseen(name)
            what = f"is not a known column: it holds {unseen}" if unseen else "is not a known column"
            problems.append(Problem(file, header.line, number, _CONTROL.sub("?", name)[:64], what, hint))
        elif name in names[: number - 1]:
            problems.append(Problem(file, header.line, number, name, "is given twice"))
    missing = [column for column in columns if column.name not in names]
    problems += [Problem(file, header.line, 0, column.name, "this column is missing") for column in missing]
    if any(column.required or column.must_stand for column in missing):
        return None
    return [names.index(column.name) if column.name in names else None for column in columns]


def _values(
    row: RawRow,
    file: str,
    columns: Sequence[Column],
    header: tuple[int, list[int | None]],
    problems: list[Problem],
) -> list[Any] | None:
    """Read a row's cells; None when any of them, or their number, is not what was declared."""
    width, places = header
    if row.fault or len(row.cells) != width:
        fault = row.fault or f"has {len(row.cells)} cells, the header has {width}"
        hint = "write a quote inside a quoted cell twice" if row.fault else "quote cells that hold a comma"
        problems.append(Problem(file, row.line, 0, "", fault, hint, _source(row.cells)))
        return None
    values, before = [], len(problems)
    for place, column in zip(places, columns, strict=True):
        try:
            values.append(_value(row.cells[place] if place is not None else "", column))
        except ValueError as error:
            problems.append(
                Problem(file, row.line, (place or 0) + 1, column.name, str(error), source=_source(row.cells))
            )
    return values if len(problems) == before else None


def _value(cell: str, column: Column) -> Any:
    unseen = "" if column.is_text else first_unseen(cell.strip(" \t"))
    cell = cell.strip()
    if column.is_text and not cell.isprintable():
        cell = " ".join(cell.splitlines())
    if not cell and not unseen:
        if column.required:
            raise ValueError("must not be empty")
        return column.empty
    if len(cell) > FIELD_CHARS_MAX:
        raise ValueError(f"is longer than {FIELD_CHARS_MAX} characters")
    if not cell.isprintable() and _CONTROL.search(cell):
        raise ValueError("holds control characters or a newline")
    if unseen:
        raise ValueError(f"holds {unseen}, which nobody sees; type the cell again")
    return column.read(cell)


def _source(cells: list[str]) -> str:
    return _CONTROL.sub("?", ",".join(cells))[:160]


def _bounded(problems: list[Problem], file: str) -> list[Problem]:
    if len(problems) <= PROBLEMS_MAX:
        return problems
    rest = len(problems) - PROBLEMS_MAX
    return [*problems[:PROBLEMS_MAX], Problem(file, 0, 0, "", f"{rest} more problems are not listed")]
