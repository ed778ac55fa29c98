"""How do rows become batches? In order, under the byte bound, and no two rows of one name and time in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.line import encode_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.line import Row

PACK_BYTES = 900_000
"""Bytes of rows put into a batch: the bound of 1 MB less the seal line and room for an epoch row."""
_NS_DIGITS = 10**18


def pack_rows(rows: Iterable[Row]) -> list[list[Row]]:
    """Group rows into as few batches as the two rules allow; a second row of one window goes into the next batch.

    Such pairs are rare: a clock that stepped back makes late readings of the very window being sealed.
    """
    packs: list[list[Row]] = []
    sizes: list[int] = []
    seen: list[set[tuple[str, tuple[tuple[str, str], ...], int]]] = []
    for row in rows:
        size = row_bytes(row)
        name = (row.measurement, tuple(sorted(row.tags.items())), row.time_ms)
        for index in range(max(0, len(packs) - 2), len(packs)):
            if sizes[index] + size <= PACK_BYTES and name not in seen[index]:
                break
        else:
            packs.append([])
            sizes.append(0)
            seen.append(set())
            index = len(packs) - 1
        packs[index].append(row)
        sizes[index] += size
        seen[index].add(name)
    return packs


def row_bytes(row: Row) -> int:
    """Count the bytes a row takes in a batch, newline included, at the longest time."""
    return len(encode_line(row.measurement, row.tags, row.fields, _NS_DIGITS).encode()) + 1


def counted_readings(rows: Iterable[Row]) -> int:
    """Count the device readings that rows carry: the conservation account's unit (DESIGN section 2)."""
    return sum(int(row.fields.get("readings", 0)) for row in rows if row.measurement == "machine")
