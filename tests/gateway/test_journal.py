from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway.deliveries import Deliveries
from gateway.frames import FrameFile, scan_frames
from gateway.journal import Journal, JournalFull
from gateway.journal_records import FrameRecord, Header, encode_header, read_leftover
from gateway.replay import find_leftovers
from telemetry.clock import ClockState
from telemetry.reading import Quality, Reading, ReadingKind
from tests.gateway.conftest import NOW_MS, poll

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

WINDOW = NOW_MS - NOW_MS % 60_000


def _journal(directory: Path, *, run: str = "run1", bytes_max: int = 1_000_000) -> Journal:
    return Journal(directory, run=run, header=Header("boot-1", ClockState.SYNCED), bytes_max=bytes_max)


def _with(directory: Path, body: Callable[[Journal], Awaitable[None]], **options: int) -> None:
    async def main() -> None:
        journal = _journal(directory, **options)  # type: ignore[arg-type]
        flusher = asyncio.create_task(journal.run())
        try:
            async with asyncio.timeout(20):
                await body(journal)
        finally:
            flusher.cancel()

    asyncio.run(main())


def test_an_ack_is_called_only_after_its_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        order.append("synced")

    monkeypatch.setattr(os, "fdatasync", sync)

    async def body(journal: Journal) -> None:
        acked = asyncio.Event()

        def ack() -> None:
            order.append("acked")
            acked.set()

        journal.append(WINDOW, [poll(NOW_MS)], ack)
        assert order == []
        await acked.wait()

    _with(tmp_path, body)
    assert order == ["synced", "acked"]


def test_acks_that_wait_together_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)

    async def body(journal: Journal) -> None:
        acked: list[int] = []
        for number in range(100):
            journal.append(WINDOW, [poll(NOW_MS + number)], lambda number=number: acked.append(number))  # type: ignore[misc]
        await journal.sync()
        assert acked == list(range(100))

    _with(tmp_path, body)
    assert len(syncs) == 1


def test_a_poll_without_ack_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(journal: Journal) -> None:
        synced = asyncio.Event()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(os, "fdatasync", lambda _: loop.call_soon_threadsafe(synced.set))
        journal.append(WINDOW, [poll(NOW_MS)])
        await synced.wait()

    _with(tmp_path, body)


def test_readings_come_back_to_the_bit(tmp_path: Path) -> None:
    odd = Reading(
        "r1",
        ReadingKind.PUSH,
        NOW_MS,
        7,
        Quality.UNCERTAIN,
        {"a": 2**63, "b": -1.5, "c": "文 = , \n", "d": True},
        "p@0123456789ab",
        NOW_MS - 5,
        "late",
    )
    readings = [odd, poll(NOW_MS + 1)]

    async def body(journal: Journal) -> None:
        journal.append(WINDOW, readings)
        await journal.close()

    _with(tmp_path, body)
    [[leftover]] = find_leftovers(tmp_path)
    assert list(leftover.heard()) == readings
    assert leftover.header == Header("boot-1", ClockState.SYNCED)
    assert (leftover.readings, leftover.lost) == (2, 0)


