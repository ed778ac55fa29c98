"""How do bytes survive on disk? Append files of CRC-framed records, whose torn tail is cut and whose rot is set aside.

A frame is `magic, length, CRC-32 of length and payload, payload`. The magic lets reading go on behind rotten bytes;
the CRC decides. A tail that is no whole frame was never synced, so it is cut; rotten bytes in the middle are counted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAGIC = b"\xf5MF1"
_HEAD = struct.Struct("<4sII")
PAYLOAD_MAX = 64_000_000
"""Bytes a frame may hold; a longer length is rot. A seal of 60 full batches still fits."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One good frame: where it starts in its file, where it ends, and what it holds."""

    start: int
    end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds: its good frames, the rotten stretches between them, and where the good part ends."""

    frames: tuple[Frame, ...]
    rotten: tuple[tuple[int, int], ...]
    end: int


def encode_frame(payload: bytes) -> bytes:
    """Wrap a payload; ValueError when it is longer than PAYLOAD_MAX."""
    if len(payload) > PAYLOAD_MAX:
        raise ValueError(f"a frame of {len(payload)} bytes; at most {PAYLOAD_MAX}")
    return _HEAD.pack(MAGIC, len(payload), _crc(len(payload), payload)) + payload


def _crc(length: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "little")))


def frame_at(data: bytes, at: int) -> Frame | None:
    """Read the frame that starts at an offset; None when no whole, unharmed frame stands there."""
    if at + _HEAD.size > len(data):
        return None
    magic, length, crc = _HEAD.unpack_from(data, at)
    start, end = at + _HEAD.size, at + _HEAD.size + length
    if magic != MAGIC or length > PAYLOAD_MAX or end > len(data):
        return None
    payload = data[start:end]
    return Frame(at, end, payload) if _crc(length, payload) == crc else None


def scan_frames(data: bytes) -> Scan:
    """Find every good frame of a file's bytes, whatever happened to the others."""
    frames: list[Frame] = []
    rotten: list[tuple[int, int]] = []
    good_end = at = 0
    while at < len(data):
        frame = frame_at(data, at)
        if frame is None:
            found = data.find(MAGIC, at + 1)
            at = len(data) if found < 0 else found
            continue
        if frame.start > good_end:
            rotten.append((good_end, frame.start))
        frames.append(frame)
        good_end = at = frame.end
    return Scan(tuple(frames), tuple(rotten), good_end)


class FrameFile:
    """An append file of frames with one writer. An append that fails leaves the file as it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._fd).st_size
        self.synced = self.size

    def append(self, payload: bytes) -> int:
        """Write one frame and give its offset; OSError (disk full and the like) leaves the file unchanged."""
        data = encode_frame(payload)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        offset, self.size = self.size, self.size + len(data)
        return offset

    def sync(self) -> None:
        """Make every frame appended before this call durable; OSError when the disk refuses.

        A refused sync must not be tried again on this file: the kernel may have dropped the pages (the
        `fsyncgate` finding of 2018); write the frames to another file instead.
        """
        size = self.size
        os.fdatasync(self._fd)
        self.synced = max(self.synced, size)

    def cut(self, size: int) -> None:
        """Forget everything behind an offset."""
        os.ftruncate(self._fd, size)
        self.size = size
        self.synced = min(self.synced, size)

    def close(self) -> None:
        """Close the file; what was not synced may be lost."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def sync_directory(directory: Path) -> None:
    """Make creations, renames and removals inside a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(directory: Path) -> None:
    """Make a state directory so that a power cut leaves it where it is: its name is synced, and its parent's.

    Even when both were there: whoever made them may have been killed before the sync. A parent that may not be read
    is somebody else's and was made long ago.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for parent in (directory.parent, directory.parent.parent):
        with contextlib.suppress(PermissionError):
            sync_directory(parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content so that a crash leaves the old or the new, never a mixture."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    sync_directory(path.parent)


QUARANTINE_BYTES_MAX = 16_000_000
"""Rotten bytes kept for a person; more is counted only, for rot must not fill the disk."""


def set_aside(path: Path, scan: Scan, data: bytes) -> int:
    """Keep a file's rotten stretches and torn tail in its directory's `quarantine/`, as far as its bound has room.

    Gives the stretches found. They are kept for a person and for nothing else: a disk that refuses them stops nothing.
    """
    stretches = [*scan.rotten, *([(scan.end, len(data))] if scan.end < len(data) else [])]
    if not stretches:
        return 0
    folder = path.parent / "quarantine"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        room = QUARANTINE_BYTES_MAX - sum(item.stat().st_size for item in folder.iterdir())
        for start, end in stretches:
            kept = data[start : min(end, start + max(0, room))]
            if kept:
                (folder / f"{path.name}.{start}").write_bytes(kept)
            room -= len(kept)
    except OSError as error:
        logger.warning("event=not_set_aside file=%s error=%s", path.name, error.strerror)
    return len(stretches)
