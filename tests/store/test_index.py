"""Is the index always what the log says, and never ahead of it?"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import store.index as index_module
from store.progress import SeqSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer

NOW = 1_514_822_400_000


def put(store: EmbeddedStore, sealer: Sealer, count: int) -> None:
    for batch in sealer.batches(count):
        assert store.write_many([(batch, NOW)])[0].kind == "stored"


def state(store: EmbeddedStore) -> tuple[int, str, dict[tuple[str, str], SeqSet], list[str]]:
    return store.log_size(), store.root_hash(), store.progress(), [event.kind for event in store.events()]


def _lose_all(path: Path) -> None:
    for each in path.parent.glob(path.name + "*"):
        each.unlink()


def _lose_the_last(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM leaf WHERE leaf >= 4")
        connection.execute("DELETE FROM batch WHERE leaf >= 4")
    connection.close()


def _run_ahead(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO leaf VALUES (99, 1, 0, 999999, 50, x'00', 0, 0)")
        connection.execute("INSERT INTO batch VALUES ('gw1', 'ee', 1, 99)")
    connection.close()


def _scribble(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def _other_leaf(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE leaf SET leaf_hash = x'00' WHERE leaf = (SELECT max(leaf) FROM leaf)")
    connection.close()


@pytest.mark.parametrize("harm", [_lose_all, _lose_the_last, _run_ahead, _scribble, _other_leaf])
@pytest.mark.parametrize("read_only", [False, True])
def test_whatever_happens_to_it_it_is_made_again(
    store: EmbeddedStore,
    sealer: Sealer,
    open_store: Callable[..., EmbeddedStore],
    harm: Callable[[Path], None],
    read_only: bool,
) -> None:
    put(store, sealer, 5)
    store.apply()
    before = state(store)
    store.close()
    harm(store.directory / "index.sqlite")
    again = open_store(read_only=read_only)
    assert state(again) == before
    if not read_only:
        first = type(sealer)().batches(1)[0]
        assert again.write_many([(first, NOW)])[0].detail == "stored before"


def test_the_root_of_any_earlier_size_stays_what_it_was(store: EmbeddedStore, sealer: Sealer) -> None:
    roots = [store.root_hash()]
    for _ in range(9):
        put(store, sealer, 1)
        roots.append(store.root_hash())
    assert [store.root_hash(size) for size in range(1, 11)] == roots
    assert len(set(roots)) == 10
    with pytest.raises(ValueError, match="10 leaves"):
        store.root_hash(11)


def test_while_it_cannot_be_written_nothing_is_forgotten(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    real = index_module.Index._write
    monkeypatch.setattr(index_module.Index, "_write", full)
    with caplog.at_level(logging.WARNING):
        put(store, sealer, 2)
    assert "index_write_failed" in caplog.text
    first = type(sealer)().batches(1)[0]
    other = type(sealer)().seal(sealer.row("r9", 9), seq=1)
    assert store.write_many([(first, NOW), (other, NOW)])[0].detail == "stored before"
    assert store.write_many([(other, NOW)])[0].kind == "conflict"
    root = store.root_hash()
    monkeypatch.setattr(index_module.Index, "_write", real)
    put(store, sealer, 1)
    assert store.root_hash(4) == root
    store.apply()
    assert store.progress()["gw1", sealer.epoch].contiguous == 3


def test_a_full_backlog_takes_nothing_more(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(index_module.Index, "_write", full)
    monkeypatch.setattr(index_module, "BACKLOG_MAX", 1)
    one, two = sealer.batches(2)
    assert store.write_many([(one, NOW)])[0].kind == "stored"
    answer = store.write_many([(two, NOW)])[0]
    assert (answer.kind, answer.retry_after_s) == ("unavailable", 5.0)


@given(st.lists(st.integers(1, 30)))
def test_seqs_are_a_contiguous_beginning_and_gaps(seqs: list[int]) -> None:
    found = SeqSet()
    for seq in seqs:
        found.add(seq)
    have = set(seqs)
    contiguous = next(n for n in range(40) if n + 1 not in have)
    assert found.contiguous == contiguous
    assert found.highest == max(have, default=0)
    missing = {seq for low, high in found.missing() for seq in range(low, high + 1)}
    assert missing == set(range(1, found.highest + 1)) - have


def test_gaps_are_listed_up_to_a_bound() -> None:
    found = SeqSet()
    for seq in range(2, 1000, 2):
        found.add(seq)
    assert found.missing(3) == [(1, 1), (3, 3), (5, 5)]
