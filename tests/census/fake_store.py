"""What do the census tests take for a store? Parquet day files by the contract, and rows with everything filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from census.calendar import DAY_MS, HOUR_MS, day_of, day_start_ms, parse_day
from census.templates import MEASUREMENT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path


Rows = list[dict[str, Any]]
POWER = {"power_w_min": 40, "power_w_max": 900}
_ARROW = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "BOOLEAN": pa.bool_()}


@dataclass(frozen=True)
class FakeEvent:
    kind: str
    gateway: str
    from_ms: int = 0
    until_ms: int | None = None
    public_key: str = "ed25519 AAAA"
    leaf: int = 0
    epoch: str = ""


@dataclass
class FakeStore:
    """The store's contract over files written by `put`: one more file a call, as unsorted segments are."""

    directory: Path
    log: list[FakeEvent] = field(default_factory=list)
    leaves: int = 1_000_000
    found: dict[tuple[str, date], list[Path]] = field(default_factory=dict)

    def put(self, measurement: str, rows: Rows) -> None:
        columns = MEASUREMENT_COLUMNS[measurement]
        time = "sealed_ms" if measurement == "batch" else "time_ms"
        days: dict[int, Rows] = {}
        for row in rows:
            days.setdefault(day_of(row[time]), []).append(row)
        for number, found in days.items():
            day = date.fromordinal(number)
            files = self.found.setdefault((measurement, day), [])
            path = self.directory / f"{measurement}-{day}-{len(files)}.parquet"
            table = pa.table(
                {name: pa.array([row.get(name) for row in found], _ARROW[kind]) for name, kind in columns}
            )
            pq.write_table(table, path)
            files.append(path)

    def enrol(self, gateway: str, **values: Any) -> None:
        self.log.append(FakeEvent("enrol", gateway, **values))

    def days(self, measurement: str) -> list[date]:
        return sorted(day for name, day in self.found if name == measurement)

    def files(self, day: date, measurement: str) -> list[Path]:
        return self.found.get((measurement, day), [])

    def events(self) -> list[FakeEvent]:
        return self.log

    def apply(self) -> None:
        pass

    def log_size(self) -> int:
        return self.leaves

    def root_hash(self, size: int | None = None) -> str:
        return f"{self.leaves if size is None else size:064x}"


def machine_row(day: str, hour: int = 0, **values: Any) -> dict[str, Any]:
    """One machine row of four hours, all ready, unless told otherwise."""
    start = day_start_ms(parse_day(day)) + hour * HOUR_MS
    row: dict[str, Any] = {
        "gateway": "gw1", "device": "r1", "time_ms": start, "window_ms": 4 * HOUR_MS, "running_ms": 0, "paused_ms": 0,
        "fault_ms": 0, "off_ms": 0, "unknown_ms": 0, "starts": 0, "changes": 0, "boots": 0, "readings": 240, "bad": 0,
        "polls_due": 240, "polls_ok": 240, "state": "ready", "quality": "good", "profile": "acme_arm@0123456789ab",
        "late": False, "epoch": "e" * 32, "seq": 1, "leaf": 10, "received_ms": start + 4 * HOUR_MS, "grade": "signed",
        "quarantined": False,
    }  # fmt: skip
    row |= values
    busy = sum(row[f"{state}_ms"] for state in ("running", "paused", "fault", "off", "unknown"))
    row.setdefault("ready_ms", row["window_ms"] - busy)
    return row


def machine_day(day: str, running_h: int = 8, **values: Any) -> Rows:
    """Six rows that tile a day, the first of which run, each window with a power of its own."""
    rows = []
    for number in range(6):
        running = max(0, min(4, running_h - 4 * number)) * HOUR_MS
        gauge = parse_day(day) * 7919 + number * 104_729
        rows.append(
            machine_row(
                day,
                4 * number,
                **({"running_ms": running, "power_w_n": 240, "power_w_sum": gauge} | POWER | values),
            )
        )
    return rows


def identity_row(day: str, **values: Any) -> dict[str, Any]:
    """One identity row, declared at enrolment."""
    start = day_start_ms(parse_day(day))
    return {
        "gateway": "gw1", "device": "r1", "time_ms": start, "manufacturer": "ACME", "model": "Arm6", "serial": "S1",
        "kind": "robot", "axes": 6, "source": "declared", "epoch": "e" * 32, "seq": 1, "leaf": 10,
        "received_ms": start + DAY_MS, "grade": "signed", "quarantined": False,
    } | values  # fmt: skip


def put_machines(store: FakeStore, rows: Rows, **enrol: Any) -> None:
    """Write machine rows, enrolling their gateways first."""
    for gateway in sorted({row["gateway"] for row in rows} - {event.gateway for event in store.log}):
        store.enrol(gateway, **enrol)
    store.put("machine", rows)
