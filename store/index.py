"""Which leaf holds which batch, and where does each leaf lie? The index: derived from the log, never ahead of it.

SQLite keeps it (memory stays constant however long the log grows), written only after the log is synced and in one
transaction with its own stamp: the last leaf's place. Where it is behind, the log is read on from there; where it does
not fit the log, or one of its rows fails its checksum, it is made again from there. It is never believed alone: what it
says of a batch is read in the log. One connection writes, and readers in other processes only read, which keeps clear of
the WAL-reset fault of SQLite before 3.51.3.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from store.frames import Found, FrameKind
from store.leaf_row import IndexDamage, LeafRow, head_of, read_leaf_row
from store.log import Located, LogDamage, LogUnreadable, Place
from store.merkle import leaf_hash, merkle_root
from store.progress import SeqSet
from telemetry.seal import Batch, read_seal, split_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from store.log import EvidenceLog

BACKLOG_MAX = 100_000
"""Entries kept in memory while the index cannot be written (a full disk); beyond it the store takes nothing more."""
_CHUNK = 10_000
_LOST = bytes(32)
"""Stands for the leaf hash of a frame that is damaged beyond reading: no real leaf hashes to it."""
LOOK_BACK = 1_000
"""Damaged frames at the log's end over which the index is still believed: some seconds of a city's writing."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS leaf (
  leaf INTEGER PRIMARY KEY, kind INTEGER, segment INTEGER, offset INTEGER, length INTEGER, leaf_hash BLOB, crc INTEGER,
  head INTEGER
);
CREATE TABLE IF NOT EXISTS batch (
  gateway TEXT, epoch TEXT, seq INTEGER, leaf INTEGER, PRIMARY KEY (gateway, epoch, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS head ON leaf (head);
CREATE INDEX IF NOT EXISTS event ON leaf (leaf) WHERE kind = 2;
"""
_ROW = "leaf, kind, segment, offset, length, leaf_hash, crc, head"
_T = TypeVar("_T")
_UNREADABLE = (sqlite3.DatabaseError, ValueError)
"""What SQLite raises over a damaged file: ValueError for text that is no UTF-8."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index keeps of one frame; `batch` is None for what is no batch."""

    located: Located
    leaf_hash: bytes
    batch: Batch | None

    @property
    def leaf(self) -> int:
        """The frame's leaf."""
        return self.located.frame.leaf

    def row(self) -> LeafRow:
        """Give the frame's row."""
        return LeafRow(self.leaf, int(self.located.frame.kind), self.located.place, self.leaf_hash)


def make_entry(located: Located, batch: Batch | None) -> Entry:
    """Give a frame's entry: a batch's leaf is its seal line with its newline, any other's is the frame's body."""
    body = located.frame.body
    return Entry(located, leaf_hash(body if batch is None else split_batch(body)[1]), batch)


def read_entry(located: Located) -> Entry:
    """Give the entry of a frame that was read from the log; SealError for a batch that is none."""
    is_batch = located.frame.kind is FrameKind.BATCH
    return make_entry(located, read_seal(located.frame.body) if is_batch else None)


class Index:
    """The index of one log, behind the store's lock: it is used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, log: EvidenceLog, path: Path | None = None) -> None:
        self._connection = connection
        self._log = log
        self._path = path
        self._backlog: dict[int, Entry] = {}
        self._unwritten: dict[tuple[str, str, int], int] = {}
        self.progress: dict[tuple[str, str], SeqSet] = {}
        self.size = 0
        self.has_lost = False
        """Whether the log lacked leaves that the index knew, when it was last made anew."""

    @classmethod
    def open(cls, path: Path, log: EvidenceLog) -> Index:
        """Open the writer's index file, anew when it is damaged, in memory when there is no room for it."""
        try:
            return cls._prepared(path, log)
        except _UNREADABLE:
            _logger.warning("index_rebuilt reason=damaged_file")
        return cls._anew(path, log)

    @classmethod
    def _anew(cls, path: Path | None, log: EvidenceLog) -> Index:
        if path is None:
            return cls._prepared(None, log)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            return cls._prepared(path, log)
        except _UNREADABLE as error:
            # A full disk must not keep the store from starting; the log is all it needs.
            _logger.warning("index_in_memory reason=%s", error)
            return cls._prepared(None, log)

    @classmethod
    def _prepared(cls, path: Path | None, log: EvidenceLog) -> Index:
        connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=10
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            _check_file(connection)
            index = cls(connection, log, path)
            index._load()
        except _UNREADABLE:
            connection.close()
            raise
        return index

    @classmethod
    def copy(cls, path: Path, log: EvidenceLog) -> Index:
        """Open a private copy of another process's index, empty when there is none that can be read."""
        connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for option in ("mode=ro", "immutable=1"):
            if not path.exists() or (option == "immutable=1" and path.with_name(path.name + "-wal").exists()):
                break
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(
                    sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True)
                ) as source,
            ):
                source.backup(connection)
                break
        try:
            connection.executescript(_SCHEMA)
            _check_file(connection)
            index = cls(connection, log)
            index._load()
        except _UNREADABLE:
            connection.close()
            return cls._prepared(None, log)
        return index

    def _load(self) -> None:
        self.progress.clear()
        (last,) = self._connection.execute("SELECT max(leaf) FROM leaf").fetchone()
        self.size = 0 if last is None else last + 1
        query = "SELECT gateway, epoch, count(*), max(seq) FROM batch GROUP BY gateway, epoch"
        for gateway, epoch, count, highest in self._connection.execute(query).fetchall():
            self.progress[gateway, epoch] = SeqSet(contiguous=count if count == highest else 0)
        for (gateway, epoch), seqs in self.progress.items():
            if seqs.contiguous == 0:
                query = "SELECT seq FROM batch WHERE gateway = ? AND epoch = ? ORDER BY seq"
                for (seq,) in self._connection.execute(query, (gateway, epoch)):
                    seqs.add(seq)

    def stamp(self) -> tuple[int, Place] | None:
        """Give the last indexed leaf that the log still holds, and its place; None, and an empty index, when none fits.

        Damage in the last frames is no reason to doubt the index: they were synced before it was told.
        """
        if self.size and not self._log.segments():
            raise LogUnreadable(
                f"the index knows {self.size} leaves, and no segment of the log is there: restore log/ from a copy "
                "(to begin a new record, take another directory)"
            )
        with contextlib.suppress(IndexDamage, *_UNREADABLE):
            for leaf in range(self.size - 1, max(-1, self.size - 1 - LOOK_BACK), -1):
                row = self.row(leaf)
                if _holds(self._log, row):
                    return leaf, row.place
            last = self._log.last()  # a segment or more may be gone behind it
            if last is not None and self.row(last.frame.leaf) == read_entry(last).row():
                return last.frame.leaf, last.place
        if self.size:
            _logger.warning("index_rebuilt reason=does_not_fit_the_log size=%d", self.size)
            self._connection.executescript(f"DROP TABLE leaf; DROP TABLE batch; {_SCHEMA}")
            self._load()
        return None

    def rebuild(self) -> None:
        """Make every row anew from the log; a frame that is damaged there keeps what is known of its leaf, but no batch."""
        _logger.warning("index_rebuilt reason=asked size=%d", self.size)
        try:
            self._forget()
            self._refill()
        except _UNREADABLE:
            self._connection.close()
            fresh = Index._anew(self._path, self._log)
            self._connection = fresh._connection  # noqa: SLF001 - the same class
            self._refill()

    def _refill(self) -> None:
        self._backlog.clear()
        self._unwritten.clear()
        self._load()
        known = self.size
        found: list[Entry] = []
        due = count = 0
        for segment, item in self._log.walk():
            if isinstance(item, Found) and item.frame.leaf >= due:
                due, count = item.frame.leaf + 1, count + 1
                found.append(read_entry(Located(item.frame, Place(segment, item.offset, item.length))))
            if len(found) >= _CHUNK:
                self._add(found)
                found.clear()
        self._add(found)
        self.size = max(self.size, known)
        self.has_lost = count < self.size

    def _forget(self) -> None:
        """Remove all batches, and the leaves whose rows are not as they were written."""
        damaged = []
        for values in self._connection.execute(f"SELECT {_ROW} FROM leaf"):  # noqa: S608 - no input
            try:
                read_leaf_row(values)
            except IndexDamage:
                damaged.append((values[0],))
        self._connection.execute("DELETE FROM batch")
        self._connection.executemany("DELETE FROM leaf WHERE leaf = ?", damaged)

    def row(self, leaf: int) -> LeafRow:
        """Give the row of a leaf; IndexDamage when there is none or it is not as it was written."""
        waiting = self._backlog.get(leaf)
        if waiting is not None:
            return waiting.row()
        query = f"SELECT {_ROW} FROM leaf WHERE leaf = ?"  # noqa: S608 - no input
        values = self._connection.execute(query, (leaf,)).fetchone()
        if values is None:
            raise IndexDamage(f"the index has no leaf {leaf}; run 'mfl store rebuild'")
        return read_leaf_row(values)

    def find(self, batch: Batch) -> Place | None:
        """Give where a batch of this key lies, None when there is none; IndexDamage, since a rebuild may say otherwise.

        Under a key that has rotted nothing is found, and the batch would be taken twice: so its hash is looked for as well.
        """
        leaf = self._unwritten.get(batch.seal.key)
        if leaf is not None:
            return self.row(leaf).place
        query = "SELECT leaf FROM batch WHERE gateway = ? AND epoch = ? AND seq = ?"
        found = self._connection.execute(query, batch.seal.key).fetchone()
        if found is not None:
            return self.row(found[0]).place
        digest = leaf_hash(split_batch(batch.data)[1])
        alike = self._connection.execute(
            "SELECT leaf FROM leaf WHERE head = ?", (head_of(digest),)
        ).fetchall()
        for (number,) in alike:
            row = self.row(number)
            if row.leaf_hash == digest and _holds(self._log, row):
                raise IndexDamage(f"leaf {number} is not found under its key; run 'mfl store rebuild'")
        return None

    @property
    def is_full(self) -> bool:
        """Tell whether too much waits to be written for another batch to be taken."""
        return len(self._backlog) >= BACKLOG_MAX

    def add(self, entries: Sequence[Entry]) -> None:
        """Take in frames that are synced in the log. Nothing is lost when the file cannot be written now."""
        try:
            self._add(entries)
        except _UNREADABLE:
            self.rebuild()  # a damaged file; all that waits is in the log

    def _add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._backlog[entry.leaf] = entry
            self.size = entry.leaf + 1
            if entry.batch is not None:
                seal = entry.batch.seal
                self._unwritten[seal.key] = entry.leaf
                self.progress.setdefault((seal.gateway, seal.epoch), SeqSet()).add(seal.seq)
        try:
            self._write()
        except sqlite3.OperationalError as error:
            _logger.warning("index_write_failed error=%s waiting=%d", error, len(self._backlog))
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _write(self) -> None:
        leaves = [entry.row().values() for entry in self._backlog.values()]
        batches = [
            (*seal.key, entry.leaf)
            for entry in self._backlog.values()
            if entry.batch is not None
            for seal in (entry.batch.seal,)
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO leaf VALUES (?, ?, ?, ?, ?, ?, ?, ?)", leaves)
        self._connection.executemany("INSERT OR IGNORE INTO batch VALUES (?, ?, ?, ?)", batches)
        self._connection.execute("COMMIT")
        self._backlog.clear()
        self._unwritten.clear()

    def _rows(self, start: int, stop: int) -> Iterator[LeafRow]:
        """Give the rows of [start, stop) that are there, ascending; IndexDamage."""
        query = f"SELECT {_ROW} FROM leaf WHERE leaf >= ? AND leaf < ? ORDER BY leaf"  # noqa: S608 - no input
        for values in self._connection.execute(query, (start, stop)).fetchall():
            yield read_leaf_row(values)
        for leaf in sorted(self._backlog):
            if start <= leaf < stop:
                yield self._backlog[leaf].row()

    def places(self, start: int, stop: int) -> list[tuple[int, Place]]:
        """Give the leaves of [start, stop) that are there, with their places, ascending."""
        return self._sure(lambda: [(row.leaf, row.place) for row in self._rows(start, stop)])

    def _sure(self, ask: Callable[[], _T]) -> _T:
        """Give what the index says, after making it anew when it turns out to be damaged."""
        try:
            return ask()
        except (IndexDamage, *_UNREADABLE) as error:
            _logger.error("index_doubted error=%s", error)  # noqa: TRY400 - its cause is known
        self.rebuild()
        return ask()

    def event_places(self) -> list[Place]:
        """Give the places of all events, ascending."""
        return self._sure(self._event_places)

    def _event_places(self) -> list[Place]:
        query = f"SELECT {_ROW} FROM leaf WHERE kind = 2 ORDER BY leaf"  # noqa: S608 - no input
        rows = [read_leaf_row(values) for values in self._connection.execute(query)]
        if any(row.kind != FrameKind.EVENT for row in rows):
            raise IndexDamage("the index's list of events is not as it was written; run 'mfl store rebuild'")
        written = [row.place for row in rows]
        waiting = sorted(self._backlog.items())
        return written + [
            entry.located.place for _, entry in waiting if entry.located.frame.kind is FrameKind.EVENT
        ]

    def root(self, size: int) -> bytes:
        """Give the root over the first leaves; a leaf whose frame is lost stands there with 32 zero bytes."""
        return self._sure(lambda: merkle_root(self._leaf_hashes(0, size)))

    def _leaf_hashes(self, start: int, stop: int) -> Iterator[bytes]:
        for low in range(start, stop, _CHUNK):
            high = min(low + _CHUNK, stop)
            known = {row.leaf: row.leaf_hash for row in self._rows(low, high)}
            for leaf in range(low, high):
                yield known.get(leaf, _LOST)

    def batch_count(self) -> int:
        """Give how many batches have a row."""
        (written,) = self._connection.execute("SELECT count(*) FROM batch").fetchone()
        return int(written) + len(self._unwritten)

    def close(self) -> None:
        """Close the file; what could not be written is found again in the log."""
        self._connection.close()


def _holds(log: EvidenceLog, row: LeafRow) -> bool:
    """Tell whether the log holds a leaf where and as the index has it."""
    try:
        body = log.read(row.place).body
    except LogDamage:
        return False
    return leaf_hash(split_batch(body)[1] if row.kind == FrameKind.BATCH else body) == row.leaf_hash


def _check_file(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError when the file's structure, or what its tables are said to be, is damaged."""
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_SCHEMA)
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        wanted, said = (source.execute(query).fetchall() for source in (fresh, connection))
    if said != wanted or connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
        raise sqlite3.DatabaseError("the file is damaged, or another version's")
