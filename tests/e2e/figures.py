"""What did the end-to-end tests see? One line a fault, told as one table when all have run."""

from __future__ import annotations

from dataclasses import astuple, dataclass

HEADINGS = ("fault", "accepted", "delivered", "sent again", "lost", "double", "seen")


@dataclass(frozen=True, slots=True)
class Figure:
    """One fault: readings accepted, delivered and lost; batches that crossed the wire again, and rows that count twice."""

    fault: str
    accepted: int
    delivered: int
    sent_again: int
    lost: int
    double: int
    seen: str = ""


FIGURES: list[Figure] = []
"""Filled by the tests of this run; `conftest.pytest_terminal_summary` prints it."""


def table() -> list[str]:
    """Give the table's lines, columns aligned; none when no test told a figure."""
    if not FIGURES:
        return []
    total = Figure(
        "together",
        sum(item.accepted for item in FIGURES),
        sum(item.delivered for item in FIGURES),
        sum(item.sent_again for item in FIGURES),
        sum(item.lost for item in FIGURES),
        sum(item.double for item in FIGURES),
    )
    rows = [HEADINGS, *(tuple(_cell(value) for value in astuple(item)) for item in (*FIGURES, total))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
