"""What does a flipped bit in a store's files cost? Nothing that the log still has, and never a count too many."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sqlite3
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import store.index as index_module
import store.log as log_module
import store.server as server_module
from store.cli import store as command
from store.log import EvidenceLog, LogUnreadable
from store.segments import RowDamage
from store.verify import verify_log
from store.verify_derived import check_derived
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.embedded import EmbeddedStore
    from telemetry.seal import Batch
    from tests.store.conftest import Sealer

DAY = date(2018, 1, 1)
NOW = 1_514_822_400_000
COUNT = 6


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def keys(store: EmbeddedStore) -> list[tuple[str, int]]:
    table = store.scan(DAY, "machine")
    return sorted(zip(table.column("device").to_pylist(), table.column("seq").to_pylist(), strict=True))


def answers(store: EmbeddedStore, batches: list[Batch]) -> list[str]:
    return [store.write_many([(batch, NOW)])[0].detail for batch in batches]


def log_of(home: Path) -> EvidenceLog:
    return EvidenceLog(home / "log", home / "quarantine", is_writable=False)


@pytest.fixture
def batches(sealer: Sealer) -> list[Batch]:
    return sealer.batches(COUNT)


@pytest.fixture
def filled(store: EmbeddedStore, batches: list[Batch]) -> EmbeddedStore:
    """A closed store of some batches with their rows."""
    assert set(answers(store, batches)) == {""}
    store.apply()
    with sqlite3.connect(store.directory / "index.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    store.close()
    return store


def copy_of(store: EmbeddedStore, name: str) -> Path:
    return Path(shutil.copytree(store.directory, store.directory.with_name(name)))


def test_no_flipped_bit_of_the_index_changes_an_answer_a_root_or_a_row(
    filled: EmbeddedStore, batches: list[Batch], sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    """Bits by a seed, in all that is there of it."""
    before = open_store()
    root, rows, leaves = before.root_hash(), keys(before), before.log_size()
    before.close()
    other = type(sealer)().seal(sealer.row("r9", 9), seq=2)
    used = [place for place, byte in enumerate((filled.directory / "index.sqlite").read_bytes()) if byte]
    rng = random.Random(20181126)
    for number in range(80):
        bit = rng.choice(used) * 8 + rng.randrange(8)
        home = copy_of(filled, f"flip-{number}")
        flip(home / "index.sqlite", bit)
        list(check_derived(home, log_of(home)))
        again = open_store(home.name)
        assert again.root_hash() == root, bit
        assert answers(again, batches) == ["stored before"] * COUNT, bit
        assert again.log_size() == leaves, bit
        if number % 4 == 0:
            again.rebuild()
        assert keys(again) == rows, bit
        assert again.write_many([(other, NOW)])[0].kind == "conflict"
        again.close()


def test_a_batch_that_rotted_at_the_end_is_taken_again_under_a_new_leaf(
    filled: EmbeddedStore, batches: list[Batch], open_store: Callable[..., EmbeddedStore]
) -> None:
    """Its leaf was synced and may stand in a published root: it is no torn write, and goes to nobody else."""
    path = filled.directory / "log" / "000000000000.log"
    flip(path, path.stat().st_size * 8 - 400)
    again = open_store()
    assert again.log_size() == COUNT + 1
    again.apply()
    assert keys(again) == [(f"r{n}", seq) for n in range(2) for seq in range(1, COUNT)]
    assert answers(again, batches) == ["stored before"] * (COUNT - 1) + [""]
    again.apply()
    assert again.log_size() == COUNT + 2
    assert keys(again) == [(f"r{n}", seq) for n in range(2) for seq in range(1, COUNT + 1)]
    again.close()
    third = open_store()
    assert third.log_size() == COUNT + 2
    assert answers(third, batches) == ["stored before"] * COUNT
    report = verify_log(log_of(third.directory))
    assert "bytes that are no frame" in report.problems[0]
    assert f"leaf {COUNT + 1} where {COUNT} should stand" in report.problems[1]
    assert report.progress["gw1", "ab" * 16].missing() == []


def test_a_batch_that_rotted_in_the_middle_is_taken_again(
    filled: EmbeddedStore, batches: list[Batch], open_store: Callable[..., EmbeddedStore]
) -> None:
    first = open_store()
    place = first._index.places(3, 4)[0][1]
    flip(filled.directory / "log" / "000000000000.log", (place.offset + 60) * 8)
    waits = "what was stored of it is damaged; room is made for it"
    known = "stored before"
    assert answers(first, batches) == [known, known, waits, known, known, known]
    assert first.is_behind
    first.apply()
    assert keys(first) == [(f"r{n}", seq) for n in range(2) for seq in (1, 2, 4, 5, 6)]
    assert answers(first, batches) == [known, known, "", known, known, known]
    assert answers(first, batches) == [known] * COUNT
    assert first.progress()["gw1", "ab" * 16].missing() == []
    first.apply()
    assert keys(first) == [(f"r{n}", seq) for n in range(2) for seq in range(1, COUNT + 1)]
    first.close()
    assert list(check_derived(filled.directory, log_of(filled.directory))) == []


def test_no_flipped_bit_of_a_row_file_changes_a_row(
    filled: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    (name,) = (filled.directory / "rows" / "machine" / "day=2018-01-01").iterdir()
    size = name.stat().st_size
    wanted = keys(open_store(read_only=True))
    rng = random.Random(20181127)
    for number in range(60):
        home = copy_of(filled, f"flip-{number}")
        path = home / name.relative_to(filled.directory)
        flip(path, rng.randrange(size * 8))
        assert list(check_derived(home, log_of(home))) == [
            f"{path.relative_to(home)}: is damaged; run 'mfl store rebuild'"
        ]
        reader = open_store(home.name, read_only=True)
        with pytest.raises(RowDamage, match="mfl store rebuild"):
            reader.files(DAY, "machine")
        reader.close()
        again = open_store(home.name)
        if number % 2:
            again.compact(DAY)
        assert keys(again) == wanted
        again.close()
        assert list(check_derived(home, log_of(home))) == []


def test_no_flipped_bit_of_the_stamp_loses_a_row(
    filled: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    path = filled.directory / "rows" / "applied.json"
    whole = path.read_bytes()
    wanted = keys(open_store(read_only=True))
    for bit in range(0, len(whole) * 8, 5):
        path.write_bytes(whole)
        flip(path, bit)
        told = list(check_derived(filled.directory, log_of(filled.directory)))
        if told:
            with pytest.raises(ConfigError, match="mfl store rebuild"):
                open_store(read_only=True)
        again = open_store()
        again.apply()
        assert keys(again) == wanted, bit
        again.close()


def test_a_stamp_that_lies_between_the_leaves_of_a_file_is_not_believed(
    filled: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    path = filled.directory / "rows" / "applied.json"
    path.write_bytes(b'{"applied": 3}')
    again = open_store()
    again.apply()
    assert keys(again) == [(f"r{n}", seq) for n in range(2) for seq in range(1, COUNT + 1)]


def test_verify_tells_what_is_wrong_with_what_was_made_from_the_log(filled: EmbeddedStore) -> None:
    verify = ["verify", "--store", str(filled.directory)]
    assert CliRunner().invoke(command, verify).exit_code == 0
    with sqlite3.connect(filled.directory / "index.sqlite") as connection:
        connection.execute("UPDATE batch SET seq = 99 WHERE seq = 2")
        connection.execute("UPDATE leaf SET offset = offset + 1 WHERE leaf = 5")
    connection.close()
    result = CliRunner().invoke(command, verify)
    assert result.exit_code == 1
    for leaf in (2, 5):
        assert f"index.sqlite: leaf {leaf} is not as the log has it; run 'mfl store rebuild'" in result.output
    assert CliRunner().invoke(command, ["rebuild", *verify[1:]]).exit_code == 0
    assert CliRunner().invoke(command, verify).exit_code == 0


def test_a_store_whose_log_is_gone_does_not_begin_anew(
    filled: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    (segment,) = (filled.directory / "log").iterdir()
    segment.rename(filled.directory / "kept")
    rows = sorted((filled.directory / "rows").rglob("*.parquet"))
    for read_only in (False, True):
        with pytest.raises(
            LogUnreadable, match="knows 7 leaves, and no segment of the log is there: restore"
        ):
            open_store(read_only=read_only)
    assert sorted((filled.directory / "rows").rglob("*.parquet")) == rows
    assert list(check_derived(filled.directory, log_of(filled.directory))) == [
        "index.sqlite: knows 7 leaves, the log ends at 0: the log has lost some; restore it from a copy"
    ]


def test_leaves_of_a_segment_that_is_gone_go_to_nobody_else(
    store: EmbeddedStore,
    batches: list[Batch],
    open_store: Callable[..., EmbeddedStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(index_module, "LOOK_BACK", 1)
    answers(store, batches)
    store.close()
    last = max((store.directory / "log").iterdir())
    last.unlink()
    again = open_store()
    assert again.log_size() == COUNT + 1
    assert answers(again, batches)[-1] == ""
    assert again.log_size() > COUNT + 1
    assert answers(again, batches) == ["stored before"] * COUNT


def test_a_segment_that_cannot_be_read_is_named(
    filled: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    (filled.directory / "log" / "000000000099.log").mkdir()
    with pytest.raises(LogUnreadable, match=r"000000000099\.log: Is a directory; the log is the record"):
        open_store()
    result = CliRunner().invoke(command, ["verify", "--store", str(filled.directory)])
    assert (result.exit_code, "Is a directory" in result.output) == (2, True)


async def _passes(store: EmbeddedStore, wanted: int) -> None:
    work = asyncio.create_task(server_module.keep_applied(store, interval_s=0))
    async with asyncio.timeout(20):
        while store._applier.applied < wanted:  # noqa: ASYNC110 - the work does not say when a pass is over
            await asyncio.sleep(0)
    work.cancel()


def test_what_keeps_rows_up_to_date_goes_on_after_any_failure(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, failures = server_module.keep_once, iter([ValueError("not a Parquet file"), KeyError("x")])

    def keep_once(store: EmbeddedStore, *, compacts: bool) -> None:
        for failure in failures:
            raise failure
        real(store, compacts=compacts)

    monkeypatch.setattr(server_module, "keep_once", keep_once)
    monkeypatch.setattr(server_module, "FAILED_WAIT_S", 0)
    answers(store, sealer.batches(2))
    with caplog.at_level(logging.ERROR):
        asyncio.run(_passes(store, 3))
    assert [record.message for record in caplog.records] == ["apply_failed retry_in_s=0"] * 2
