"""Where does a row of a CSV file end, when some rows are broken? A bad quote costs its own row, not the rest. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

QUOTED_LINES_MAX = 32
"""Lines a row may run over by line breaks in quoted cells; beyond, its quote was never closed."""
_UNCLOSED = "unexpected end of data"


class RawRow(NamedTuple):
    """A row's first line (from 1) and its cells; with a `fault` the cells are only what stands between commas."""

    line: int
    cells: list[str]
    fault: str = ""


def split_rows(text: str) -> Iterator[RawRow]:
    """Split a file's text into rows, the header first; blank lines are none.

    A row whose quotes do not hold ends with its line, and reading goes on at the next line that has as many cells as the
    header; what lies between is lost with it.
    """
    lines = list(io.StringIO(text, newline=""))
    width, at = 0, 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        row, at = _row(lines, at, width)
        width = width or len(row.cells)
        yield row


def _row(lines: list[str], at: int, width: int) -> tuple[RawRow, int]:
    """Read the row that begins at a line (from 0); gives where the next one begins."""
    cells = _alone(lines[at])
    if cells is not None:
        return RawRow(at + 1, cells), at + 1
    cells, end = _over_lines(lines, at)
    if cells is not None and (not width or len(cells) == width):
        if width and any(_width(line) == width for line in lines[at + 1 : end]):
            told = f"a quoted cell runs over lines {at + 1}-{end}, which look like rows of their own"
            return RawRow(at + 1, _pieces(lines[at:end]), told), end
        return RawRow(at + 1, cells), end
    end = at + 1
    while width and end < len(lines) and _width(lines[end]) != width:
        end += 1
    more = f"; lines {at + 2}-{end} are lost with it" if end > at + 1 else ""
    return RawRow(at + 1, _pieces(lines[at:end]), f"its quotes do not hold{more}"), end


def _alone(line: str) -> list[str] | None:
    """Read a line as a whole row; None when its quotes do not hold or hold on beyond it."""
    if '"' not in line:
        return line.rstrip("\r\n").split(",")
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None


def _over_lines(lines: list[str], at: int) -> tuple[list[str] | None, int]:
    """Read a row whose quoted cells hold line breaks; gives where it ends, None when it does not."""
    text = ""
    for end in range(at, min(at + QUOTED_LINES_MAX, len(lines))):
        text += lines[end]
        if '"' not in lines[end]:
            continue
        try:
            return next(csv.reader([text], strict=True), []), end + 1
        except csv.Error as error:
            if _UNCLOSED not in str(error):
                return None, end + 1
    return None, at + 1


def _width(line: str) -> int:
    cells = _alone(line)
    return len(cells) if cells is not None else 0


def _pieces(lines: list[str]) -> list[str]:
    return [piece.strip('"') for line in lines for piece in line.rstrip("\r\n").split(",")]
