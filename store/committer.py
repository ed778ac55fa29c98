"""When is a batch stored? Once its frame is synced: checks, group commit, and the answer each one gets.

Callers wait on one lock; whoever holds it takes along everything that came meanwhile and syncs once for all of them.
The work runs in worker threads and is never cut short by a cancelled caller.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store.enrolment import Authority, Event, EventKind, read_event
from store.frames import FrameKind
from store.index import make_entry
from store.leaf_row import IndexDamage
from store.log import LogDamage, Record
from telemetry.errors import SealError
from telemetry.seal import read_seal
from telemetry.sink import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from store.index import Index
    from store.log import EvidenceLog, Located
    from store.points import UnsignedWrite
    from store.shapes import DecodedLines
    from telemetry.seal import Batch

RETRY_AFTER_S = 5.0
"""What a writer is asked to wait when the disk is full or failing: space returns by a person's hand, not faster."""
CONFLICTS_MAX = 100
"""Conflicting batches kept a gateway; more of them add nothing to the alarm, and the key's holder could go on."""
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Pending:
    """A batch, an event or an unsigned write on its way into the log; `answer` is set when its fate is known."""

    received_ms: int
    batch: Batch | None = None
    runs: list[DecodedLines] = field(default_factory=list)
    event: Event | None = None
    unsigned: UnsignedWrite | None = None
    answer: Answer | None = None
    leaf: int = -1

    def record(self) -> Record:
        """Give what goes into the log."""
        if self.batch is not None:
            return Record(FrameKind.BATCH, self.received_ms, self.batch.data)
        if self.event is not None:
            return Record(FrameKind.EVENT, self.received_ms, self.event.body())
        assert self.unsigned is not None  # noqa: S101 - one of the three is set
        return Record(FrameKind.UNSIGNED, self.received_ms, self.unsigned.body())


