"""Which fleet is the census timed on? A city's robots by the minute, written as the store writes a compacted day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from census.calendar import DAY_MS, day_start_ms
from store.columns import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FIRST_DAY = date(2018, 7, 2).toordinal()
PART = 170
"""Robots written at once: a row group of 250,000 rows, as compaction makes them."""


class _Columns:
    """The columns of some rows, by robot and window; those not given are null, or false."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._columns: dict[str, pa.Array] = {}

    def put(self, name: str, values: NDArray[np.int64]) -> None:
        self._columns[name] = pa.array(np.broadcast_to(values, self._shape).reshape(-1))

    def say(self, name: str, values: list[str]) -> None:
        texts = np.repeat(np.array(values, dtype=object), self._shape[1]).tolist()
        self._columns[name] = pa.array(texts, pa.string())

    def finish(self) -> pa.Table:
        rows = self._shape[0] * self._shape[1]
        for name in ("late", "quarantined"):
            self._columns[name] = pa.array(np.zeros(rows, dtype=bool))
        schema = schema_of("machine")
        arrays = [
            self._columns[item.name].cast(item.type)
            if item.name in self._columns
            else pa.nulls(rows, item.type)
            for item in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class Fleet:
    """Robots of 100 gateways, a row a window; what each has done before its first day comes from its number."""

    robots: int
    window_ms: int = 60_000
    seed: int = 1

    def write_day(self, path: Path, day: int) -> int:
        """Write a day; give its rows."""
        rows = 0
        with pq.ParquetWriter(
            path,
            schema_of("machine"),
            compression="zstd",
            use_dictionary=[item.name for item in schema_of("machine") if item.type == pa.string()],
            column_encoding=dict.fromkeys(
                [item.name for item in schema_of("machine") if item.type == pa.int64()], "DELTA_BINARY_PACKED"
            ),
        ) as writer:
            for part in self._parts(day):
                writer.write_table(part)
                rows += part.num_rows
        return rows

    def _parts(self, day: int) -> Iterator[pa.Table]:
        for first in range(0, self.robots, PART):
            numbers = np.arange(first, min(first + PART, self.robots))
            yield self._part(numbers, day, np.random.default_rng([self.seed, day, first]))

    def _part(self, numbers: NDArray[np.int64], day: int, rng: np.random.Generator) -> pa.Table:
        windows = DAY_MS // self.window_ms
        shape = (len(numbers), windows)
        start = day_start_ms(day)
        hour = np.arange(windows) * 24 // windows
        shift = (hour >= 8 + numbers[:, None] % 3) & (hour < 18 + numbers[:, None] % 3)
        busy = shift & (rng.random(shape) > 0.1)
        running = np.where(busy, rng.integers(self.window_ms // 2, self.window_ms, shape), 0)
        took = self.window_ms // 20_000 + 1
        grown = {
            "cycles": np.where(busy, rng.integers(0, 2 * took, shape), 0),
            "energy_wh": rng.integers(1, 9, shape) + 20 * busy,
            "power_on_s": np.full(shape, self.window_ms // 1000),
        }
        table = _Columns(shape)
        put, say = table.put, table.say
        said = (start + np.arange(windows) * self.window_ms)[None, :]
        put("time_ms", said)
        put("received_ms", said + self.window_ms + 5_000)
        put("window_ms", np.array([[self.window_ms]]))
        put("running_ms", running)
        put("ready_ms", self.window_ms - running)
        for name in ("paused_ms", "fault_ms", "off_ms", "unknown_ms", "bad", "boots"):
            put(name, np.zeros((1, 1), dtype=np.int64))
        for name in ("starts", "changes"):
            put(name, busy.astype(np.int64))
        for name in ("readings", "polls_due", "polls_ok"):
            put(name, np.array([[self.window_ms // 1000]]))
        put("leaf", (day - FIRST_DAY) * 100_000 + np.arange(windows)[None, :] * 60 + numbers[:, None] % 50)
        put("seq", np.arange(windows)[None, :] + (day - FIRST_DAY) * windows + 1)
        for name, steps in grown.items():
            total = (numbers[:, None] + 1) * 1000 + (day - FIRST_DAY) * 10_000_000 + np.cumsum(steps, axis=1)
            put(f"{name}_raw", total)
            put(f"{name}_from", total - steps)
            put(f"{name}_inc", steps)
            put(f"{name}_step_max", np.minimum(steps, 3))
            put(f"{name}_step_ms", np.full((1, 1), 1000))
        for name in ("power_w", "joint_current_ma", "joint_speed_mdeg_s"):
            level = rng.integers(100, 900, shape) * (1 + 9 * busy)
            put(f"{name}_n", np.array([[60]]))
            put(f"{name}_sum", level * 60)
            put(f"{name}_min", level // 2)
            put(f"{name}_max", level * 2)
        say("device", [f"r{number:05}" for number in numbers])
        say("gateway", [f"gw{number % 100:03}" for number in numbers])
        say("epoch", [f"{number % 100:032x}" for number in numbers])
        for name, word in (
            ("profile", "acme_arm@0123456789ab"),
            ("state", "ready"),
            ("quality", "good"),
            ("grade", "signed"),
        ):
            say(name, [word] * len(numbers))
        return table.finish()


@dataclass(frozen=True)
class FleetFiles:
    """The census's view of days written under one directory, `machine-<day>.parquet`."""

    directory: Path

    def days(self, measurement: str) -> list[date]:
        """List the days there."""
        return sorted(
            date.fromisoformat(path.stem.removeprefix("machine-"))
            for path in self.directory.glob("machine-*.parquet")
            if measurement == "machine"
        )

    def files(self, day: date, measurement: str) -> list[Path]:
        """List a day's file."""
        return [self.directory / f"{measurement}-{day}.parquet"]
