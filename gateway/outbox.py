"""What has been sealed and not yet been taken by the store? A chain of sealed batches that outlives every crash.

Order of every step (decision 0005): a record is synced before its journal segments go; the cursor is persisted
before an acknowledged file goes. `index` numbers batches over the outbox's life; `seq` belongs to the epoch. Sealed
batches are never changed or dropped. All methods may be called from any thread; one lock orders them.
"""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING

from gateway.chain import Start, apply_record, begin_epoch, birth_row, record_again, recover, rows_anew
from gateway.dead_letters import DeadLetters, letter_name
from gateway.frames import make_directory
from gateway.lock import DirectoryLock
from gateway.losses import dead_letter_losses
from gateway.outbox_holes import buffered_readings, measure_hole
from gateway.outbox_records import Cursor, EpochNote, OutboxStat, Owed, Record, read_json, write_json
from gateway.outbox_segments import Segments
from gateway.packing import counted_readings, pack_rows
from telemetry.errors import SealError
from telemetry.seal import ChainPlace, next_place, read_seal, seal_batch, write_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from telemetry.line import Row
    from telemetry.seal import Batch, SealTime

ACKS_UNSAVED_MAX = 16
"""Acks kept in memory before the cursor is written; a crash sends that many batches again, which the store knows."""

logger = logging.getLogger(__name__)


def _random_epoch() -> str:
    return secrets.token_hex(16)


