"""Do the row files follow the log exactly, whatever interrupts them?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

import store.applier as applier_module
import store.compaction as compaction_module
import store.embedded as embedded_module
import store.log as log_module
import store.segments as segments_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.embedded import EmbeddedStore
    from tests.store.conftest import Sealer, StillClock

DAY = date(2018, 1, 1)
NOW = 1_514_822_400_000


def put(store: EmbeddedStore, sealer: Sealer, count: int) -> None:
    answers = store.write_many([(batch, NOW) for batch in sealer.batches(count)])
    assert {answer.kind for answer in answers} == {"stored"}


def keys(store: EmbeddedStore, measurement: str = "machine") -> list[tuple[str, int]]:
    table = store.scan(DAY, measurement)
    names = table.column("device" if measurement == "machine" else "gateway").to_pylist()
    return sorted(zip(names, table.column("seq").to_pylist(), strict=True))


def expected(batches: int) -> list[tuple[str, int]]:
    return sorted((f"r{n}", seq) for n in range(2) for seq in range(1, batches + 1))


def test_applying_twice_changes_nothing(store: EmbeddedStore, sealer: Sealer) -> None:
    put(store, sealer, 3)
    store.apply()
    first = store.files(DAY, "machine")
    store.apply()
    assert store.files(DAY, "machine") == first
    assert keys(store) == expected(3)
    assert not store.is_behind


def test_rows_decoded_from_the_log_equal_those_kept_at_writing(store: EmbeddedStore, sealer: Sealer) -> None:
    put(store, sealer, 5)
    store.apply()
    kept = store.scan(DAY, "machine")
    store.rebuild()
    assert store.scan(DAY, "machine").equals(kept)
    assert keys(store) == expected(5)


def test_what_does_not_fit_in_memory_is_read_from_the_log(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "BUFFER_BYTES", 1_000)
    monkeypatch.setattr(applier_module, "ROUND_BYTES", 1_500)
    monkeypatch.setattr(applier_module, "ROUND_LEAVES", 3)
    put(store, sealer, 10)
    store.apply()
    assert keys(store) == expected(10)
    assert len(store.files(DAY, "machine")) > 2


def test_a_long_write_applies_on_the_way(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "GROUP_BYTES", 1_000)
    monkeypatch.setattr(embedded_module, "BUFFER_BYTES", 3_000)
    put(store, sealer, 10)
    assert keys(store)[-1][1] > 1
    assert keys(store) != expected(10)
    store.apply()
    assert keys(store) == expected(10)


class Crash(Exception):
    """The process ends here."""


class Crashing:
    """Lets the k-th change of the disk be the last one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        for owner, name in ((Path, "rename"), (Path, "unlink")):
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))
        for module in (segments_module, log_module):
            monkeypatch.setattr(module, "sync_directory", self._wrap(module.sync_directory))

    def _wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise Crash
            return real(*args, **kwargs)

        return step


