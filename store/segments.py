"""Where do rows rest? Parquet files a measurement and day, named by the leaves they cover.

`rows/<measurement>/day=YYYY-MM-DD/<first>-<last>-<crc>.parquet` (a `c` after the last leaf: compacted; the CRC32 of the
file's bytes in hex, which may be missing where another program wrote it). A file is written under another name, synced,
renamed, and its directory synced; it never changes afterwards. Where one file's leaves contain another's, the larger
one counts (and the compacted one of two equals), so a crash between naming the new file and removing the old ones
doubles nothing.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from store.log import sync_directory
from telemetry.errors import FactoryError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAME = re.compile(r"([0-9]{12})-([0-9]{12})(c?)(?:-([0-9a-f]{8}))?\.parquet")
_DAY = re.compile(r"day=([0-9]{4}-[0-9]{2}-[0-9]{2})")
_EPOCH = date(1970, 1, 1)
_READ_BYTES = 1_000_000


class RowDamage(FactoryError):
    """A row file's bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One row file: the first and last leaf whose rows of its measurement and day it holds, all of them."""

    path: Path
    first: int
    last: int
    is_compacted: bool
    crc: str = ""

    def covers(self, other: Segment) -> bool:
        """Tell whether this file makes another one needless."""
        if (self.first, self.last) == (other.first, other.last):
            # Two of one kind only in the moment in which a damaged one is replaced.
            return (self.is_compacted, self.crc) > (other.is_compacted, other.crc)
        return self.first <= other.first and other.last <= self.last

    @property
    def is_whole(self) -> bool:
        """Tell whether the file's bytes are those of its name; of one without a checksum nothing can be told."""
        return not self.crc or file_crc(self.path) == self.crc


def file_crc(path: Path) -> str:
    """Give the CRC32 of a file's bytes as 8 hex digits."""
    crc = 0
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            crc = zlib.crc32(part, crc)
    return f"{crc:08x}"


def day_date(day: int) -> date:
    """Give a day number as a date; one beyond the calendar's end as its last day."""
    return _EPOCH + timedelta(days=max(-719_162, min(day, 2_932_896)))


class RowFiles:
    """The row files under one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known_whole: set[Path] = set()  # compacted files only: some a day, and they last

    def measurements(self) -> list[str]:
        """Give the measurements that have files, sorted."""
        if not self._directory.is_dir():
            return []
        return sorted(entry.name for entry in self._directory.iterdir() if entry.is_dir())

    def days(self, measurement: str) -> list[date]:
        """Give the days of a measurement, ascending."""
        home = self._directory / measurement
        if not home.is_dir():
            return []
        matches = (_DAY.fullmatch(entry.name) for entry in home.iterdir())
        return sorted(date.fromisoformat(match[1]) for match in matches if match)

    def home(self, measurement: str, day: date) -> Path:
        """Give the directory of a measurement's day."""
        return self._directory / measurement / f"day={day.isoformat()}"

    def all_segments(self, measurement: str, day: date) -> list[Segment]:
        """Give every row file of a day, by first leaf."""
        home = self.home(measurement, day)
        if not home.is_dir():
            return []
        found = []
        for path in home.iterdir():
            match = _NAME.fullmatch(path.name)
            if match:
                found.append(Segment(path, int(match[1]), int(match[2]), match[3] == "c", match[4] or ""))
        return sorted(
            found, key=lambda segment: (segment.first, segment.last, segment.is_compacted, segment.crc)
        )

    def segments(self, measurement: str, day: date) -> list[Segment]:
        """Give the row files that count: no row is in two of them."""
        found = self.all_segments(measurement, day)
        return [segment for segment in found if not any(other.covers(segment) for other in found)]

    def whole_segments(self, measurement: str, day: date) -> list[Segment]:
        """Give the row files that count; RowDamage when one is not as it was written."""
        found = self.segments(measurement, day)
        for segment in found:
            if segment.path in self._known_whole:
                continue
            if not segment.is_whole:
                raise RowDamage(f"{segment.path} is damaged; 'mfl store rebuild' makes it anew from the log")
            if segment.is_compacted:
                self._known_whole.add(segment.path)
        return found

    def superseded(self, measurement: str, day: date) -> list[Path]:
        """Give the row files that another one makes needless."""
        counting = {segment.path for segment in self.segments(measurement, day)}
        return [
            segment.path for segment in self.all_segments(measurement, day) if segment.path not in counting
        ]

    def write(
        self,
        measurement: str,
        day: date,
        leaves: tuple[int, int],
        tables: Iterable[pa.Table],
        *,
        is_compacted: bool = False,
    ) -> Path:
        """Write one row file so that it is there whole or not at all."""
        home = self.home(measurement, day)
        if not home.is_dir():
            home.mkdir(parents=True, exist_ok=True)
            sync_directory(home.parent)
            sync_directory(home.parent.parent)
        name = f"{leaves[0]:012d}-{leaves[1]:012d}{'c' if is_compacted else ''}"
        partial = home / f"{name}.tmp"
        _write_parquet(tables, partial, is_compacted=is_compacted)
        name = f"{name}-{file_crc(partial)}.parquet"
        handle = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.rename(home / name)
        sync_directory(home)
        return home / name


def _write_parquet(tables: Iterable[pa.Table], path: Path, *, is_compacted: bool) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for table in tables:
            if writer is None:
                writer = _writer(path, table.schema, is_compacted=is_compacted)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _writer(path: Path, schema: pa.Schema, *, is_compacted: bool) -> pq.ParquetWriter:
    integers = [item.name for item in schema if item.type == pa.int64()]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[item.name for item in schema if item.type == pa.string()],
        # 5.5 bytes a row instead of 10 in a sorted day; not worth its time in a file that will be merged.
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED") if is_compacted else None,
    )


def read_segment(segment: Segment) -> pa.Table:
    """Read one row file."""
    with pq.ParquetFile(segment.path) as file:
        return file.read()
