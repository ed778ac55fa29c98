"""Which rows and batches stand behind one day? Read from the store's day files, for one device at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from census.engine import DayFiles
    from census.evidence import DeviceKey

ROWS_MAX = 4_000
"""Rows told of one device's day: one every 22 seconds. A day of one-minute rows has 1,440."""
SEALED_WITHIN_DAYS = 14
"""Days after a row's own in which its batch is looked for: a gateway that was cut off seals late."""


@dataclass(frozen=True, slots=True)
class DayRows:
    """One device's machine rows of one day, oldest first, and the batches (by leaf) that brought them."""

    rows: tuple[Mapping[str, Any], ...]
    batches: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def read_day(store: DayFiles, key: DeviceKey, day: int, log_size: int) -> DayRows:
    """Read what the log's first `log_size` leaves hold of one device's day (ordinal at +08:00)."""
    gateway, device = key
    wanted = [("gateway", "==", gateway), ("device", "==", device), ("leaf", "<", log_size)]
    rows = [row for path in store.files(date.fromordinal(day), "machine") for row in _read(path, wanted)]
    rows.sort(key=lambda row: (row["time_ms"], row["leaf"]))
    rows = rows[:ROWS_MAX]
    return DayRows(tuple(rows), _batches(store, gateway, day, {row["leaf"] for row in rows}))


def _batches(store: DayFiles, gateway: str, day: int, leaves: set[int]) -> dict[int, Mapping[str, Any]]:
    found: dict[int, Mapping[str, Any]] = {}
    known = set(store.days("batch"))
    for later in range(day, day + SEALED_WITHIN_DAYS):
        if leaves <= found.keys():
            break
        sealed = date.fromordinal(later)
        if sealed in known:
            found |= {
                row["leaf"]: row
                for path in store.files(sealed, "batch")
                for row in _read(path, [("gateway", "==", gateway), ("leaf", "in", leaves)])
            }
    return found


def _read(path: Path, filters: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    yield from pq.read_table(path, filters=list(filters)).to_pylist()
