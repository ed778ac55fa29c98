"""How is a share written? Tenths of a percent as whole numbers, halves rounded up. Pure, integers only."""

from __future__ import annotations


def tenths(part: int, whole: int) -> int:
    """Give part of whole in tenths of a percent, halves rounded up."""
    return (part * 2000 + whole) // (2 * whole)


def write_tenths(value: int, *, signed: bool = False) -> str:
    """Write tenths as a decimal with one place; `signed` puts a plus before what is not negative."""
    sign = "-" if value < 0 else "+" if signed else ""
    return f"{sign}{abs(value) // 10}.{abs(value) % 10}"