class Outbox:
    """Sealed batches between the journal and the store."""

    def __init__(
        self,
        directory: Path,
        *,
        cursor: Cursor,
        segments: Segments,
        key: Ed25519PrivateKey,
        lock: DirectoryLock,
        make_room: Callable[[], None],
    ) -> None:
        self._make_room = make_room
        self._new_epoch: Callable[[], str] = _random_epoch
        self._directory = directory
        self.dead_letters = DeadLetters(directory / "dead")
        self._cursor = cursor
        self._segments = segments
        self._key = key
        self._directory_lock = lock
        self._lock = threading.RLock()
        self._above = set(cursor.above)
        self._unsaved = 0
        self._oldest: tuple[int, int] | None = None
        self.consumed: frozenset[str] = frozenset()
        """Journal segments that the last records consumed; at start they must go before the journal is read."""

    @classmethod
    def open(
        cls,
        directory: Path,
        gateway: str,
        key: Ed25519PrivateKey,
        *,
        reason: str = "",
        make_room: Callable[[], None] = lambda: None,
        new_epoch: Callable[[], str] = _random_epoch,
    ) -> Outbox:
        """Open or create the outbox of a gateway; the epoch is kept, or a new one begins with its reason.

        `reason` is the operator's word for a new outbox (`replaced`). `make_room` is called when the disk is full,
        before the second and last try. Locked when another process has it;
        ConfigError when the directory belongs to another gateway.
        """
        lock = DirectoryLock(directory)
        try:
            segments = Segments(directory)
            cursor = read_json(directory / "cursor.json", Cursor)
            records = segments.recover_tail(cursor.index if cursor else 1)
            note = read_json(directory.parent / "epoch.json", EpochNote)
            cursor = recover(
                cursor,
                segments.items,
                records,
                Start(gateway, write_public_key(key.public_key()), note, reason, new_epoch),
            )
            segments.drop_strangers(cursor.index)
            outbox = cls(directory, cursor=cursor, segments=segments, key=key, lock=lock, make_room=make_room)
            outbox._new_epoch = new_epoch
            outbox.consumed = frozenset(name for record in records for name in record.consumed)
            outbox._save()
        except BaseException:
            lock.close()
            raise
        return outbox

    @staticmethod
    def adopt(directory: Path, place: ChainPlace) -> None:
        """Start a fresh outbox at a given place of a chain; FileExistsError when an outbox is there."""
        make_directory(directory)
        if (directory / "cursor.json").exists() or any(directory.glob("*.seg")):
            raise FileExistsError(f"{directory} holds an outbox already")
        cursor = Cursor(place.gateway, "", place.epoch, place.seq, place.prev)
        write_json(directory.parent / "epoch.json", EpochNote(place.epoch, place.seq - 1, place.prev))
        write_json(directory / "cursor.json", cursor)

    @property
    def place(self) -> ChainPlace:
        """Where the next batch will stand."""
        return ChainPlace(self._cursor.gateway, self._cursor.epoch, self._cursor.seq, self._cursor.prev)

    @property
    def newest(self) -> int:
        """The index of the batch sealed last; 0 before the first."""
        return self._cursor.index - 1

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._segments.size

    @property
    def accepted(self) -> int:
        """Readings that left the journal: in rows (each once) or lost."""
        with self._lock:
            return self._cursor.rowed - self._cursor.replaced + self._cursor.lost

    def append(
        self,
        rows: Sequence[Row],
        time: SealTime,
        *,
        consumed: Sequence[str] = (),
        lost: int = 0,
        settles: Sequence[str] = (),
        replaces: Sequence[int] = (),
    ) -> list[Batch]:
        """Seal rows, in as many batches as they need, as one record; durable when it returns.

        `lost` readings are those whose loss rows are among the rows. OSError leaves the outbox as it was.
        """
        with self._lock:
            birth = self._cursor.birth
            if birth is not None:
                rows = [birth_row(birth, self._cursor.gateway, time.sealed_ms), *rows]
            packs = pack_rows(rows)
            batches, place = [], self.place
            for pack in packs:
                batch = seal_batch(pack, place, time, self._key)
                place = next_place(batch)
                batches.append(batch)
            record = Record(
                index=self._cursor.index,
                before=self._cursor.rowed,
                lost=self._cursor.lost + lost,
                readings=tuple(counted_readings(pack) for pack in packs),
                batches=tuple(batch.data for batch in batches),
                consumed=tuple(consumed),
                replaces=tuple(replaces),
                settles=tuple(settles),
            )
            self._append_record(record)
            apply_record(self._cursor, record)
            self._cursor.seq, self._cursor.prev = place.seq, place.prev
            self._above.update(replaces)
            self._save()
            return batches

    def _append_record(self, record: Record) -> None:
        try:
            self._segments.append(record)
        except OSError:
            self._make_room()
            self._segments.append(record)

    def next_unsent(self, skip: Collection[int] = ()) -> int | None:
        """Give the oldest index that is not done with; None when the store has all."""
        with self._lock:
            for index in range(self._cursor.done + 1, self._cursor.index):
                if index not in self._above and index not in skip:
                    return index
            return None

    def is_done(self, index: int) -> bool:
        """Tell whether a batch needs nothing more."""
        with self._lock:
            return index <= self._cursor.done or index in self._above

    def batch(self, index: int) -> Batch | None:
        """Read a batch; None when its bytes rotted: then they are quarantined, counted and owed a loss row."""
        with self._lock:
            segment = self._segments.holding(index)
            place = self._segments.load(segment).get(index) if segment else None
            data = self._segments.read(segment, place) if segment and place else None
            if data is not None:
                try:
                    return read_seal(data)
                except SealError as error:
                    logger.error("event=outbox_not_a_batch index=%d error=%s", index, error)  # noqa: TRY400
            if segment and place:
                segment.places = segment.starts = None
            self._quarantine(index)
            return None

    def _quarantine(self, index: int) -> None:
        hole = measure_hole(self._segments, self._cursor, index, self.is_done)
        indices = [
            number
            for number in range(max(hole.first, self._cursor.done + 1), hole.last + 1)
            if number not in self._above
        ]
        self._cursor.quarantined += hole.readings
        reason = f"outbox_rotten index={hole.first}-{hole.last}"
        self._owe(Owed(f"q{hole.first}", self._cursor.gateway, reason, 0, 0, hole.readings))
        logger.error(
            "event=outbox_quarantined first=%d last=%d readings=%d", hole.first, hole.last, hole.readings
        )
        for number in indices:
            self._mark(number)
        self._save()

    def ack(self, index: int) -> None:
        """Forget a batch that the store has durably. Saved at the latest with every 16th ack (see `flush`)."""
        with self._lock:
            if self.is_done(index):
                return
            self._cursor.delivered += self._readings(index)
            self._mark(index)
            self._unsaved += 1
            following = self._segments.items[1].first if len(self._segments.items) > 1 else self._cursor.index
            if self._unsaved >= ACKS_UNSAVED_MAX or following <= self._cursor.done + 1:
                self._save()

    def flush(self) -> None:
        """Save acks still unsaved."""
        with self._lock:
            if self._unsaved:
                self._save()

    def dead_letter(self, index: int, why: str) -> bool:
        """Keep a batch that the store refuses for a person; its loss rows, one a device, are owed.

        False when there is no room for its bytes: then it stays where it is.
        """
        with self._lock:
            batch = self.batch(index)
            if batch is None or self.is_done(index):
                return True
            name = self.dead_letters.keep(batch)
            if name is None:
                logger.error("event=no_room_for_dead_letters seq=%d why=%s", batch.seal.seq, why[:200])
                return False
            self._cursor.again = [known for known in self._cursor.again if known != name]
            self._cursor.dead_lettered += self._readings(index)
            for owed in dead_letter_losses(batch, index):
                self._owe(owed)
            self._mark(index)
            self._save()
            logger.error("event=dead_letter seq=%d hash=%s why=%s", batch.seal.seq, batch.hash, why[:200])
            return True

    def offer_again(self, letters: Sequence[Batch]) -> int:
        """Put dead letters behind what waits, their bytes unchanged, and remove their files; gives how many there were.

        Their readings count as accepted once more, for they were declared lost and a declaration cannot be taken back.
        A crash on the way leaves none out and puts none in twice.
        """
        with self._lock:
            cursor = self._cursor
            self._forget_letters()
            there = {path.name for path in self.dead_letters.paths()}
            letters = [batch for batch in letters if letter_name(batch) in there]
            for batch in letters:
                record = record_again(cursor, batch)
                self._append_record(record)
                apply_record(cursor, record)
                self._forget_letters()
            return len(letters)

    def _forget_letters(self) -> None:
        """Remove the files of dead letters that stand in the outbox again."""
        self._save()
        self.dead_letters.remove(self._cursor.again)
        self._cursor.again = []

    def conflict(self, indices: Sequence[int], time: SealTime) -> int:
        """Open a new epoch and seal these unsent batches anew in it; gives how many there were.

        A record each: a crash in between leaves the rest under the old epoch, to conflict again.
        """
        with self._lock:
            cursor = self._cursor
            begin_epoch(cursor, "conflict", self._new_epoch())
            self._save()
            done = 0
            for index in indices:
                batch = None if self.is_done(index) else self.batch(index)
                if batch is None:
                    continue
                self.append(rows_anew(batch), time, replaces=[index])
                done += 1
            logger.warning("event=new_epoch reason=conflict epoch=%s resealed=%d", cursor.epoch, done)
            return done

    def owed(self) -> tuple[Owed, ...]:
        """Give the losses whose rows are still to be sealed."""
        with self._lock:
            return tuple(self._cursor.owed)

    def stat(self) -> OutboxStat:
        """Give the account and the size of what waits."""
        with self._lock:
            cursor = self._cursor
            return OutboxStat(
                batches=cursor.index - 1 - cursor.done - len(self._above),
                size=self._segments.size,
                oldest_ms=self._oldest_ms(),
                rowed=cursor.rowed - cursor.replaced,
                buffered=buffered_readings(cursor),
                delivered=cursor.delivered,
                quarantined=cursor.quarantined,
                dead_lettered=cursor.dead_lettered,
                lost=cursor.lost,
            )

    def close(self) -> None:
        """Save what is unsaved and let the directory go."""
        with self._lock:
            self.flush()
            self._segments.close()
            self._directory_lock.close()

    def _oldest_ms(self) -> int | None:
        index = self.next_unsent()
        if index is None:
            return None
        if self._oldest is None or self._oldest[0] != index:
            batch = self.batch(index)
            if batch is None:
                return self._oldest_ms()
            self._oldest = (index, batch.seal.sealed_ms)
        return self._oldest[1]

    def _readings(self, index: int) -> int:
        segment = self._segments.holding(index)
        place = self._segments.load(segment).get(index) if segment else None
        return place.readings if place else 0

    def _owe(self, owed: Owed) -> None:
        if all(known.key != owed.key for known in self._cursor.owed):
            self._cursor.owed.append(owed)

    def _mark(self, index: int) -> None:
        self._above.add(index)
        while self._cursor.done + 1 in self._above:
            self._cursor.done += 1
            self._above.discard(self._cursor.done)

    def _save(self) -> None:
        """Persist the cursor, then remove the files it is done with: never the other way round."""
        cursor = self._cursor
        while cursor.done + 1 in self._above:
            self._mark(cursor.done + 1)
        cursor.above = sorted(self._above)
        try:
            self._write_cursor()
        except OSError:
            self._make_room()
            try:
                self._write_cursor()
            except OSError as error:
                # The records tell the chain's place at the next start; acks unsaved are sent again. Nothing goes.
                logger.error("event=cursor_not_saved error=%s", error.strerror)  # noqa: TRY400
                return
        self._unsaved = 0
        self._segments.forget_until(cursor.done)

    def _write_cursor(self) -> None:
        cursor = self._cursor
        write_json(self._directory / "cursor.json", cursor)
        write_json(
            self._directory.parent / "epoch.json", EpochNote(cursor.epoch, cursor.seq - 1, cursor.prev)
        )
