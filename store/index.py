"""Which leaf holds which batch, and where does each leaf lie? The index: derived from the log, never ahead of it.

SQLite keeps it (memory stays constant however long the log grows), written only after the log is synced and in one
transaction with its own stamp: the last leaf's place. Where it is behind, the log is read on from there; where it does
not fit the log, it is thrown away and built again. One connection writes, and readers in other processes only read, which
keeps clear of the WAL-reset fault of SQLite before 3.51.3.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.frames import FrameKind
from store.log import Located, LogDamage, Place
from store.merkle import leaf_hash
from store.progress import SeqSet
from telemetry.seal import Batch, Seal, split_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from store.log import EvidenceLog

BACKLOG_MAX = 100_000
"""Entries kept in memory while the index cannot be written (a full disk); beyond it the store takes nothing more."""
_CHUNK = 10_000
_LOST = bytes(32)
"""Stands for the leaf hash of a frame that is damaged beyond reading: no real leaf hashes to it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS leaf (
  leaf INTEGER PRIMARY KEY, kind INTEGER, segment INTEGER, offset INTEGER, length INTEGER, leaf_hash BLOB
);
CREATE TABLE IF NOT EXISTS batch (
  gateway TEXT, epoch TEXT, seq INTEGER, leaf INTEGER, hash TEXT, PRIMARY KEY (gateway, epoch, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event ON leaf (leaf) WHERE kind = 2;
"""
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


def make_entry(located: Located, batch: Batch | None) -> Entry:
    """Give a frame's entry: a batch's leaf is its seal line with its newline, any other's is the frame's body."""
    body = located.frame.body
    return Entry(located, leaf_hash(body if batch is None else split_batch(body)[1]), batch)


class Index:
    """The index of one log, behind the store's lock: it is used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._backlog: dict[int, Entry] = {}
        self._unwritten: dict[tuple[str, str, int], str] = {}
        self.progress: dict[tuple[str, str], SeqSet] = {}
        self.size = 0

    @classmethod
    def open(cls, path: Path) -> Index:
        """Open the writer's index file, anew when it is damaged, in memory when there is no room for it."""
        try:
            return cls._prepared(path)
        except sqlite3.DatabaseError:
            _logger.warning("index_rebuilt reason=damaged_file")
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            return cls._prepared(path)
        except sqlite3.DatabaseError as error:
            # A full disk must not keep the store from starting; the log is all it needs.
            _logger.warning("index_in_memory reason=%s", error)
            return cls._prepared(None)

    @classmethod
    def _prepared(cls, path: Path | None) -> Index:
        connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=10
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            index = cls(connection)
            index._load()
        except sqlite3.Error:
            connection.close()
            raise
        return index

    @classmethod
    def copy(cls, path: Path) -> Index:
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
        connection.executescript(_SCHEMA)
        index = cls(connection)
        index._load()
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

    def stamp(self, log: EvidenceLog) -> Place | None:
        """Give the place of the last indexed leaf, after seeing that the log still says the same; else start anew."""
        if self.size == 0:
            return None
        query = "SELECT segment, offset, length, kind, leaf_hash FROM leaf WHERE leaf = ?"
        segment, offset, length, kind, known = self._connection.execute(query, (self.size - 1,)).fetchone()
        place = Place(segment, offset, length)
        try:
            body = log.read(place).body
            actual = leaf_hash(split_batch(body)[1] if kind == FrameKind.BATCH else body)
        except LogDamage:
            actual = b""
        if actual == known:
            return place
        _logger.warning("index_rebuilt reason=does_not_fit_the_log size=%d", self.size)
        self._connection.executescript(f"DROP TABLE leaf; DROP TABLE batch; {_SCHEMA}")
        self._load()
        return None

    def find(self, seal: Seal) -> str | None:
        """Give the hash of the batch stored under this seal's key, None when there is none."""
        key = (seal.gateway, seal.epoch, seal.seq)
        if key in self._unwritten:
            return self._unwritten[key]
        query = "SELECT hash FROM batch WHERE gateway = ? AND epoch = ? AND seq = ?"
        row = self._connection.execute(query, key).fetchone()
        return None if row is None else str(row[0])

    @property
    def is_full(self) -> bool:
        """Tell whether too much waits to be written for another batch to be taken."""
        return len(self._backlog) >= BACKLOG_MAX

    def add(self, entries: Sequence[Entry]) -> None:
        """Take in frames that are synced in the log. Nothing is lost when the file cannot be written now."""
        for entry in entries:
            self._backlog[entry.leaf] = entry
            self.size = entry.leaf + 1
            if entry.batch is not None:
                seal = entry.batch.seal
                self._unwritten[seal.gateway, seal.epoch, seal.seq] = entry.batch.hash
                self.progress.setdefault((seal.gateway, seal.epoch), SeqSet()).add(seal.seq)
        try:
            self._write()
        except sqlite3.Error as error:
            _logger.warning("index_write_failed error=%s waiting=%d", error, len(self._backlog))
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _write(self) -> None:
        leaves = [
            (entry.leaf, entry.located.frame.kind, place.segment, place.offset, place.length, entry.leaf_hash)
            for entry in self._backlog.values()
            for place in (entry.located.place,)
        ]
        batches = [
            (seal.gateway, seal.epoch, seal.seq, entry.leaf, entry.batch.hash)
            for entry in self._backlog.values()
            if entry.batch is not None
            for seal in (entry.batch.seal,)
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO leaf VALUES (?, ?, ?, ?, ?, ?)", leaves)
        self._connection.executemany("INSERT OR IGNORE INTO batch VALUES (?, ?, ?, ?, ?)", batches)
        self._connection.execute("COMMIT")
        self._backlog.clear()
        self._unwritten.clear()

    def places(self, start: int, stop: int) -> list[tuple[int, Place]]:
        """Give the leaves of [start, stop) that are there, with their places, ascending."""
        query = "SELECT leaf, segment, offset, length FROM leaf WHERE leaf >= ? AND leaf < ? ORDER BY leaf"
        rows = self._connection.execute(query, (start, stop)).fetchall()
        written = [(row[0], Place(*row[1:])) for row in rows]
        waiting = [
            (leaf, entry.located.place) for leaf, entry in self._backlog.items() if start <= leaf < stop
        ]
        return written + sorted(waiting, key=lambda item: item[0])

    def event_places(self) -> list[Place]:
        """Give the places of all events, ascending."""
        query = "SELECT segment, offset, length FROM leaf WHERE kind = 2 ORDER BY leaf"
        written = [Place(*row) for row in self._connection.execute(query)]
        waiting = sorted(self._backlog.items())
        return written + [
            entry.located.place for _, entry in waiting if entry.located.frame.kind is FrameKind.EVENT
        ]

    def leaf_hashes(self, start: int, stop: int) -> Iterator[bytes]:
        """Give the leaf hashes of [start, stop); a leaf whose frame is lost has 32 zero bytes."""
        for low in range(start, stop, _CHUNK):
            high = min(low + _CHUNK, stop)
            query = "SELECT leaf, leaf_hash FROM leaf WHERE leaf >= ? AND leaf < ?"
            known = dict(self._connection.execute(query, (low, high)).fetchall())
            for leaf in range(low, high):
                waiting = self._backlog.get(leaf)
                yield waiting.leaf_hash if waiting is not None else known.get(leaf, _LOST)

    def close(self) -> None:
        """Close the file; what could not be written is found again in the log."""
        self._connection.close()
