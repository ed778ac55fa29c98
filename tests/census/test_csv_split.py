"""Does a bad quote, or a cell too long, cost its own row and no other? Rows are spoilt one at a time, in every way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.csv_split import QUOTED_LINES_MAX, split_rows
from census.ledger import read_part

HEAD = "uscc,name,status,division,from,to"
SPOILT = {
    "stray quote": 'X3,"温州"兴达,active,330302,,',
    "unclosed quote": 'X3,"温州兴达,active,330302,,',
    "quote at the very end": 'X3,温州兴达,active,330302,,"',
    "a cell of 140,000 characters": f"X3,{'温' * 140_000},active,330302,,",
    "the same in quotes": f'X3,"{"温" * 140_000}",active,330302,,',
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_broken_row_costs_itself_and_is_told_with_its_line(spoilt: str, end: str) -> None:
    good = [f'X{number},"温州,{number}",active,330302,,' for number in (1, 2, 4, 5)]
    lines = [HEAD, *good[:2], spoilt, *good[2:]]
    rows, problems, unread = read_part("registry", end.join(lines).encode(), "registry.csv")
    assert [row.uscc for row in rows] == ["X1", "X2", "X4", "X5"]
    assert [problem.line for problem in problems] == [4]
    assert unread.count == 1
    assert unread.names("X3")
    assert not unread.names("X4")


def test_a_quoted_cell_with_a_line_break_stays_readable() -> None:
    data = f'{HEAD}\nX1,"温州\n兴达",active,330302,,\nX2,b,active,330302,,\n'.encode()
    rows, problems, _ = read_part("registry", data, "registry.csv")
    assert problems == []
    assert [(row.uscc, row.name, row.line) for row in rows] == [("X1", "温州 兴达", 2), ("X2", "b", 4)]


def test_a_line_break_is_no_part_of_a_code() -> None:
    data = b'name,uscc,status,division,from,to\nb,"X1\nX2",active,330302,,\n'
    rows, problems, unread = read_part("registry", data, "registry.csv")
    assert rows == ()
    assert problems[0].key == "uscc"
    assert unread.names("X1")
    assert unread.names("X2")


def test_two_stray_quotes_swallow_no_row_unseen() -> None:
    """The text is CSV, but what looks like rows in a cell is more likely rows: nobody on these lines is judged by it."""
    data = f'{HEAD}\nX1,"a,active,330302,,\nX2,b",active,330302,,\nX3,c,active,330302,,\n'.encode()
    rows, problems, unread = read_part("registry", data, "registry.csv")
    assert [row.uscc for row in rows] == ["X3"]
    assert (problems[0].line, unread.names("X1"), unread.names("X2")) == (2, True, True)


def test_lines_lost_with_a_broken_quote_are_counted() -> None:
    told = list(split_rows('a,b\n1,"x"y\nrest\nof it\n2,z\n'))
    assert [(row.line, bool(row.fault)) for row in told] == [(1, False), (2, True), (5, False)]
    assert "lines 3-4 are lost with it" in told[1].fault


def test_a_quote_that_closes_far_below_was_never_closed() -> None:
    lines = ["a,b", '1,"x', *["2,y"] * (QUOTED_LINES_MAX + 5), '3",z']
    assert [row.fault != "" for row in split_rows("\n".join(lines))] == [False, True] + [False] * (
        len(lines) - 2
    )


_CELLS = st.text(st.sampled_from('a1,"\n'), max_size=6)


@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=8))
def test_rows_quoted_by_the_book_are_read_or_unread_as_a_whole(rows: list[tuple[str, str]]) -> None:
    """Every row of a well-formed file is given with its cells, or counted as unreadable with all its words."""
    text = "h,i\n" + "".join(
        ",".join('"{}"'.format(cell.replace('"', '""')) for cell in row) + "\n" for row in rows
    )
    told = list(split_rows(text))[1:]
    good = [row for row in told if not row.fault]
    assert all(tuple(row.cells) in rows for row in good)
    if not any("\n" in cell for row in rows for cell in row):
        assert [tuple(row.cells) for row in told] == rows
