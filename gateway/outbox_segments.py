"""Where on disk is batch number n? The outbox's segment files, listed at start and read only when needed."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gateway.frames import PAYLOAD_MAX, FrameFile, frame_at, scan_frames, set_aside, sync_directory
from gateway.outbox_records import Record, decode_record, encode_record

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES = 4_000_000
"""A segment is closed when it has this many bytes: what one look into the backlog may cost in memory."""
LOADED_MAX = 4
"""Segments whose contents are known at once: the oldest, the newest, and two on the way."""
FILE_BYTES_MAX = SEGMENT_BYTES + PAYLOAD_MAX
"""Bytes of a segment that are looked at: it is closed behind the record that makes it longer than SEGMENT_BYTES."""
logger = logging.getLogger(__name__)
_NAME = re.compile(r"(\d{12})-(\d{15})\.seg")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch lies: the frame's first and last byte, and the batch's position in the record."""

    start: int
    end: int
    position: int
    readings: int


@dataclass(slots=True)
class Segment:
    """One file: the index of its first batch, and the readings in all batches before it (both in its name)."""

    path: Path
    first: int
    before: int
    size: int
    places: dict[int, Place] | None = None
    starts: list[tuple[int, int, int, int]] | None = None
    """Of each record: first index, end index, readings before, readings after."""


class Segments:
    """The files of one outbox, oldest first; the last one is appended to and never removed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.items: list[Segment] = []
        self._writer: FrameFile | None = None
        for path in sorted(directory.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and path.is_file() and not path.is_symlink():
                # Beside a running gateway a file may be gone before it is looked at.
                with contextlib.suppress(FileNotFoundError):
                    self.items.append(Segment(path, int(match[1]), int(match[2]), path.stat().st_size))

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self.items)

    def recover_tail(self, index: int) -> list[Record]:
        """Cut the torn tail; give the records from the segment that holds `index` on, at least the last there are.

        Only the very last record keeps its batches' bytes: with the cursor lost all segments are read, and a whole backlog
        would not fit into memory. The chain's place needs no more than that.
        """
        records: list[Record] = []
        for number, segment in reversed(list(enumerate(self.items))):
            data = read_segment(segment.path)
            scan = scan_frames(data)
            set_aside(segment.path, scan, data)
            if scan.end < segment.size and number == len(self.items) - 1:
                file = FrameFile(segment.path)
                file.cut(scan.end)
                file.sync()
                file.close()
                segment.size = scan.end
            found = [record for frame in scan.frames if (record := decode_record(frame.payload))]
            kept = found[-1:] if not records else []
            records = [*map(_slim, found[: len(found) - len(kept)]), *kept, *records]
            if records and segment.first <= index:
                break
        return records

    def drop_strangers(self, end: int) -> None:
        """Leave files out that begin beyond the outbox's end: a next batch in them would make all between look lost."""
        for segment in [item for item in self.items if item.first > end]:
            logger.error("event=strange_segment file=%s end=%d", segment.path.name, end)
            self.items.remove(segment)

    def append(self, record: Record) -> None:
        """Write and sync one record; OSError leaves everything as it was."""
        payload = encode_record(record)
        last = self.items[-1] if self.items else None
        if last is None or last.size >= SEGMENT_BYTES:
            last = self._roll(record)
        if self._writer is None:
            self._writer = FrameFile(last.path)
        size = self._writer.size
        try:
            self._writer.append(payload)
            self._writer.sync()
        except OSError:
            # A file whose sync failed is never synced again: the next record starts a new one.
            self._writer.cut(size)
            self._writer.close()
            self._writer = None
            if size == 0:
                last.path.unlink(missing_ok=True)
                self.items.remove(last)
            raise
        last.size = self._writer.size
        _learn(last, record, size, last.size)

    def _roll(self, record: Record) -> Segment:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        path = self._directory / f"{record.index:012d}-{record.before:015d}.seg"
        self._writer = FrameFile(path)
        sync_directory(self._directory)
        segment = Segment(path, record.index, record.before, self._writer.size, {}, [])
        self.items.append(segment)
        return segment

    def holding(self, index: int) -> Segment | None:
        """Find the segment in whose range an index lies."""
        found = None
        for segment in self.items:
            if segment.first > index:
                break
            found = segment
        return found

    def load(self, segment: Segment) -> dict[int, Place]:
        """Learn what a segment holds; rotten stretches are set aside."""
        if segment.places is not None:
            return segment.places
        loaded = [other for other in self.items if other.places is not None]
        for other in loaded[: max(0, len(loaded) - LOADED_MAX + 1)]:
            other.places = other.starts = None
        try:
            data = read_segment(segment.path)
        except OSError:
            data = b""
        scan = scan_frames(data)
        set_aside(segment.path, scan, data[: scan.end])
        segment.places, segment.starts = {}, []
        for frame in scan.frames:
            if record := decode_record(frame.payload):
                _learn(segment, record, frame.start, frame.end)
        return segment.places

    def read(self, segment: Segment, place: Place) -> bytes | None:
        """Read one batch's bytes; None when they rotted since the segment was loaded."""
        try:
            fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(fd, place.end - place.start, place.start)
            finally:
                os.close(fd)
        except OSError:
            return None
        frame = frame_at(data, 0)
        record = decode_record(frame.payload) if frame else None
        return record.batches[place.position] if record else None

    def hole(self, segment: Segment, index: int, end: tuple[int, int]) -> tuple[int, int, int]:
        """Measure the hole around a missing index: its first and last index, and the readings that were in it.

        `end` is (index, readings) where the segment's range ends: the next segment's start, or the outbox's end.
        """
        self.load(segment)
        first, before = segment.first, segment.before
        for start, last, record_before, record_after in segment.starts or []:
            if start > index:
                return first, start - 1, record_before - before
            first, before = last, record_after
        return first, end[0] - 1, end[1] - before

    def forget_until(self, done: int) -> None:
        """Remove files whose every batch is done with; the last file stays, for it tells where the chain stands."""
        while len(self.items) > 1 and self.items[1].first <= done + 1:
            self.items.pop(0).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_segment(path: Path) -> bytes:
    """Read a segment's bytes, at most FILE_BYTES_MAX: what a broken disk put behind them costs no memory."""
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX)


def _learn(segment: Segment, record: Record, start: int, end: int) -> None:
    """Note where a record's batches lie, unless the segment is not loaded: then it will be read when it is asked for."""
    if segment.places is None or segment.starts is None:
        return
    segment.starts.append(
        (
            record.index,
            record.index + len(record.batches),
            record.before,
            record.before + sum(record.readings),
        )
    )
    for position, readings in enumerate(record.readings):
        segment.places[record.index + position] = Place(start, end, position, readings)


def _slim(record: Record) -> Record:
    """Drop a record's batches but not their number."""
    return msgspec.structs.replace(record, batches=(b"",) * len(record.batches))
