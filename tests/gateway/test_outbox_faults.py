from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from gateway import outbox_segments
from gateway.frames import scan_frames
from gateway.losses import owed_row
from gateway.outbox import Outbox
from tests.gateway.conftest import NOW_MS, Box, assert_books, fill, machine, seal_time

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def test_a_torn_record_never_was_at_any_byte(box: Box, tmp_path: Path) -> None:
    outbox = box.open()
    fill(outbox, 2)
    outbox.close()
    [segment] = box.directory.glob("*.seg")
    data = segment.read_bytes()
    second = scan_frames(data).frames[1]
    # As before the second record: the cursor of then, and a piece of the record.
    shutil.rmtree(box.directory)
    outbox = box.open()
    before = Box(tmp_path / "before" / "outbox", box.key)
    outbox.close()
    for cut in range(second.start, second.end, 23):
        shutil.rmtree(before.directory.parent, ignore_errors=True)
        first = before.open()
        fill(first, 1)
        first.close()
        [file] = before.directory.glob("*.seg")
        kept = file.read_bytes()
        file.write_bytes(kept + data[second.start : cut])
        again = before.open()
        assert (again.newest, again.stat().buffered, set(again.consumed)) == (1, 10, {"s0"})
        [batch] = again.append([machine(NOW_MS + 60_000)], seal_time())
        assert batch.seal.seq == 2
        again.close()


class Killed(BaseException):
    """The process is gone."""


CALLS = ("write", "fsync", "fdatasync", "open", "ftruncate")


def _kill_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    left = [calls]

    def deadly(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in CALLS:
        deadly(name)


@pytest.mark.parametrize("calls", range(81))
def test_a_kill_at_any_step_loses_nothing_and_reuses_no_seq(
    box: Box, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    # A kill, not a power cut: what was written stays, so nothing need really be synced.
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    outbox = box.open()
    fill(outbox, 2)
    sealed: dict[int, str] = {index: outbox.batch(index).hash for index in (1, 2)}  # type: ignore[union-attr]
    acked: set[int] = set()
    with monkeypatch.context() as patched:
        _kill_after(patched, calls)
        try:
            outbox.ack(1)
            acked.add(1)
            outbox.flush()
            for number in (2, 3):
                [batch] = outbox.append(
                    [machine(NOW_MS + number * 60_000, 10)], seal_time(), consumed=[f"s{number}"]
                )
                sealed[batch.seal.seq] = batch.hash
            outbox.ack(2)
            outbox.flush()
        except Killed:
            pass
    outbox._directory_lock.close()
    again = box.open()
    assert_books(again)
    place = again.place
    assert place.seq >= len(sealed) + 1
    for index in range(1, again.newest + 1):
        if not again.is_done(index):
            left = again.batch(index)
            assert left is not None
            assert sealed.setdefault(left.seal.seq, left.hash) == left.hash
    assert again.stat().rowed == 10 * again.newest
    assert again.stat().quarantined == 0
    # What was synced and not yet told has its journal segments named, so that they are not folded twice.
    if again.newest > 2:
        assert f"s{again.newest - 1}" in again.consumed
    [fresh] = again.append([machine(NOW_MS + 900_000)], seal_time())
    assert fresh.seal.seq == place.seq
    again.close()


def test_the_cursor_lost_means_sent_again_and_nothing_else(box: Box) -> None:
    outbox = box.open()
    fill(outbox, 3)
    place = outbox.place
    outbox.ack(1)
    outbox.close()
    (box.directory / "cursor.json").write_bytes(b"{")
    again = box.open()
    assert again.place == place
    assert again.next_unsent() == 1
    assert_books(again)
    again.close()


@pytest.mark.parametrize("victim", [1, 2, 3])
def test_rot_is_quarantined_counted_and_declared(box: Box, victim: int) -> None:
    outbox = box.open()
    fill(outbox, 4)
    outbox.close()
    [segment] = box.directory.glob("*.seg")
    data = bytearray(segment.read_bytes())
    frame = scan_frames(bytes(data)).frames[victim - 1]
    data[frame.start + 40] ^= 4
    segment.write_bytes(data)
    again = box.open()
    assert again.batch(victim) is None
    assert again.is_done(victim)
    assert again.stat().quarantined == 10
    assert_books(again)
    [owed] = again.owed()
    assert owed.readings == 10
    again.append([owed_row("g1", owed, NOW_MS)], seal_time(), settles=[owed.key])
    assert again.owed() == ()
    for index in range(1, 5):
        if index != victim:
            assert again.batch(index) is not None
            again.ack(index)
    again.close()
    last = box.open()
    assert (last.owed(), last.stat().delivered, last.stat().buffered) == ((), 30, 0)
    last.close()


def test_a_segment_gone_from_the_middle_is_declared(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    outbox = box.open()
    fill(outbox, 4)
    outbox.close()
    sorted(box.directory.glob("*.seg"))[1].unlink()
    again = box.open()
    assert again.batch(2) is None
    assert again.batch(3) is not None
    assert again.stat().quarantined == 10
    assert_books(again)
    again.close()


@pytest.mark.parametrize("gone", [1, 2, 4])
def test_the_oldest_segments_gone_are_declared_and_the_rest_is_delivered(
    box: Box, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    monkeypatch.setattr(outbox_segments, "SEGMENT_BYTES", 1)
    outbox = box.open()
    fill(outbox, 4)
    outbox.ack(2)
    outbox.close()
    for path in sorted(box.directory.glob("*.seg"))[:gone]:
        path.unlink()
    again = box.open()
    assert again.next_unsent() == 1
    assert again.batch(1) is None
    declared = {1: 10, 2: 10, 4: 30}[gone]  # batch 2 was delivered
    assert [owed.readings for owed in again.owed()] == [declared]
    while (index := again.next_unsent()) is not None:
        assert again.batch(index) is not None
        again.ack(index)
    assert (again.stat().quarantined, again.stat().delivered, again.stat().buffered) == (
        declared, 40 - declared, 0,
    )  # fmt: skip
    assert_books(again)
    fill(again, 1)
    again.close()


def test_a_full_disk_is_tried_once_more_with_the_ballast_gone(
    tmp_path: Path, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[str] = []
    outbox = Outbox.open(tmp_path / "outbox", "g1", key, make_room=lambda: dropped.append("ballast"))
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if not dropped:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    fill(outbox, 1)
    assert dropped == ["ballast"]
    assert outbox.batch(1) is not None
    outbox.close()


def test_a_disk_that_stays_full_leaves_all_as_it_was(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = box.open()
    fill(outbox, 1)
    place = outbox.place

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            fill(outbox, 1, start=1)
        # Draining goes on: an ack needs no room to be counted, only to be saved.
        outbox.ack(1)
        outbox.flush()
    assert outbox.place == place
    assert outbox.next_unsent() is None
    fill(outbox, 1, start=1)
    assert outbox.place.seq == place.seq + 1
    outbox.close()
    assert box.open().stat().delivered == 10
