"""Where does the record rest? In the evidence log: append-only segment files of frames, synced before anybody is told.

A segment is named by the leaf of its first frame and closed at SEGMENT_BYTES. Nothing written is ever changed: a torn
tail (never acknowledged) is cut, damage inside is copied to `quarantine/` and stepped over, and a start
fails for nothing that it finds in a file (decision 0003); only a file that is gone or cannot be read stops it (0020).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from store.frames import Damage, Found, Frame, FrameKind, encode_frame, parse_frame, scan_frames
from telemetry.errors import FactoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SEGMENT_BYTES = 64_000_000
"""A segment grows to this and no further, so that a scan holds one segment in memory and no more."""
_SEGMENT = re.compile(r"([0-9]{12})\.log")
_logger = logging.getLogger(__name__)


class LogDamage(FactoryError):
    """A frame that was written is no longer whole."""


class LogUnreadable(FactoryError):
    """A segment is there and cannot be read, or is gone: nothing may be written before a person has looked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame lies: its segment (the leaf of the segment's first frame), offset and length in bytes."""

    segment: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset after the frame."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Located:
    """A frame and its place."""

    frame: Frame
    place: Place


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended: the log gives the leaf."""

    kind: FrameKind
    received_ms: int
    body: bytes


def write_all(handle: int, data: bytes) -> None:
    """Write every byte or raise OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def sync_data(handle: int) -> None:
    """Bring a file's bytes to the disk (fdatasync)."""
    os.fdatasync(handle)


def sync_directory(directory: Path) -> None:
    """Bring a directory's names to the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Put a small file in place, whole or not at all, and durably."""
    partial = path.with_name(path.name + ".tmp")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_directory(path.parent)


def _standing(items: Iterable[Found | Damage], next_leaf: int, bound: int | None) -> Iterator[Found | Damage]:
    """Give of a segment's items, the first of them due to be `next_leaf`, what may ever have been acknowledged.

    `bound` is the next segment's first leaf, None in the last segment. An append that failed is cut off and its segment
    given up, but the cut itself may not survive a power cut: a torn write, or a frame whose leaf went to another, then
    lies behind the segment's last leaf again. Where that leaf is missing, what follows is damage and is given.
    """
    for item in items:
        if bound is not None and next_leaf >= bound:
            _logger.warning("log_bytes_given_up offset=%d next_segment=%d", item.offset, bound)
            return
        if isinstance(item, Found):
            if bound is not None and item.frame.leaf >= bound:
                _logger.warning("log_frame_ignored offset=%d leaf=%d", item.offset, item.frame.leaf)
                continue
            next_leaf = max(next_leaf, item.frame.leaf + 1)
        yield item


class EvidenceLog:
    """The log's files. One writer at a time (the store's lock sees to it); any number of readers."""

    def __init__(self, directory: Path, quarantine: Path, *, is_writable: bool) -> None:
        self._directory = directory
        self._quarantine = quarantine
        self._is_writable = is_writable
        self._handle: int | None = None
        self._segment = 0
        self._size = 0
        self.next_leaf = 0
        self.damaged_bytes = 0
        self.lost_leaves = 0
        if is_writable:
            directory.mkdir(parents=True, exist_ok=True)
            sync_directory(directory.parent)

    def segments(self) -> list[int]:
        """Give the first leaves of all segments, ascending."""
        if not self._directory.is_dir():
            return []
        matches = (_SEGMENT.fullmatch(entry.name) for entry in self._directory.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def path(self, segment: int) -> Path:
        """Give a segment's file."""
        return self._directory / f"{segment:012d}.log"

    def _read_segment(self, segment: int) -> bytes:
        try:
            return self.path(segment).read_bytes()
        except OSError as error:
            raise LogUnreadable(
                f"{self.path(segment)}: {error.strerror}; the log is the record: make the file readable, or restore it"
            ) from None

    def recover(self, after: tuple[int, Place] | None, synced: int = 0) -> Iterator[Located]:
        """Walk what lies behind a leaf's place (None: everything), mend the tail, and be ready to append at the end.

        So many leaves are known as synced (`synced`): where the last of them are no longer whole that is rot and no torn
        write. It is kept where it is, counted in `lost_leaves`, and their numbers go to no other frame.
        """
        segments = self.segments()
        if self._is_writable and segments:
            self._make_sure(segments[-1])
        if after is not None:
            segments = [segment for segment in segments if segment >= after[1].segment]
            self.next_leaf = after[0] + 1
        for index, segment in enumerate(segments):
            start = after[1].end if after is not None and segment == after[1].segment else 0
            bound = segments[index + 1] if index + 1 < len(segments) else None
            self.next_leaf = max(self.next_leaf, segment)
            self._segment, self._size = segment, start
            yield from self._recover_segment(segment, start, bound, synced)
        if self.next_leaf < synced:
            _logger.error("log_leaves_lost first=%d count=%d", self.next_leaf, synced - self.next_leaf)
            self.lost_leaves = synced - self.next_leaf
            self.next_leaf, self._size = synced, SEGMENT_BYTES

    def _make_sure(self, segment: int) -> None:
        """Sync the last segment and its name: whoever wrote it may have been killed before his sync.

        What is read back from there is answered for as stored, and need not be followed by another append.
        """
        sync_directory(self._directory)
        try:
            handle = os.open(self.path(segment), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except PermissionError:
            return  # reading it will fail as well, and say so
        try:
            sync_data(handle)
        finally:
            os.close(handle)

    def _recover_segment(self, segment: int, start: int, bound: int | None, synced: int) -> Iterator[Located]:
        data = self._read_segment(segment)
        self._size = len(data)
        for item in _standing(scan_frames(data, start), self.next_leaf, bound):
            if isinstance(item, Damage):
                is_torn = item.is_tail and bound is None and self.next_leaf >= synced
                self._on_damage(segment, item, data, is_torn=is_torn)
            elif item.frame.leaf < self.next_leaf:
                _logger.warning("log_frame_ignored segment=%d leaf=%d", segment, item.frame.leaf)
            else:
                self.next_leaf = item.frame.leaf + 1
                yield Located(item.frame, Place(segment, item.offset, item.length))

    def _on_damage(self, segment: int, damage: Damage, data: bytes, *, is_torn: bool) -> None:
        self.damaged_bytes += damage.length
        _logger.error(
            "log_damage segment=%d offset=%d bytes=%d torn=%s",
            segment,
            damage.offset,
            damage.length,
            is_torn,
        )
        if not self._is_writable:
            return
        self._keep_aside(segment, damage, data)
        if is_torn:
            os.truncate(self.path(segment), damage.offset)
            self._size = damage.offset

    def _keep_aside(self, segment: int, damage: Damage, data: bytes) -> None:
        """Copy damaged bytes to a side file of a fixed name, so that starting again makes no second copy."""
        name = self._quarantine / f"{segment:012d}-{damage.offset}-{damage.length}.bin"
        with contextlib.suppress(OSError):  # a full disk must not keep the store from starting
            self._quarantine.mkdir(exist_ok=True)
            name.write_bytes(data[damage.offset : damage.offset + damage.length])

    def append(self, records: Sequence[Record]) -> list[Located]:
        """Append all records and sync them, or raise OSError and leave the log as it was."""
        located: list[Located] = []
        group: list[Located] = []
        try:
            for record in records:
                frame = Frame(self.next_leaf, record.kind, record.received_ms, record.body)
                self._append_one(frame, group, located)
            self._commit(group, located)
        except OSError:
            self._undo(group)
            if located:
                # Earlier segments of this call are synced: they stand. The caller learns how far it came.
                return located
            raise
        return located

    def _append_one(self, frame: Frame, group: list[Located], located: list[Located]) -> None:
        data = encode_frame(frame)
        if self._handle is None or self._size + len(data) > SEGMENT_BYTES:
            self._commit(group, located)
            self._open_segment(len(data))
        assert self._handle is not None  # noqa: S101 - set by _open_segment
        place = Place(self._segment, self._size, len(data))
        group.append(Located(frame, place))
        self._size += len(data)
        self.next_leaf += 1
        write_all(self._handle, data)

    def _commit(self, group: list[Located], located: list[Located]) -> None:
        if group and self._handle is not None:
            sync_data(self._handle)
            located += group
            group.clear()

    def _open_segment(self, incoming: int) -> None:
        """Go on in the last segment when there is room, else create the next one and sync its name."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        path = self.path(self._segment)
        if self._handle is None and self._size + incoming <= SEGMENT_BYTES and path.exists():
            self._handle = os.open(path, flags)
            return
        self._close_handle()
        handle = os.open(self.path(self.next_leaf), flags | os.O_CREAT, 0o640)
        try:
            sync_directory(self._directory)
            if os.fstat(handle).st_size:
                # Left over from a failed append that could not be cut off: its leaves go to other frames now.
                os.ftruncate(handle, 0)
        except OSError:
            os.close(handle)
            self._size = SEGMENT_BYTES  # the new name is there: nothing may follow in the segment before it
            raise
        self._handle, self._segment, self._size = handle, self.next_leaf, 0

    def _undo(self, group: list[Located]) -> None:
        """Take back unsynced frames; the file is not trusted again (a failed sync may lie the second time)."""
        if group:
            first = group[0]
            self.next_leaf = first.frame.leaf
            self._size = SEGMENT_BYTES  # the next append opens a new segment
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, first.place.offset)
        self._close_handle()

    def _close_handle(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def read(self, place: Place) -> Frame:
        """Read one frame back; LogDamage when it is no longer whole."""
        try:
            with self.path(place.segment).open("rb") as file:
                file.seek(place.offset)
                found = parse_frame(file.read(place.length), 0)
        except OSError as error:
            raise LogDamage(f"{self.path(place.segment)}: {error.strerror}") from None
        if found is None:
            raise LogDamage(
                f"{self.path(place.segment)}: the frame at {place.offset} is damaged; run 'mfl store verify'"
            )
        return found.frame

    def read_some(
        self, places: Sequence[tuple[int, Place]], stop: int, bytes_max: int
    ) -> tuple[list[Frame], int]:
        """Read frames in order until they have `bytes_max`; gives them and the leaf behind them, at most `stop`."""
        frames: list[Frame] = []
        size = 0
        for leaf, place in places:
            if size >= bytes_max:
                return frames, leaf
            with contextlib.suppress(LogDamage):  # `verify` tells it
                frames.append(self.read(place))
            size += place.length
        return frames, stop

    def last(self) -> Located | None:
        """Give the last whole frame of the last segment; None when there is none."""
        segments = self.segments()
        found = None
        for item in scan_frames(self._read_segment(segments[-1])) if segments else ():
            if isinstance(item, Found):
                found = Located(item.frame, Place(segments[-1], item.offset, item.length))
        return found

    def walk(self) -> Iterator[tuple[int, Found | Damage]]:
        """Walk every frame and all damage of the record, with the segment of each; changes nothing.

        What a segment holds behind its last leaf is no part of the record (see `_standing`).
        """
        segments = self.segments()
        for segment, bound in zip_longest(segments, segments[1:]):
            for item in _standing(scan_frames(self._read_segment(segment)), segment, bound):
                yield segment, item

    def close(self) -> None:
        """Let go of the file."""
        self._close_handle()