@pytest.mark.parametrize("how", ["apply", "merge", "compact"])
def test_a_crash_at_any_step_loses_and_doubles_no_row(
    open_store: Callable[..., EmbeddedStore], sealer: Sealer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    crashing = Crashing(monkeypatch)
    monkeypatch.setattr(applier_module, "MERGE_AT", 3)
    for steps in range(200):
        store = open_store(f"{how}-{steps}")
        chain = type(sealer)()
        store.enrol("gw1", chain.public_key, kind="edge", from_ms=0, at_ms=0)
        rounds = {"apply": 0, "merge": 2, "compact": 2}[how]
        for _ in range(rounds):
            put(store, chain, 2)
            store.apply()
        put(store, chain, 2)
        if how == "compact":
            store.apply()
        crashing.left = steps
        try:
            store.compact(DAY) if how == "compact" else store.apply()
            is_done = True
        except Crash:
            is_done = False
        crashing.left = 10**9
        total = 2 * rounds + 2
        if how == "compact":
            assert keys(store) == expected(total), steps
        store.close()
        again = open_store(f"{how}-{steps}")
        again.apply()
        assert keys(again) == expected(total), steps
        assert keys(again, "batch") == [("gw1", seq) for seq in range(1, total + 1)], steps
        again.close()
        if is_done:
            assert steps > 3
            return
    pytest.fail("never came to its end")


def test_many_small_rounds_leave_few_files(store: EmbeddedStore, sealer: Sealer) -> None:
    for _ in range(30):
        put(store, sealer, 1)
        store.apply()
    assert keys(store) == expected(30)
    assert len(store.files(DAY, "machine")) <= 20


def test_replaced_files_stay_for_their_readers_and_then_go(
    store: EmbeddedStore, sealer: Sealer, still: StillClock
) -> None:
    put(store, sealer, 2)
    store.apply()
    put(store, sealer, 2)
    store.apply()
    listed = store.files(DAY, "machine")
    store.compact(DAY)
    (compacted,) = store.files(DAY, "machine")
    assert len(listed) == 2
    assert all(path.exists() for path in listed)
    still.mono_ms += applier_module.GRACE_MS
    put(store, sealer, 1)
    store.apply()
    assert not any(path.exists() for path in listed)
    assert compacted.exists()
    assert keys(store) == expected(5)


def test_a_closed_day_is_sorted_and_takes_late_rows_in(store: EmbeddedStore, sealer: Sealer) -> None:
    put(store, sealer, 3)
    store.apply()
    store.compact(DAY)
    table = store.scan(DAY, "machine")
    order = list(zip(table.column("device").to_pylist(), table.column("time_ms").to_pylist(), strict=True))
    assert order == sorted(order)
    put(store, sealer, 2)
    store.apply()
    assert len(store.files(DAY, "machine")) == 2
    store.compact(DAY)
    assert len(store.files(DAY, "machine")) == 1
    assert keys(store) == expected(5)


def test_only_days_that_are_over_are_compacted_by_themselves(
    store: EmbeddedStore, sealer: Sealer, still: StillClock
) -> None:
    for _ in range(2):
        put(store, sealer, 1)
        store.apply()
    assert store.compact_closed() is None
    still.wall_ms += 86_400_000
    assert store.compact_closed() == DAY
    assert store.compact_closed() is None


def test_rows_ahead_of_the_log_are_made_anew(
    store: EmbeddedStore, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    put(store, sealer, 3)
    store.apply()
    store.close()
    segment = store.directory / "log" / "000000000000.log"
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size - 10)
    again = open_store()
    again.apply()
    assert keys(again) == expected(2)


def test_a_damaged_frame_costs_its_rows_only(
    store: EmbeddedStore, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    put(store, sealer, 3)
    place = store._index.places(2, 3)[0][1]
    store.close()
    path = store.directory / "log" / "000000000000.log"
    data = bytearray(path.read_bytes())
    data[place.offset + 50] ^= 1
    path.write_bytes(data)
    again = open_store()
    again.apply()
    assert keys(again) == [item for item in expected(3) if item[1] != 2]


def test_a_large_day_is_compacted_in_parts(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction_module, "PART_ROWS", 5)
    monkeypatch.setattr(compaction_module, "_READ_ROWS", 3)
    for _ in range(2):
        answers = store.write_many([(batch, NOW) for batch in sealer.batches(3, devices=4)])
        assert {answer.kind for answer in answers} == {"stored"}
        store.apply()
    store.compact(DAY)
    table = store.scan(DAY, "machine")
    order = list(zip(table.column("device").to_pylist(), table.column("time_ms").to_pylist(), strict=True))
    assert len(order) == 24
    assert order == sorted(order)
    (path,) = store.files(DAY, "machine")
    assert pq.ParquetFile(path).num_row_groups == 4


@pytest.mark.parametrize("how", ["apply", "merge"])
def test_a_round_that_failed_is_made_again_otherwise_cut(
    open_store: Callable[..., EmbeddedStore],
    make_sealer: type[Sealer],
    still: StillClock,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """A full disk stops a round; the next ones, in the same process, are cut otherwise; replaced files go later."""
    monkeypatch.setattr(applier_module, "MERGE_AT", 3)
    crashing = Crashing(monkeypatch)
    for steps in range(0, 200, 3):
        store, chain = open_store(f"{how}-{steps}"), make_sealer()
        store.enrol("gw1", chain.public_key, kind="edge", from_ms=0, at_ms=0)
        rounds = 0 if how == "apply" else 2
        for _ in range(rounds):
            put(store, chain, 2)
            store.apply()
        put(store, chain, 4)
        crashing.left = steps
        try:
            store.apply()
            is_done = True
        except Crash:
            is_done = False
        crashing.left = 10**9
        put(store, chain, 2)
        with monkeypatch.context() as patch:
            patch.setattr(applier_module, "ROUND_LEAVES", 3)
            store.apply()
        still.mono_ms += applier_module.GRACE_MS
        put(store, chain, 1)
        store.apply()
        assert keys(store) == expected(2 * rounds + 7), steps
        store.close()
        if is_done:
            assert steps > 3
            return
    pytest.fail("never came to its end")
