"""Which cells of a table must not be published? Small ones, and those that would give them away. Pure.

A published table has rows (counties, months ...), the outcomes as columns, each row's sum (claimed) and each column's
total, which is a headline figure and always public. A suppressed cell is safe when another table of whole numbers, none
negative, has the same published cells and totals and another value there. Such tables differ by moving one claim along a
cycle: the table is a network from the grand total through the rows into the columns, and a move is a cycle in it that
takes nothing from an empty cell (the network form of complementary cell suppression).

Who knows how this is done also knows that a gap is a claim or more, unless an empty cell had to be left out: two gaps with
two claims between them are one each. So every gap must move in a way that leaves no more gaps empty than there are: where none
is, an empty cell is left out as well, and any of them may be the empty one.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = tuple[int, int]
"""(row, column); column 0 is the row's sum, the outcomes follow."""
_TOP = ("total", 0)
_SPARE_MAX = 6
"""By so many emptied or filled cells the ways to a node are told apart: a move seldom passes more cells of one claim."""
Node = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Arc:
    """A cell as an edge from one node to another; a claim may be added, and taken away when there is one."""

    cell: Cell
    source: Node
    target: Node
    value: int


def suppressed_cells(rows: Sequence[Sequence[int]], least: int) -> frozenset[Cell]:
    """Find the cells to leave out of a table, each row being its sum followed by its outcomes (all >= 0).

    Every cell from 1 to `least` - 1 is left out, with as few and as small others as are needed to keep each of them from
    being worked out. A table of one row is its total: nothing can hide it, and only its small cells are left out.
    """
    arcs = [arc for number, row in enumerate(rows) for arc in _row_arcs(number, row)]
    hidden = {arc.cell for arc in arcs if 0 < arc.value < least}
    for may_empty in (True, False):
        todo = sorted((arc for arc in arcs if arc.cell in hidden), key=lambda arc: (-arc.value, arc.cell))
        for arc in todo:
            hidden |= _way(arcs, arc, hidden, may_empty=may_empty)
    return frozenset(hidden)


def _way(arcs: list[_Arc], arc: _Arc, hidden: set[Cell], *, may_empty: bool) -> frozenset[Cell]:
    """Give the cells of the cheapest cycle through a gap; none when there is no cycle, as when all is left out already."""
    spare = None if may_empty else int(arc.value == 0)
    ways = [_path(arcs, (arc.target, arc.source), arc.cell, hidden, spare)]
    if arc.value > 0:
        spare = None if may_empty else -int(arc.value == 1)
        ways.append(_path(arcs, (arc.source, arc.target), arc.cell, hidden, spare))
    return min((way for way in ways if way is not None), default=(0, frozenset[Cell]()))[1]


def _row_arcs(number: int, row: Sequence[int]) -> list[_Arc]:
    here: Node = ("row", number)
    sums = _Arc((number, 0), _TOP, here, row[0])
    return [sums] + [
        _Arc((number, place), here, ("column", place), value) for place, value in enumerate(row[1:], start=1)
    ]


def _path(
    arcs: list[_Arc], ends: tuple[Node, Node], without: Cell, hidden: set[Cell], spare: int | None
) -> tuple[int, frozenset[Cell]] | None:
    """Find the cheapest way to move a claim from one node to the other; cells already hidden cost nothing.

    At most `spare` more cells may be emptied on the way than are filled that were empty; with None any number.
    """
    counts = spare is not None
    ways: dict[Node, list[tuple[Node, Cell, int, int]]] = {}
    for arc in arcs:
        if arc.cell == without:
            continue
        cost = 0 if arc.cell in hidden else arc.value + (1 if arc.cell[1] else 2)
        ways.setdefault(arc.source, []).append((arc.target, arc.cell, cost, -int(counts and arc.value == 0)))
        if arc.value > 0:
            ways.setdefault(arc.target, []).append(
                (arc.source, arc.cell, cost, int(counts and arc.value == 1))
            )
    start, end = ends
    best = {(start, 0): 0}
    queue: list[tuple[int, Node, int, tuple[Cell, ...]]] = [(0, start, 0, ())]
    while queue:
        cost, node, emptied, used = heapq.heappop(queue)
        if node == end and (spare is None or emptied <= spare):
            return cost, frozenset(used)
        if cost > best[node, emptied]:
            continue
        for target, cell, more, change in ways.get(node, ()):
            then = (target, max(emptied + change, -_SPARE_MAX))
            if (
                cell not in used
                and abs(then[1]) <= _SPARE_MAX
                and cost + more < best.get(then, cost + more + 1)
            ):
                best[then] = cost + more
                heapq.heappush(queue, (cost + more, *then, (*used, cell)))
    return None