class Committer:
    """The only way into the log."""

    def __init__(
        self,
        log: EvidenceLog,
        index: Index,
        authority: Authority,
        conflicts: Path,
        on_stored: Callable[[Sequence[Pending]], None],
    ) -> None:
        self._log = log
        self._index = index
        self._authority = authority
        self._conflicts = conflicts
        self._on_stored = on_stored
        self._queue: list[Pending] = []
        self._queue_lock = threading.Lock()
        self.lock = threading.RLock()
        self.events: list[Event] = []
        self.is_rotten = False
        """Whether a batch was asked for whose frame has rotted: its rows go before it is taken again."""

    def load(self, located: Located) -> None:
        """Fold an event of the log into the authority; one that cannot be read is left to `verify`."""
        frame = located.frame
        if frame.kind is FrameKind.EVENT:
            try:
                event = read_event(frame.body, received_ms=frame.received_ms, leaf=frame.leaf)
                self._authority.apply(event)
            except ValueError as error:
                _logger.error("event_unreadable leaf=%d error=%s", frame.leaf, error)  # noqa: TRY400 - its cause is known
                return
            self.events.append(event)

    def commit(self, pending: Sequence[Pending]) -> list[Answer]:
        """See to it that all of these have their answers; what others queued meanwhile goes with them."""
        with self._queue_lock:
            self._queue.extend(pending)
        with self.lock:
            if any(item.answer is None for item in pending):
                with self._queue_lock:
                    taken, self._queue = self._queue, []
                self._commit(taken)
        return [item.answer or _unavailable("not reached") for item in pending]

    def _commit(self, taken: list[Pending]) -> None:
        admitted = []
        seen: dict[tuple[str, str, int], Pending] = {}
        twins: list[tuple[Pending, Pending]] = []
        for item in taken:
            item.answer = self._refusal(item)
            if item.answer is not None:
                continue
            if item.batch is not None:
                seal = item.batch.seal
                twin = seen.setdefault(seal.key, item)
                if twin is not item:
                    twins.append((item, twin))
                    continue
            admitted.append(item)
        self._append(admitted)
        for item, twin in twins:
            item.answer = self._twin_answer(item, twin)

    def _twin_answer(self, item: Pending, twin: Pending) -> Answer:
        """Answer a second batch of one key in the same group: as it would be after the first one."""
        if twin.answer is None or twin.answer.kind is not AnswerKind.STORED or item.batch is None:
            return _unavailable("another batch of this seq could not be stored")
        return self._known(item) or _unavailable("not reached")

    def _refusal(self, item: Pending) -> Answer | None:
        """Say why an item is not to be appended; None when it is."""
        if item.batch is None:
            return None
        seal = item.batch.seal
        verdict = self._authority.allows(seal, item.received_ms)
        if verdict == "unknown":
            return Answer(AnswerKind.FORBIDDEN, f"gateway {seal.gateway} is not enrolled, or revoked")
        if verdict == "forged":
            # A key replaced before it was enrolled, or a backlog under one whose time is over: a person's to mend.
            detail = f"the signature holds under no key enrolled for gateway {seal.gateway} now"
            return Answer(AnswerKind.FORBIDDEN, detail)
        return self._known(item)

    def _known(self, item: Pending) -> Answer | None:
        assert item.batch is not None  # noqa: S101 - asked of batches only
        seal = item.batch.seal
        try:
            stored = self._stored_hash(item.batch)
        except LogDamage as error:
            # Who sends it again may have the last copy: it is taken once more, when the old one's rows are gone.
            _logger.error("frame_rotted error=%s", error)  # noqa: TRY400 - its cause is known
            self.is_rotten = True
            return _unavailable("what was stored of it is damaged; room is made for it")
        if stored is None:
            return _unavailable("rows are made anew after damage") if self.is_rotten else None
        if stored == item.batch.hash:
            return Answer(AnswerKind.STORED, "stored before")
        self._record_conflict(item)
        return Answer(AnswerKind.CONFLICT, f"seq {seal.seq} of epoch {seal.epoch} holds another batch")

    def _stored_hash(self, batch: Batch) -> str | None:
        """Give the hash of the batch under a key that the log holds, whatever the index says; None when none; LogDamage."""
        try:
            return self._hash_in_log(batch)
        except (IndexDamage, sqlite3.DatabaseError, ValueError) as error:
            _logger.error("index_doubted error=%s", error)  # noqa: TRY400 - its cause is known
        self._index.rebuild()
        self.is_rotten |= self._index.has_lost
        return self._hash_in_log(batch)

    def _hash_in_log(self, batch: Batch) -> str | None:
        place = self._index.find(batch)
        if place is None:
            return None
        try:
            found = read_seal(self._log.read(place).body)
        except SealError:
            found = None
        if found is None or found.seal.key != batch.seal.key:
            raise IndexDamage(f"{batch.seal.key} does not lie where the index has it")
        return found.hash

    def _record_conflict(self, item: Pending) -> None:
        """Keep the other bytes and append an alarm, once for the same bytes."""
        assert item.batch is not None  # noqa: S101 - asked of batches only
        batch = item.batch
        seal = batch.seal
        known = self._authority.conflicts.get(seal.gateway, set())
        _logger.error(
            "conflict gateway=%s epoch=%s seq=%d hash=%s", seal.gateway, seal.epoch, seal.seq, batch.hash
        )
        if batch.hash in known or len(known) >= CONFLICTS_MAX:
            return
        try:
            self._conflicts.mkdir(exist_ok=True)
            (self._conflicts / f"{batch.hash}.batch").write_bytes(batch.data)
        except OSError as error:
            _logger.warning("conflict_not_kept hash=%s error=%s", batch.hash, error)
        event = Event(EventKind.CONFLICT, seal.gateway, epoch=seal.epoch, seq=seal.seq, hash=batch.hash)
        self._append([Pending(item.received_ms, event=event)])

    def _append(self, items: list[Pending]) -> None:
        if not items:
            return
        if self._index.is_full:
            _refuse(items, _unavailable("the index cannot be written"))
            return
        try:
            located = self._log.append([item.record() for item in items])
        except OSError as error:
            located = []
            _logger.error("append_failed errno=%s", errno.errorcode.get(error.errno or 0, "?"))  # noqa: TRY400
            _refuse(items, _failed(error))
        stored = items[: len(located)]
        _refuse(items[len(located) :], _unavailable("the disk took only a part"))
        for item, place in zip(stored, located, strict=True):
            item.leaf = place.frame.leaf
            item.answer = Answer(AnswerKind.STORED)
        self._index.add([make_entry(place, item.batch) for item, place in zip(stored, located, strict=True)])
        for place in located:
            self.load(place)
        self._on_stored(stored)


def _refuse(items: list[Pending], answer: Answer) -> None:
    for item in items:
        if item.answer is None:
            item.answer = answer


def _unavailable(detail: str) -> Answer:
    return Answer(AnswerKind.UNAVAILABLE, detail, RETRY_AFTER_S)


def _failed(error: OSError) -> Answer:
    return _unavailable("no space left" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "the disk fails")