def test_a_value_that_cannot_be_stored_makes_a_bad_reading(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        journal.append(WINDOW, [poll(NOW_MS, cycles=2**70), poll(NOW_MS + 1)])
        await journal.close()

    _with(tmp_path, body)
    [[leftover]] = find_leftovers(tmp_path)
    assert [reading.quality for reading in leftover.heard()] == [Quality.BAD, Quality.GOOD]


def _three_frames(directory: Path) -> Path:
    async def body(journal: Journal) -> None:
        for number in range(3):
            journal.append(WINDOW, [poll(NOW_MS + number, number), poll(NOW_MS + number, number)])
        await journal.close()

    _with(directory, body)
    [path] = directory.glob("*.seg")
    return path


def test_a_torn_tail_is_no_loss_at_any_byte(tmp_path: Path) -> None:
    data = _three_frames(tmp_path).read_bytes()
    *_, third, note = scan_frames(data).frames
    for cut in range(third.start, len(data)):
        path = tmp_path / f"cut{cut}.seg"
        path.write_bytes(data[:cut])
        leftover = read_leftover(path)
        assert (leftover.readings, leftover.lost) == (4 if cut < note.start else 6, 0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_rot_in_what_is_durable_is_counted_exactly_also_in_the_last(tmp_path: Path, number: int) -> None:
    path = _three_frames(tmp_path)
    data = bytearray(path.read_bytes())
    data[scan_frames(bytes(data)).frames[number].end - 5] ^= 0x40
    path.write_bytes(data)
    leftover = read_leftover(path)
    assert (leftover.readings, leftover.lost) == (4, 2)
    assert len(list(leftover.heard())) == 4


def test_a_later_write_that_outlived_an_earlier_torn_one_makes_no_loss(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        journal.append(WINDOW, [poll(NOW_MS)])
        await journal.sync()
        journal.append(WINDOW, [poll(NOW_MS + 1)])
        journal.append(WINDOW, [poll(NOW_MS + 2)])

    _with(tmp_path, body)
    [path] = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    _, accepted, _, torn, _ = scan_frames(bytes(data)).frames
    for spoiled, expected in ((torn, (2, 0)), (accepted, (2, 1))):
        copy = bytearray(data)
        copy[spoiled.end - 5] ^= 0x40
        path.write_bytes(copy)
        leftover = read_leftover(path)
        assert (leftover.readings, leftover.lost) == expected


def test_a_journal_of_an_earlier_version_declares_every_reading_that_is_missing(tmp_path: Path) -> None:
    file = FrameFile(tmp_path / f"{WINDOW:015d}-run0-000001.seg")
    file.append(encode_header(Header("boot-1", ClockState.SYNCED)))
    for number in range(3):
        record = FrameRecord.of(number, [poll(NOW_MS + number)])
        file.append(msgspec.msgpack.encode([record.before, record.readings]))
    file.close()
    data = bytearray(file.path.read_bytes())
    data[scan_frames(bytes(data)).frames[2].end - 5] ^= 0x40
    file.path.write_bytes(data)
    leftover = read_leftover(file.path)
    assert (leftover.readings, leftover.lost) == (2, 1)


def test_a_rotten_header_costs_no_reading(tmp_path: Path) -> None:
    path = _three_frames(tmp_path)
    data = bytearray(path.read_bytes())
    data[13] ^= 1
    path.write_bytes(data)
    leftover = read_leftover(path)
    assert (leftover.header, leftover.readings, leftover.lost) == (None, 6, 0)


@pytest.mark.parametrize("content", [b"", b"\0" * 500, os.urandom(500)])
def test_nonsense_never_stops_a_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{WINDOW:015d}-run0-000001.seg").write_bytes(content)
    (tmp_path / "what-is-this.seg").write_bytes(content)
    (tmp_path / f"{WINDOW:015d}-run0-000002.seg").symlink_to(tmp_path / "nowhere")
    [[leftover]] = find_leftovers(tmp_path)
    assert (leftover.readings, leftover.lost) == (0, 0)


def test_the_bound_refuses_and_takes_again_after_removal(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        refused = 0
        for number in range(200):
            try:
                journal.append(WINDOW, [poll(NOW_MS + number)])
            except JournalFull:
                refused += 1
        assert 0 < refused < 200
        assert journal.readings == 200 - refused
        names = journal.names_before(WINDOW + 60_000)
        assert journal.count(names) == 200 - refused
        await journal.sync_before(WINDOW + 60_000)
        journal.remove(names)
        assert (journal.readings, journal.size) == (0, 0)
        journal.append(WINDOW, [poll(NOW_MS)])
        assert journal.readings == 1

    _with(tmp_path, body, bytes_max=5_000)


def test_a_full_disk_refuses_without_ack_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def body(journal: Journal) -> None:
        acked: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", refuse)
            with pytest.raises(JournalFull, match="disk_full"):
                journal.append(WINDOW, [poll(NOW_MS)], lambda: acked.append("refused"))
        await journal.sync()
        assert acked == []
        journal.append(WINDOW, [poll(NOW_MS)], lambda: acked.append("accepted"))
        await journal.sync()
        assert acked == ["accepted"]
        assert journal.readings == 1

    _with(tmp_path, body)


def test_a_failed_sync_moves_the_frames_and_is_never_repeated_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync
    poisoned: list[int] = []

    def sync(fd: int) -> None:
        if not poisoned:
            poisoned.append(fd)
            raise OSError(errno.EIO, "Input/output error")
        assert fd not in poisoned
        real(fd)

    async def body(journal: Journal) -> None:
        journal.append(WINDOW, [poll(NOW_MS, 1)])
        await journal.sync()
        acked: list[str] = []
        monkeypatch.setattr(os, "fdatasync", sync)
        journal.append(WINDOW, [poll(NOW_MS + 1, 2)], lambda: acked.append("yes"))
        await journal.sync()
        assert acked == ["yes"]
        journal.append(WINDOW, [poll(NOW_MS + 2, 3)])
        await journal.close()
        assert journal.readings == 3
        assert journal.sync_failures == 1

    _with(tmp_path, body)
    [leftovers] = find_leftovers(tmp_path)
    heard = [reading.values["cycles"] for leftover in leftovers for reading in leftover.heard()]
    assert heard == [1, 2, 3]


def test_segments_set_apart_are_counted_but_not_named(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        journal.adopt("000000000000001-old-000001.seg", 5, 100, Deliveries())
        journal.append(WINDOW, [poll(NOW_MS)])
        journal.set_apart()
        journal.append(WINDOW, [poll(NOW_MS + 1)])
        assert journal.readings == 7
        assert len(journal.names_before(None)) == 1
        assert len(await journal.apart()) == 2

    _with(tmp_path, body)


def test_a_run_broken_off_is_named_whatever_its_window(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        journal.append(WINDOW + 600_000, [poll(NOW_MS)])
        journal.retire()
        journal.append(WINDOW, [poll(NOW_MS + 1)])
        assert journal.has_retired
        [name] = journal.names_before(WINDOW)
        assert name.startswith(f"{WINDOW + 600_000:015d}")
        journal.remove([name])
        assert not journal.has_retired

    _with(tmp_path, body)


@pytest.mark.parametrize("ends", ["retire", "set_apart"])
def test_what_a_failed_sync_left_of_a_segment_shares_its_runs_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """Found by the storm (seeds 3892, 4538): rows sealed for a run broken off, and its synced part declared lost later."""
    failures: list[OSError] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        if failures:
            raise failures.pop()
        real(fd)

    async def body(journal: Journal) -> None:
        monkeypatch.setattr(os, "fdatasync", sync)
        journal.append(WINDOW, [poll(NOW_MS)])
        await journal.sync()
        failures.append(OSError(errno.EIO, "Input/output error"))
        journal.append(WINDOW, [poll(NOW_MS + 1000)])
        await journal.sync()
        assert journal.sync_failures == 1
        getattr(journal, ends)()
        names = journal.names_before(WINDOW - 60_000) if ends == "retire" else await journal.apart()
        assert journal.count(names) == journal.readings == 2
        assert journal.names_before(None) == (names if ends == "retire" else [])

    _with(tmp_path, body)
