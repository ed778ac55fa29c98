"""Does the store in a directory hold together: one writer, readers beside it, group commit, full disks?"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest

import store.log as log_module
from store.embedded import EmbeddedStore, StoreReadOnly
from store.lock import StoreInUse
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from telemetry.line import Row
    from tests.store.conftest import Sealer, StillClock

NOW = 1_514_822_400_000
DAY = date(2018, 1, 1)


def test_a_second_writer_is_refused_and_told_who_has_it(
    store: EmbeddedStore, open_store: Callable[..., EmbeddedStore]
) -> None:
    with pytest.raises(StoreInUse, match=str(os.getpid())):
        open_store()
    store.close()
    assert open_store().log_size() == 1


def test_a_reader_beside_the_writer_sees_what_has_rows(
    store: EmbeddedStore, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    first, second = sealer.batches(2)
    store.write_many([(first, NOW)])
    store.apply()
    store.write_many([(second, NOW)])
    reader = open_store(read_only=True)
    assert (reader.log_size(), store.log_size()) == (2, 3)
    assert reader.root_hash() == store.root_hash(2)
    assert reader.scan(DAY, "machine").num_rows == 2
    assert [event.gateway for event in reader.events()] == ["gw1"]
    reader.apply()
    with pytest.raises(StoreReadOnly):
        reader.write_many([(second, NOW)])
    with pytest.raises(StoreReadOnly):
        asyncio.run(reader.write(second))
    with pytest.raises(StoreReadOnly):
        reader.rebuild()


def test_a_reader_needs_no_index(
    store: EmbeddedStore, sealer: Sealer, open_store: Callable[..., EmbeddedStore]
) -> None:
    store.write_many([(batch, NOW) for batch in sealer.batches(3)])
    store.apply()
    root = store.root_hash()
    store.close()
    for path in store.directory.glob("index.sqlite*"):
        path.unlink()
    reader = open_store(read_only=True)
    assert reader.root_hash() == root
    assert not list(store.directory.glob("index.sqlite*"))


def test_what_is_no_store_is_not_opened_for_reading(
    open_store: Callable[..., EmbeddedStore], store: EmbeddedStore
) -> None:
    with pytest.raises(ConfigError, match=r"store\.json.*is this a store"):
        open_store("nowhere", read_only=True)
    store.close()
    (store.directory / "store.json").write_text(json.dumps({"version": 9, "offset_minutes": 480}))
    with pytest.raises(ConfigError, match="version: 9"):
        open_store()


def test_concurrent_writers_share_syncs_and_none_is_told_before(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = log_module.sync_data

    def sync(handle: int) -> None:
        real(handle)
        synced.append(os.fstat(handle).st_size)

    monkeypatch.setattr(log_module, "sync_data", sync)
    batches = sealer.batches(40)

    async def write_all() -> list[int]:
        async def one(number: int) -> int:
            assert (await store.write(batches[number])).kind == "stored"
            return synced[-1]

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(40)]
        return [task.result() for task in tasks]

    sizes = asyncio.run(write_all())
    for leaf, place in store._index.places(1, 41):
        seq = next(n for n, batch in enumerate(batches) if batch.data == store._log.read(place).body)
        assert sizes[seq] >= place.end, leaf
    assert len(synced) <= 40
    assert store.progress()["gw1", sealer.epoch].contiguous == 40


def test_one_sync_carries_all_that_waits(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(log_module, "sync_data", syncs.append)
    store.write_many([(batch, NOW) for batch in sealer.batches(25)])
    assert len(syncs) == 1


@pytest.mark.parametrize(("code", "detail"), [(errno.ENOSPC, "no space left"), (errno.EIO, "the disk fails")])
def test_a_full_or_failing_disk_is_said_and_forgiven(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, code: int, detail: str
) -> None:
    one, two = sealer.batches(2)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    for name in ("write_all", "sync_data"):
        with monkeypatch.context() as patch:
            patch.setattr(log_module, name, fail)
            answer = asyncio.run(store.write(one))
            assert (answer.kind, answer.detail, answer.retry_after_s) == ("unavailable", detail, 5.0)
            assert store.log_size() == 1
    answers = store.write_many([(one, NOW), (two, NOW)])
    assert [answer.kind for answer in answers] == ["stored", "stored"]
    store.apply()
    assert store.scan(DAY, "machine").num_rows == 4


def test_a_cancelled_caller_takes_nothing_with_it(store: EmbeddedStore, sealer: Sealer) -> None:
    one, two = sealer.batches(2)

    async def main() -> None:
        task = asyncio.ensure_future(store.write(one))
        await asyncio.sleep(0)
        task.cancel()
        assert (await store.write(two)).kind == "stored"
        assert (await store.write(one)).kind == "stored"

    asyncio.run(main())
    assert store.progress()["gw1", sealer.epoch].contiguous == 2
    assert store.log_size() == 3


def test_writing_goes_on_while_rows_are_applied(store: EmbeddedStore, sealer: Sealer) -> None:
    batches = sealer.batches(30)

    async def main() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for batch in batches:
                group.create_task(store.write(batch))
            for _ in range(5):
                await asyncio.to_thread(store.apply)

    asyncio.run(main())
    store.apply()
    assert store.scan(DAY, "machine").num_rows == 60
    assert sorted(store.scan(DAY, "batch").column("seq").to_pylist()) == list(range(1, 31))


def test_conflicting_bytes_are_kept_up_to_a_bound(
    store: EmbeddedStore, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.committer.CONFLICTS_MAX", 3)
    (first,) = sealer.batches(1)
    store.write_many([(first, NOW)])
    others = [sealer.seal(sealer.row("r9", number), seq=1) for number in range(6)]
    for other in others + others:
        assert store.write_many([(other, NOW)])[0].kind == "conflict"
    kept = {path.read_bytes() for path in (store.directory / "conflicts").iterdir()}
    assert kept == {other.data for other in others[:3]}
    assert sum(event.kind == "conflict" for event in store.events()) == 3


def test_the_token_is_kept_as_a_hash_only(
    store: EmbeddedStore, sealer: Sealer, still: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    token = store.enrol("gw2", sealer.public_key, kind="provider", from_ms=0, at_ms=NOW)
    grant = store.grant(token)
    assert grant is not None
    assert (grant.name, grant.role) == ("gw2", "gateway")
    assert store.grant(token + "0") is None
    for path in store.directory.rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()
    event = store.events()[-1]
    assert (event.gateway_kind, event.at_ms) == ("provider", NOW)
    assert event.token_sha256 not in repr(event)
    assert token not in caplog.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    home = tmp_path / "small"
    home.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(home)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def test_a_store_starts_on_a_full_disk_and_goes_on_when_there_is_room(
    small_disk: Path, still: StillClock, sealer: Sealer
) -> None:
    directory = small_disk / "store"
    store = EmbeddedStore.open(directory, still.clock())
    store.enrol("gw1", sealer.public_key, kind="edge", from_ms=0, at_ms=0)
    one, two = sealer.batches(2)
    assert store.write_many([(one, NOW)])[0].kind == "stored"
    store.close()
    for path in directory.glob("index.sqlite*"):
        path.unlink()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    store = EmbeddedStore.open(directory, still.clock())
    try:
        assert store.log_size() == 2
        answers = store.write_many([(sealer.seal(*_wide(sealer)), NOW)])
        assert (answers[0].kind, answers[0].detail) == ("unavailable", "no space left")
        with pytest.raises(OSError, match="No space"):
            store.apply()
        filler.unlink()
        assert [answer.kind for answer in store.write_many([(one, NOW), (two, NOW)])] == ["stored", "stored"]
        store.apply()
        assert store.scan(DAY, "machine").num_rows == 4
    finally:
        store.close()


def _wide(sealer: Sealer) -> list[Row]:
    return [sealer.row(f"r{number}", 1) for number in range(200)]
