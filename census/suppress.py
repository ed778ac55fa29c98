"""Which cells of a table must not be published? Small ones, and those that would give them away. Pure.

A published table has rows (counties, months ...), the outcomes as columns, each row's sum (claimed) and each column's
total, which is a headline figure and always public. A suppressed cell is safe when another table of whole numbers, none
negative, has the same published cells and totals and another value there. Such tables differ by moving one claim along a
cycle: the table is a network from the grand total through the rows into the columns, and a move is a cycle in it that
takes nothing from an empty cell (the network form of complementary cell suppression).
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
    for arc in sorted((arc for arc in arcs if arc.cell in hidden), key=lambda arc: (-arc.value, arc.cell)):
        ways = [_path(arcs, arc.target, arc.source, arc.cell, hidden)]
        if arc.value > 0:
            ways.append(_path(arcs, arc.source, arc.target, arc.cell, hidden))
        found = [way for way in ways if way is not None]
        if found:
            hidden |= min(found)[1]
    return frozenset(hidden)


def _row_arcs(number: int, row: Sequence[int]) -> list[_Arc]:
    here: Node = ("row", number)
    sums = _Arc((number, 0), _TOP, here, row[0])
    return [sums] + [
        _Arc((number, place), here, ("column", place), value) for place, value in enumerate(row[1:], start=1)
    ]


def _path(
    arcs: list[_Arc], start: Node, end: Node, without: Cell, hidden: set[Cell]
) -> tuple[int, frozenset[Cell]] | None:
    """Find the cheapest way to move a claim from `start` to `end`; cells already hidden cost nothing."""
    ways: dict[Node, list[tuple[Node, Cell, int]]] = {}
    for arc in arcs:
        if arc.cell == without:
            continue
        cost = 0 if arc.cell in hidden else arc.value + (1 if arc.cell[1] else 2)
        ways.setdefault(arc.source, []).append((arc.target, arc.cell, cost))
        if arc.value > 0:
            ways.setdefault(arc.target, []).append((arc.source, arc.cell, cost))
    best = {start: 0}
    queue: list[tuple[int, Node, tuple[Cell, ...]]] = [(0, start, ())]
    while queue:
        cost, node, used = heapq.heappop(queue)
        if node == end:
            return cost, frozenset(used)
        if cost > best[node]:
            continue
        for target, cell, more in ways.get(node, ()):
            if target not in best or cost + more < best[target]:
                best[target] = cost + more
                heapq.heappush(queue, (cost + more, target, (*used, cell)))
    return None
