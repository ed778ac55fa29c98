"""When is a reading accepted? Once its frame is in the synced journal; then, and only then, its ack is called.

One segment a window and run, named by the window's start, so that a sealed batch can name what it consumed
(decision 0005). Group commit: within 100 ms when an ack waits, else within 1 s. Full or failing disks refuse
readings, which are then never acknowledged; nothing that was accepted is touched.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.frames import FrameFile, make_directory, sync_directory
from gateway.journal_records import FrameRecord, Header, encode_frame_record, encode_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from telemetry.reading import Reading

ACK_WAIT_S = 0.05
"""How long an ack may wait for company; with the sync itself it stays within 100 ms."""
SYNC_WAIT_S = 0.8
"""How long a poll may stay unsynced; with the sync itself it stays within 1 s (DESIGN section 4)."""
UNSYNCED_BYTES_MAX = 4_000_000
"""Unsynced frames kept for a second try elsewhere; more forces a sync at once."""
RETRY_S = 1.0
"""How long a disk that refuses a new segment is left alone."""
SUFFIX = ".seg"

logger = logging.getLogger(__name__)


class JournalFull(Exception):
    """The readings were not accepted: the bound is reached or the disk is full."""


@dataclass(slots=True)
class _Segment:
    file: FrameFile
    window_ms: int
    readings: int = 0
    unsynced: list[FrameRecord] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.file.path.name


class Journal:
    """The journal of one run of the gateway. Used from the event loop only; only the sync itself is in a thread."""

    def __init__(self, directory: Path, *, run: str, header: Header, bytes_max: int) -> None:
        make_directory(directory)
        self._directory = directory
        self._run = run
        self._header = encode_header(header)
        self._bytes_max = bytes_max
        self._live: dict[int, _Segment] = {}
        """Window → the segment its readings are appended to."""
        self._segments: dict[str, _Segment] = {}
        """Every segment of this run that is not consumed, by name; as many as windows wait to be sealed."""
        self._left: dict[str, tuple[int, int]] = {}
        """Segments no longer written: name → its accepted readings and bytes."""
        self._retired: set[str] = set()
        """Segments of a run broken off: consumed by the next seal whatever their windows."""
        self._apart: set[str] = set()
        """Segments being folded again from disk: counted here, but sealed by whoever reads them."""
        self._parts = 0
        self._acks: list[Callable[[], None]] = []
        self._dirty, self._hurry = asyncio.Event(), asyncio.Event()
        self._syncing = asyncio.Lock()
        self.sync_failures = 0

    @property
    def readings(self) -> int:
        """Accepted readings (identity answers not counted) whose rows are not yet sealed."""
        # Lists, for the metrics are written in a thread while segments come and go.
        live = sum(segment.readings for segment in list(self._segments.values()))
        return live + sum(readings for readings, _ in list(self._left.values()))

    @property
    def size(self) -> int:
        """Bytes of all segments not consumed."""
        live = sum(segment.file.size for segment in list(self._segments.values()))
        return live + sum(size for _, size in list(self._left.values()))

    def append(
        self, window_ms: int, readings: Sequence[Reading], ack: Callable[[], None] | None = None
    ) -> None:
        """Take readings of the window starting at `window_ms`; JournalFull when they cannot be accepted.

        The ack is called from the event loop once the frame is durable.
        """
        if self.size >= self._bytes_max:
            raise JournalFull("journal_full")
        try:
            segment = self._live.get(window_ms)
            if segment is None:
                segment = self._live[window_ms] = self._create(window_ms)
            record = FrameRecord.of(segment.readings, readings)
            segment.file.append(encode_frame_record(record))
        except OSError as error:
            logger.debug("event=journal_refused error=%s", error.strerror)
            raise JournalFull("disk_full") from error
        segment.readings += record.count
        segment.unsynced.append(record)
        if ack is not None:
            self._acks.append(ack)
            self._hurry.set()
        if segment.file.size - segment.file.synced > UNSYNCED_BYTES_MAX:
            self._hurry.set()
        self._dirty.set()

    def _create(self, window_ms: int) -> _Segment:
        self._parts += 1
        file = FrameFile(self._directory / f"{window_ms:015d}-{self._run}-{self._parts:06d}{SUFFIX}")
        try:
            file.append(self._header)
            sync_directory(self._directory)
        except OSError:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        segment = self._segments[file.path.name] = _Segment(file, window_ms)
        return segment

    async def run(self) -> None:
        """Sync in groups until cancelled: the one flusher."""
        while True:
            await self._dirty.wait()
            if not self._hurry.is_set():
                await _wait(self._hurry, SYNC_WAIT_S - ACK_WAIT_S)
            await asyncio.sleep(ACK_WAIT_S)
            await self.sync()

    async def sync(self) -> None:
        """Make everything appended before this call durable and call the acks that waited for it."""
        async with self._syncing:
            self._dirty.clear()
            self._hurry.clear()
            acks, self._acks = self._acks, []
            for segment in list(self._segments.values()):
                if segment.unsynced:
                    await self._sync_segment(segment)
            for ack in acks:
                ack()

    async def _sync_segment(self, segment: _Segment) -> None:
        while True:
            count = len(segment.unsynced)
            try:
                await asyncio.to_thread(segment.file.sync)
            except OSError as error:
                self.sync_failures += 1
                logger.error("event=journal_sync_failed segment=%s error=%s", segment.name, error.strerror)  # noqa: TRY400
                segment = await self._write_elsewhere(segment)
            else:
                del segment.unsynced[:count]
                return

    async def _write_elsewhere(self, poisoned: _Segment) -> _Segment:
        """Write a poisoned segment's unsynced frames into a new one; the synced part stays as it is.

        Tries for as long as the disk refuses: the acks wait, and appends go on or are refused.
        """
        while True:
            try:
                fresh = self._create(poisoned.window_ms)
                self._copy_unsynced(poisoned, fresh)
            except OSError as error:
                logger.error("event=journal_no_segment error=%s", error.strerror)  # noqa: TRY400
                await asyncio.sleep(RETRY_S)
            else:
                break
        if self._live.get(poisoned.window_ms) is poisoned:
            self._live[poisoned.window_ms] = fresh
        for group in (self._retired, self._apart):
            if poisoned.name in group:
                group.add(fresh.name)
        poisoned.file.close()
        del self._segments[poisoned.name]
        self._left[poisoned.name] = (poisoned.readings - fresh.readings, poisoned.file.size)
        return fresh

    def _copy_unsynced(self, poisoned: _Segment, fresh: _Segment) -> None:
        try:
            for record in poisoned.unsynced:
                moved = FrameRecord(fresh.readings, record.readings)
                fresh.file.append(encode_frame_record(moved))
                fresh.readings += moved.count
                fresh.unsynced.append(moved)
            poisoned.file.cut(poisoned.file.synced)
        except OSError:
            del self._segments[fresh.name]
            fresh.file.close()
            fresh.file.path.unlink(missing_ok=True)
            raise

    async def sync_before(self, window_ms: int | None) -> None:
        """Sync until no segment of a window before `window_ms` has unsynced frames, so that all may be consumed."""
        while any(
            segment.unsynced and (window_ms is None or segment.window_ms < window_ms or name in self._retired)
            for name, segment in self._segments.items()
        ):
            await self.sync()

    def names_before(self, window_ms: int | None) -> list[str]:
        """Name the segments of windows that start before `window_ms` (None: every one), and of runs broken off.

        Those set apart are never among them.
        """
        names = sorted({*self._segments, *self._left} - self._apart)
        return [
            name
            for name in names
            if window_ms is None or window_of(name) < window_ms or name in self._retired
        ]

    def count(self, names: Sequence[str]) -> int:
        """Count the accepted readings of these segments."""
        live = sum(self._segments[name].readings for name in names if name in self._segments)
        return live + sum(self._left[name][0] for name in names if name in self._left)

    def adopt(self, name: str, readings: int, size: int) -> None:
        """Account for a segment left over from an earlier run, set apart until it is consumed."""
        self._left[name] = (readings, size)
        self._apart.add(name)

    def set_apart(self) -> None:
        """Take all that this run has journalled out of its windows' account, to be folded again from disk."""
        self._live.clear()
        self._apart |= self._segments.keys()

    async def apart(self) -> list[str]:
        """Sync, then name the segments that are set apart."""
        await self.sync_before(None)
        return sorted(self._apart)

    def retire(self) -> None:
        """Let no live segment be appended to any more: a run was broken off, and its rows are already given."""
        self._live.clear()
        self._retired |= self._segments.keys() - self._apart

    @property
    def has_retired(self) -> bool:
        """Whether a broken-off run waits to be sealed."""
        return bool(self._retired)

    def remove(self, names: Sequence[str]) -> None:
        """Forget segments whose rows are sealed and synced; durable before it returns."""
        for name in names:
            self._left.pop(name, None)
            self._retired.discard(name)
            self._apart.discard(name)
            segment = self._segments.pop(name, None)
            if segment is not None:
                segment.file.close()
                if self._live.get(segment.window_ms) is segment:
                    del self._live[segment.window_ms]
            (self._directory / name).unlink(missing_ok=True)
        if names:
            sync_directory(self._directory)

    async def close(self) -> None:
        """Sync and close every segment."""
        await self.sync()
        for segment in self._segments.values():
            segment.file.close()


def window_of(name: str) -> int:
    """Give the window's start (ms) that a segment's name tells."""
    return int(name.split("-", 1)[0])


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
