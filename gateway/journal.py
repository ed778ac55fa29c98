"""When is a reading accepted? Once its frame is in the synced journal; then, and only then, its ack is called.

One segment a window and run, named by the window's start, so that a sealed batch can name what it consumed
(decision 0005). Group commit: within 100 ms when an ack waits, else within 1 s. Full or failing disks refuse
readings, which are then never acknowledged; nothing that was accepted is touched. What a broker may deliver again is known
by its name: from the frames, and once their segment is consumed from a file of names (decision 0015).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.deliveries import Deliveries
from gateway.frames import FrameFile, make_directory, sync_directory
from gateway.journal_records import (
    FrameRecord,
    Header,
    encode_frame_record,
    encode_header,
    read_deliveries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
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
CONSUMED_SUFFIX = ".told"
"""Of a consumed segment that waits for the disk to take the names of its deliveries; its readings are sealed."""

logger = logging.getLogger(__name__)


class JournalFull(Exception):
    """The readings were not accepted: the bound is reached or the disk is full."""


@dataclass(slots=True)
class _Segment:
    file: FrameFile
    window_ms: int
    readings: int = 0
    unsynced: list[FrameRecord] = field(default_factory=list)
    synced: int = 0
    """Readings of it that are durable."""

    @property
    def name(self) -> str:
        return self.file.path.name

    def mark_synced(self, count: int) -> None:
        """Note in the file that its first `count` unsynced frames are durable, so that rot in the last is no torn tail.

        With their messages' names, so that rot in a frame that declares its reading lost does not bring it back, behind
        later ones. Not synced itself; a disk that refuses it refuses a note, no reading.
        """
        brought = tuple(record.message for record in self.unsynced[:count] if record.message)
        del self.unsynced[:count]
        self.synced = self.readings - sum(record.count for record in self.unsynced)
        note = FrameRecord(self.readings, (), b"", self.synced, brought)
        with contextlib.suppress(OSError):
            self.file.append(encode_frame_record(note))


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
        self.deliveries = Deliveries()
        """Every delivery accepted and still remembered; a frame that waits for its sync is accepted."""
        self._settled = Deliveries()
        """Those among them whose segments are consumed: never one that a power cut could still take away."""
        self._brought: dict[str, Deliveries] = {}
        """Segment → the deliveries in it, where there are any."""
        self._consumed: set[str] = set()
        """Consumed segments kept for their deliveries' names alone, while the disk refuses these."""
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
        self,
        window_ms: int,
        readings: Sequence[Reading],
        ack: Callable[[], None] | None = None,
        message: bytes = b"",
    ) -> None:
        """Take readings of the window starting at `window_ms`; JournalFull when they cannot be accepted.

        The ack is called from the event loop once the frame is durable. `message` names the delivery that is hereby
        accepted as a whole.
        """
        if self.size >= self._bytes_max:
            raise JournalFull("journal_full")
        try:
            segment = self._live.get(window_ms)
            if segment is None:
                segment = self._live[window_ms] = self._create(window_ms)
            record = FrameRecord.of(segment.readings, readings, message, synced=segment.synced)
            segment.file.append(encode_frame_record(record))
        except OSError as error:
            logger.debug("event=journal_refused error=%s", error.strerror)
            raise JournalFull("disk_full") from error
        segment.readings += record.count
        segment.unsynced.append(record)
        if message:
            self.deliveries.add(message)
            self._brought.setdefault(segment.name, Deliveries()).add(message)
        if ack is not None:
            self.ack_synced(ack)
        if segment.file.size - segment.file.synced > UNSYNCED_BYTES_MAX:
            self._hurry.set()
        self._dirty.set()

    def ack_synced(self, ack: Callable[[], None]) -> None:
        """Call an ack, from the event loop, once all that was appended before now is durable."""
        self._acks.append(ack)
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
                segment.mark_synced(count)
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
                moved = FrameRecord(fresh.readings, record.readings, record.message, 0)
                fresh.file.append(encode_frame_record(moved))
                fresh.readings += moved.count
                fresh.unsynced.append(moved)
                if moved.message:
                    self._brought.setdefault(fresh.name, Deliveries()).add(moved.message)
            poisoned.file.cut(poisoned.file.synced)
        except OSError:
            del self._segments[fresh.name]
            self._brought.pop(fresh.name, None)
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

    def recall(self, consumed: Iterable[str]) -> None:
        """Learn the deliveries of segments consumed in earlier runs: at start, before those are removed or any is adopted."""
        self._settled = Deliveries.load(self._directory)
        self.deliveries.update(self._settled)
        kept = self._directory.glob(f"*{CONSUMED_SUFFIX}")
        self._consumed = {path.name for path in kept if path.is_file()}
        for name in sorted({*self._consumed, *consumed}):
            found = read_deliveries(self._directory / name)
            self.deliveries.update(found)
            if name in self._consumed:
                self._settled.update(found)
            elif found:
                self._brought[name] = found

    def adopt(self, name: str, readings: int, size: int, deliveries: Deliveries) -> None:
        """Account for a segment left over from an earlier run, set apart until it is consumed."""
        self._left[name] = (readings, size)
        self._apart.add(name)
        if deliveries:
            self._brought[name] = deliveries
            self.deliveries.update(deliveries)

    def set_apart(self) -> None:
        """Take all that this run has journalled out of its windows' account, to be folded again from disk."""
        self._live.clear()
        self._apart |= {*self._segments, *self._left}

    async def apart(self) -> list[str]:
        """Sync, then name the segments that are set apart."""
        await self.sync_before(None)
        return sorted(self._apart)

    def retire(self) -> None:
        """Let no live segment be appended to any more: a run was broken off, and its rows are already given."""
        self._live.clear()
        # Also what a failed sync left behind of a segment: its readings are in the same rows.
        self._retired |= {*self._segments, *self._left} - self._apart

    @property
    def has_retired(self) -> bool:
        """Whether a broken-off run waits to be sealed."""
        return bool(self._retired)

    def remove(self, names: Sequence[str]) -> None:
        """Forget segments whose rows are sealed and synced, but not what was delivered; durable before it returns."""
        keeps = self._settle(names)
        for name in names:
            self._left.pop(name, None)
            self._retired.discard(name)
            self._apart.discard(name)
            segment = self._segments.pop(name, None)
            if segment is not None:
                segment.file.close()
                if self._live.get(segment.window_ms) is segment:
                    del self._live[segment.window_ms]
            path = self._directory / name
            if name in keeps:
                kept = path.replace(path.with_suffix(CONSUMED_SUFFIX))
                self._consumed.add(kept.name)
            else:
                path.unlink(missing_ok=True)
        if names:
            sync_directory(self._directory)

    def _settle(self, names: Sequence[str]) -> set[str]:
        """Save the names of what these segments brought; gives the segments to keep for it, as the disk refuses."""
        brought = {name: self._brought.pop(name) for name in names if name in self._brought}
        if not brought and not self._consumed:
            return set()
        for deliveries in brought.values():
            self._settled.update(deliveries)
        try:
            self._settled.save(self._directory)
        except OSError as error:
            logger.warning("event=deliveries_not_saved kept=%d error=%s", len(brought), error.strerror)
            return {name for name in brought if (self._directory / name).exists()}
        for name in self._consumed:
            (self._directory / name).unlink(missing_ok=True)
        self._consumed.clear()
        return set()

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
