"""Where does a city's telemetry rest by default? In one directory: the evidence log, and row files made from it.

No server and no daemon. One process writes; any number read. The log is the record, all else can be made again from it
(decision 0003).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from store.applier import Applier, sure_applied
from store.columns import day_number, schema_of
from store.committer import Committer, Pending
from store.decoding import RowBuffer
from store.enrolment import (
    Authority,
    EnrolmentError,
    Event,
    EventKind,
    GatewayKind,
    enrol_event,
    with_token,
)
from store.index import Index, read_entry
from store.lock import WriterLock
from store.log import EvidenceLog, Located, LogDamage, sync_directory
from store.points import make_write
from store.segments import RowDamage, RowFiles, day_date, read_segment
from store.settings import offset_minutes
from store.shapes import ShapeCache, decode_batch
from telemetry.errors import FactoryError, SealError
from telemetry.seal import read_seal
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from store.enrolment import Grant
    from store.frames import Frame
    from store.log import Place
    from store.progress import SeqSet
    from store.segments import Segment
    from telemetry.clock import Clock
    from telemetry.seal import Batch

BUFFER_BYTES = 64_000_000
"""Batch bytes whose decoded rows wait in memory for `apply`; what does not fit is decoded again from the log."""
GROUP_BYTES = 16_000_000
"""Batch bytes that go into the log with one sync in `write_many`."""
COMPACT_AT = 1
"""A closed day with more files than this is compacted."""
_RECOVERED_AT_ONCE = 1_000


class StoreReadOnly(FactoryError):
    """A change was asked of a store that was opened for reading."""


class EmbeddedStore:
    """The store in a directory. Its methods may be called from any thread."""

    def __init__(self, directory: Path, clock: Clock, lock: WriterLock | None) -> None:
        self.directory = directory
        self.clock = clock
        self.read_only = read_only = lock is None
        self._lock = lock
        self.offset_ms = offset_minutes(directory, clock, read_only=read_only) * 60_000
        self._log = EvidenceLog(directory / "log", directory / "quarantine", is_writable=not read_only)
        opened = Index.copy if read_only else Index.open
        self._index = opened(directory / "index.sqlite", self._log)
        self._authority = Authority()
        conflicts = directory / "conflicts"
        self._committer = Committer(self._log, self._index, self._authority, conflicts, self._on_stored)
        self._files = RowFiles(directory / "rows")
        self._cache = ShapeCache()
        self._applier = Applier(
            directory / "rows",
            self._log,
            self._files,
            self._places,
            offset_ms=self.offset_ms,
            mono_ms=clock.mono_ms,
        )
        self._buffer: RowBuffer | None = None
        self._turn = threading.RLock()
        self.token_bytes: Callable[[int], bytes] = secrets.token_bytes

    @classmethod
    def open(cls, directory: Path, clock: Clock, *, read_only: bool = False) -> Self:
        """Open or create a store. StoreInUse when another process writes to it; ConfigError when it is no store."""
        lock = None
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True)
            # Even when it was there: whoever made it may have been killed before its name was synced.
            with contextlib.suppress(PermissionError):
                sync_directory(directory.parent)
            lock = WriterLock(directory)
        try:
            store = cls(directory, clock, lock)
            store._recover()
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return store

    def _recover(self) -> None:
        """Read the log on from where the index ends, and learn who may write."""
        found: list[Located] = []
        stamp = self._index.stamp()
        for place in self._index.event_places():
            try:
                self._committer.load(Located(self._log.read(place), place))
            except LogDamage:
                continue  # `verify` reports it; the store starts nevertheless
        for located in self._log.recover(stamp, self._index.size):
            self._committer.load(located)
            found.append(located)
            if len(found) == _RECOVERED_AT_ONCE:
                self._index_found(found)
        self._index_found(found)
        if self._log.lost_leaves:
            self._index.rebuild()  # what is lost must not be answered as stored before
        if self.read_only:
            self._applier.applied = min(sure_applied(self.directory / "rows"), self._index.size)
        else:
            self._applier.start(self._log.next_leaf - self._log.lost_leaves)

    def _index_found(self, found: list[Located]) -> None:
        if found:
            self._index.add([read_entry(located) for located in found])
        found.clear()

    def _places(self, start: int, stop: int) -> list[tuple[int, Place]]:
        with self._committer.lock:
            return self._index.places(start, stop)

    def close(self) -> None:
        """Close the files and let the next writer in. Nothing needs to be flushed: what was answered is synced."""
        self._index.close()
        self._log.close()
        if self._lock is not None:
            self._lock.release()

    async def write(self, batch: Batch) -> Answer:
        """Store one batch; STORED once it is synced, together with whatever else came meanwhile."""
        return await asyncio.to_thread(self._write_one, batch)

    def _write_one(self, batch: Batch) -> Answer:
        self._check_writable()
        return self._write_group([(batch, self.clock.wall_ms())])[0]

    def write_many(self, batches: Sequence[tuple[Batch, int]]) -> list[Answer]:
        """Store batches with their receive times (UTC ms), one sync for many; for history in virtual time.

        Row files are written on the way whenever enough rows wait, so that memory stays bounded and no batch is
        decoded twice.
        """
        self._check_writable()
        answers: list[Answer] = []
        group: list[tuple[Batch, int]] = []
        size = 0
        for batch, received_ms in batches:
            group.append((batch, received_ms))
            size += len(batch.data)
            if size >= GROUP_BYTES:
                answers += self._write_group(group)
                group, size = [], 0
                self._apply_when_full()
        return answers + self._write_group(group)

    def _apply_when_full(self) -> None:
        with self._committer.lock:
            is_full = self._buffer is not None and self._buffer.bytes >= BUFFER_BYTES - GROUP_BYTES
        if is_full:
            self._apply_buffer()

    def _write_group(self, batches: Sequence[tuple[Batch, int]]) -> list[Answer]:
        pending = [Pending(received_ms, batch=batch) for batch, received_ms in batches]
        for item in pending:
            self._decode(item)
        undecided = [item for item in pending if item.answer is None]
        self._committer.commit(undecided)
        return [item.answer or Answer(AnswerKind.UNAVAILABLE) for item in pending]

    def _decode(self, item: Pending) -> None:
        assert item.batch is not None  # noqa: S101 - made by write_many
        try:
            # The batch may be anybody's claim of being one: the seal is read again from the bytes that are kept.
            item.batch = read_seal(item.batch.data)
            item.runs = decode_batch(item.batch, self._cache)
        except SealError as error:
            item.answer = Answer(AnswerKind.INVALID, str(error))

    def write_unsigned(self, writer: str, text: str, precision: str) -> Answer:
        """Store a write of an unsigned writer; `influx_line.LineError` when it is not line protocol."""
        self._check_writable()
        now = self.clock.wall_ms()
        pending = Pending(now, unsigned=make_write(writer, text, precision, now))
        return self._committer.commit([pending])[0]

    def _on_stored(self, items: Sequence[Pending]) -> None:
        """Keep decoded rows for `apply`, as far as they follow on and fit; called under the committer's lock."""
        if self._buffer is None and items and items[0].leaf == self._applier.applied:
            self._buffer = RowBuffer(items[0].leaf, self.offset_ms)
        for item in items:
            buffer = self._buffer
            if buffer is None or buffer.stop != item.leaf or buffer.bytes >= BUFFER_BYTES:
                continue
            if item.batch is not None:
                buffer.add_batch(item.batch, item.runs, item.leaf, item.received_ms)
            elif item.unsigned is not None:
                size = len(item.unsigned.text)
                buffer.add_unsigned(item.unsigned, item.leaf, item.received_ms, size)
            else:
                buffer.skip(item.leaf)
            item.runs = []

    def enrol(
        self,
        gateway: str,
        public_key: str,
        *,
        kind: GatewayKind,
        from_ms: int,
        until_ms: int | None = None,
        at_ms: int,
    ) -> str:
        """Enrol a gateway's key for a period of receive times; gives its token, of which only the hash is kept."""
        return self._append_with_token(enrol_event(gateway, public_key, kind, (from_ms, until_ms)), at_ms)

    def add_writer(self, name: str, *, at_ms: int) -> str:
        """Let an unsigned writer in; gives its token, of which only the hash is kept."""
        return self._append_with_token(Event(EventKind.WRITER, name, from_ms=at_ms), at_ms)

    def _append_with_token(self, event: Event, at_ms: int) -> str:
        event, token = with_token(event, self.token_bytes)
        self.append_event(event, at_ms)
        return token

    def revoke(self, gateway: str, *, from_ms: int, at_ms: int) -> None:
        """Take a gateway's (or writer's) right to write from a receive time on."""
        self.append_event(Event(EventKind.REVOKE, gateway, from_ms=from_ms), at_ms)

    def append_event(self, event: Event, at_ms: int) -> None:
        """Append an event; EnrolmentError when it contradicts what is known or the disk did not take it."""
        self._check_writable()
        with self._committer.lock:
            self._authority.check_new(event, self._index.progress)
            (answer,) = self._committer.commit([Pending(at_ms, event=event)])
        if answer.kind is not AnswerKind.STORED:
            raise EnrolmentError(f"the event could not be stored: {answer.detail}")

    def events(self) -> list[Event]:
        """Give all events, in the log's order."""
        with self._committer.lock:
            return list(self._committer.events)

    def grant(self, token: str) -> Grant | None:
        """Give what a token allows now, None when nothing."""
        return self._authority.grant(token, self.clock.wall_ms())

    def progress(self) -> dict[tuple[str, str], SeqSet]:
        """Give per (gateway, epoch) which seqs are here: the gap proof."""
        with self._committer.lock:
            return dict(self._index.progress)

    def gateways(self) -> list[str]:
        """Give the ids of all gateways ever enrolled."""
        return self._authority.gateways()

    @property
    def is_behind(self) -> bool:
        """Tell whether `apply` has something to do."""
        return self._committer.is_rotten or self._applier.applied < self._log.next_leaf

    def apply(self) -> None:
        """Bring the row files up to the end of the log; in a read-only store there is nothing to do."""
        if self.read_only:
            return
        if self._committer.is_rotten:
            self._make_anew()
        self._apply_buffer()
        while True:
            with self._turn:
                start, end = self._applier.applied, self._log.next_leaf
                if start >= end:
                    return
                self._applier.round(self._applier.decode(start, end))

    def _apply_buffer(self) -> None:
        """Write the rows that wait decoded; whoever comes second finds none."""
        with self._turn:
            with self._committer.lock:
                buffer, self._buffer = self._buffer, None
            if buffer is not None and buffer.start == self._applier.applied:
                self._applier.round(buffer)

    def rebuild(self) -> None:
        """Throw index and row files away and make them anew from the log."""
        self._check_writable()
        self._committer.is_rotten = True
        self.apply()

    def _make_anew(self) -> None:
        """Forget rows and index; in this order, since a batch that the index has forgotten is taken again."""
        with self._turn, self._committer.lock:
            self._buffer = None
            self._applier.reset()
            self._index.rebuild()
            self._committer.is_rotten = False

    def compact(self, day: date) -> None:
        """Make every measurement of a closed day one sorted file."""
        self._check_writable()
        for measurement in self._files.measurements():
            with self._turn:
                self._applier.compact(day, measurement)

    def compact_closed(self) -> date | None:
        """Compact the oldest closed day that still has several files; None when there is none.

        A day is closed when it ended a day ago; rows that come later than that are taken in by compacting it again.
        """
        self._check_writable()
        closed = day_date(day_number(self.clock.wall_ms(), self.offset_ms) - 1)
        for measurement in self._files.measurements():
            for day in self._files.days(measurement):
                if day < closed and len(self._files.segments(measurement, day)) > COMPACT_AT:
                    self.compact(day)
                    return day
        return None

    def read_frames(self, start: int, leaves_max: int, bytes_max: int) -> tuple[list[Frame], int]:
        """Give stored frames from a leaf on, and the leaf behind them; damaged ones are passed over."""
        with self._committer.lock:
            stop = min(self._log.next_leaf, start + leaves_max)
            places = self._places(start, stop)
        return self._log.read_some(places, stop, bytes_max)

    def measurements(self) -> list[str]:
        """Give the measurements that have rows."""
        return self._files.measurements()

    def days(self, measurement: str) -> list[date]:
        """Give the days that have rows of a measurement, ascending."""
        return self._files.days(measurement)

    def files(self, day: date, measurement: str) -> list[Path]:
        """Give the Parquet files of a day; no row is in two of them, and each stays readable for ten minutes."""
        return [segment.path for segment in self._whole_segments(measurement, day)]

    def _whole_segments(self, measurement: str, day: date) -> list[Segment]:
        """Give a day's row files, made anew where they are damaged; RowDamage when that is not ours to do."""
        try:
            return self._files.whole_segments(measurement, day)
        except RowDamage:
            if self.read_only:
                raise
        with self._turn:
            self._applier.mend(measurement, day)
        return self._files.whole_segments(measurement, day)

    def scan(self, day: date, measurement: str) -> pa.Table:
        """Give a day's rows of a measurement; an empty table when there are none."""
        tables = [read_segment(segment) for segment in self._whole_segments(measurement, day)]
        return pa.concat_tables(tables) if tables else schema_of(measurement).empty_table()

    def log_size(self) -> int:
        """Give how many leaves count: all of the log, or, read-only, those whose rows are in the row files.

        Who counts rows takes the size first and applies then, so that every leaf below the size has its rows.
        """
        return self._applier.applied if self.read_only else self._log.next_leaf

    def root_hash(self, size: int | None = None) -> str:
        """Give the RFC 6962 root over the first `size` leaves, in hex; ValueError for more than there are."""
        wanted = self.log_size() if size is None else size
        if not 0 <= wanted <= self._log.next_leaf:
            raise ValueError(f"the log has {self._log.next_leaf} leaves, not {wanted}")
        with self._committer.lock:
            return self._index.root(wanted).hex()

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreReadOnly(f"{self.directory} is open read-only")
