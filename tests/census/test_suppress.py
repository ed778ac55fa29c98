"""Can a suppressed cell be worked out? Every table that fits the published cells is tried, on small tables."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from census.suppress import suppressed_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Table = tuple[tuple[int, ...], ...]
LEAST = 3


def summed(cells: Sequence[Sequence[int]]) -> Table:
    return tuple((sum(row), *row) for row in cells)


def totals(table: Table) -> list[int]:
    return [sum(column) for column in zip(*table, strict=True)]


def rows_that_fit(row: tuple[int, ...], hidden: set[int], most: int) -> Iterator[tuple[int, ...]]:
    """Give every row with the same published cells: its sum first, whatever is hidden from 0 to `most`."""
    choices = [
        range(most + 1) if place in hidden else (value,) for place, value in enumerate(row[1:], start=1)
    ]
    for cells in product(*choices):
        if 0 in hidden or sum(cells) == row[0]:
            yield (sum(cells), *cells)


def tables_that_fit(table: Table, hidden: frozenset[tuple[int, int]]) -> Iterator[Table]:
    """Give every table of whole numbers, none negative, with the same published cells and the same totals."""
    wanted = totals(table)
    most = max(wanted)
    options = [
        list(rows_that_fit(row, {column for place, column in hidden if place == number}, most))
        for number, row in enumerate(table)
    ]
    for chosen in product(*options):
        if totals(chosen) == wanted:
            yield chosen


_CELLS = st.integers(min_value=0, max_value=4)
_TABLES = st.lists(st.tuples(_CELLS, _CELLS), min_size=2, max_size=3)


@settings(max_examples=150, deadline=None)
@given(_TABLES)
def test_no_suppressed_cell_can_be_worked_out(cells: list[tuple[int, ...]]) -> None:
    """By trying every table: a hidden cell has at least two values that fit all that is published."""
    table = summed(cells)
    hidden = suppressed_cells(table, LEAST)
    seen: dict[tuple[int, int], set[int]] = {cell: set() for cell in hidden}
    for fitting in tables_that_fit(table, hidden):
        for row, column in hidden:
            seen[row, column].add(fitting[row][column])
        if all(len(values) > 1 for values in seen.values()):
            break
    assert all(len(values) > 1 for values in seen.values()), (table, hidden, seen)


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=1, max_size=14))
def test_every_small_cell_is_left_out(cells: list[tuple[int, ...]]) -> None:
    table = summed(cells)
    hidden = suppressed_cells(table, LEAST)
    small = {
        (row, column)
        for row, values in enumerate(table)
        for column, value in enumerate(values)
        if 0 < value < LEAST
    }
    assert small <= hidden
    if not small:
        assert hidden == frozenset()


def test_a_table_without_small_cells_is_published_whole() -> None:
    assert suppressed_cells(summed([(10, 3, 4), (0, 9, 3)]), LEAST) == frozenset()


def test_one_small_cell_takes_as_few_others_as_it_can() -> None:
    """Row and column each need a second gap, and the two gaps a common corner: four cells."""
    hidden = suppressed_cells(summed([(50, 1, 60), (40, 30, 70), (90, 20, 80)]), LEAST)
    assert (0, 2) in hidden
    assert len(hidden) <= 4


def test_the_same_table_gives_the_same_gaps() -> None:
    table = summed([(2, 2, 2), (1, 1, 1), (5, 0, 2), (0, 0, 0)])
    assert suppressed_cells(table, LEAST) == suppressed_cells(table, LEAST)


def fits_known(table: Table, hidden: frozenset[tuple[int, int]]) -> dict[tuple[int, int], set[int]]:
    """Give each gap's possible values for who knows the rules: no more gaps are empty than there are."""
    empty = sum(table[row][column] == 0 for row, column in hidden)
    seen: dict[tuple[int, int], set[int]] = {cell: set() for cell in hidden}
    for fitting in tables_that_fit(table, hidden):
        if sum(fitting[row][column] == 0 for row, column in hidden) <= empty:
            for row, column in hidden:
                seen[row, column].add(fitting[row][column])
        if all(len(values) > 1 for values in seen.values()):
            break
    return seen


def all_left_out(table: Table, hidden: frozenset[tuple[int, int]]) -> set[int]:
    """Name the columns of which nothing is published but the total: no more can be done for them."""
    return {
        column for column in range(len(table[0])) if all((row, column) in hidden for row in range(len(table)))
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0, 0, 0, 1, 1, 2, 3])] * 2), min_size=2, max_size=3))
def test_who_knows_the_rules_works_out_no_gap(cells: list[tuple[int, ...]]) -> None:
    """A gap is a claim or more unless an empty cell was left out: even so each gap has two values or more."""
    table = summed(cells)
    hidden = suppressed_cells(table, LEAST)
    bare = all_left_out(table, hidden)
    stuck = [cell for cell, values in fits_known(table, hidden).items() if len(values) < 2]
    assert all(column in bare for _, column in stuck), (table, hidden, stuck)


def test_gaps_of_one_each_take_an_empty_cell_with_them() -> None:
    """Two gaps with two claims between them are one each, so an empty cell is left out too: any of the three is empty."""
    table = summed([(8, 0), (1, 0), (1, 0), (0, 0), (0, 0)])
    hidden = suppressed_cells(table, LEAST)
    gaps = [row for row, column in hidden if column == 1]
    assert {1, 2} < set(gaps)
    assert all(len(values) > 1 for values in fits_known(table, hidden).values())
