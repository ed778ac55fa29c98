from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import pytest

from gateway.frames import FrameFile, make_directory, scan_frames, sync_directory, write_atomically
from simulators.virtual_box import Box, Killed
from simulators.virtual_disk import Sync, SyncNames, Write
from simulators.virtual_os import standing_on

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path / "box", random.Random(1))
    made.trace = []
    return made


def test_production_code_is_recorded_call_by_call(box: Box) -> None:
    with standing_on([box]):
        file = FrameFile(box.root / "a.seg")
        file.append(b"payload")
        file.sync()
        sync_directory(box.root)
        file.close()
    assert box.trace is not None
    assert [type(item) for item in box.trace][1:] == [Write, Sync, SyncNames]
    box.cut_power()
    frames = scan_frames((box.root / "a.seg").read_bytes()).frames
    assert [frame.payload for frame in frames] == [b"payload"]


def test_what_concerns_no_box_goes_straight_through(box: Box, tmp_path: Path) -> None:
    with standing_on([box]):
        box.kill()
        (tmp_path / "beside").write_bytes(b"x")
        write_atomically(tmp_path / "state", b"y")
        (tmp_path / "beside").unlink()
    assert not box.trace
    assert box.calls == 0


def test_the_shim_goes_when_the_run_ends(box: Box) -> None:
    before = os.write
    with standing_on([box]):
        assert os.write is not before
    assert os.write is before


def test_a_full_disk_refuses_and_takes_room_back(box: Box) -> None:
    with standing_on([box]):
        file = FrameFile(box.root / "a.seg")
        file.append(bytes(2000))
        box.free = 100
        with pytest.raises(OSError, match="No space") as refused:
            file.append(bytes(2000))
        assert refused.value.errno == errno.ENOSPC
        assert (box.root / "a.seg").stat().st_size == file.size
        assert box.free == 100
        with pytest.raises(OSError, match="No space"):
            write_atomically(box.root / "b", b"x")
        file.close()
        (box.root / "a.seg").unlink()
        write_atomically(box.root / "b", b"x")
    assert box.refused == 2


def test_the_dead_change_nothing_and_their_locks_go(box: Box) -> None:
    with standing_on([box]):
        file = FrameFile(box.root / "a.seg")
        box.kill()
        for act in (lambda: file.append(b"x"), file.sync, file.close, (box.root / "b").mkdir):
            with pytest.raises(Killed):
                act()
        box.reap()
        assert not box.handles
        FrameFile(box.root / "a.seg").close()
    assert (box.root / "a.seg").read_bytes() == b""


def test_a_kill_falls_on_the_very_call(box: Box) -> None:
    with standing_on([box]):
        file = FrameFile(box.root / "a.seg")
        file.append(b"first")
        box.kill_at = box.calls + 1
        with pytest.raises(Killed):
            file.append(b"second")
    frames = scan_frames((box.root / "a.seg").read_bytes()).frames
    assert [frame.payload for frame in frames][:1] == [b"first"]


def test_a_failed_sync_is_told_and_its_bytes_are_gone(box: Box) -> None:
    with standing_on([box]):
        file = FrameFile(box.root / "a.seg")
        sync_directory(box.root)
        file.append(b"x")
        box.fail_syncs = 1
        with pytest.raises(OSError, match="error"):
            file.sync()
        file.sync()
        file.close()
    box.cut_power()
    assert (box.root / "a.seg").read_bytes() == b""


@pytest.mark.parametrize("synced", [True, False])
def test_a_file_written_by_others_is_recorded_when_it_is_synced(tmp_path: Path, synced: bool) -> None:
    left = set()
    for seed in range(40):
        box = Box(tmp_path / f"box{seed}", random.Random(seed))
        with standing_on([box]):
            path = box.root / "foreign"
            with path.open("wb") as file:
                file.write(b"abc")
                file.flush()
                if synced:
                    os.fsync(file.fileno())
            sync_directory(box.root)
        box.cut_power()
        left.add(path.read_bytes())
    assert left == ({b"abc"} if synced else {b"", b"abc"})


def test_a_state_directory_outlives_a_power_cut_however_its_making_was_interrupted(tmp_path: Path) -> None:
    for seed in range(60):
        box = Box(tmp_path / f"box{seed}", random.Random(seed))
        home = box.root / "state" / "outbox"
        with standing_on([box]):
            box.kill_at = 1 + seed % 4
            try:
                make_directory(home)
            except Killed:
                box.reap()
                make_directory(home)
            box.kill_at = None
            write_atomically(home / "cursor", b"x")
        box.cut_power()
        assert (home / "cursor").read_bytes() == b"x"
