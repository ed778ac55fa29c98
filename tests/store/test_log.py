"""Does the log keep what it synced, through torn tails, damage, full and failing disks?"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

import store.log as log_module
from store.frames import HEAD_BYTES, Damage, Found, Frame, FrameKind, encode_frame
from store.log import EvidenceLog, LogDamage, Place, Record

if TYPE_CHECKING:
    from pathlib import Path


def open_log(directory: Path, *, is_writable: bool = True) -> tuple[EvidenceLog, list[tuple[int, bytes]]]:
    log = EvidenceLog(directory / "log", directory / "quarantine", is_writable=is_writable)
    return log, [(item.frame.leaf, item.frame.body) for item in log.recover(None)]


def record(text: str) -> Record:
    return Record(FrameKind.EVENT, 1, text.encode())


def append(log: EvidenceLog, *texts: str) -> list[Place]:
    return [located.place for located in log.append([record(text) for text in texts])]


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    log, found = open_log(tmp_path)
    assert found == []
    places = append(log, "a", "b")
    places += append(log, "c")
    assert [log.read(place).body for place in places] == [b"a", b"b", b"c"]
    log.close()
    again, found = open_log(tmp_path)
    assert found == [(0, b"a"), (1, b"b"), (2, b"c")]
    append(again, "d")
    again.close()
    assert open_log(tmp_path)[1][-1] == (3, b"d")
    assert len(list((tmp_path / "log").iterdir())) == 1


def test_a_tail_torn_at_any_byte_is_cut_and_kept_aside(tmp_path: Path) -> None:
    log, _ = open_log(tmp_path)
    append(log, "first")
    place = append(log, "second")[0]
    log.close()
    path = log.path(0)
    whole = path.read_bytes()
    for cut in range(place.offset, place.end):
        path.write_bytes(whole[:cut])
        again, found = open_log(tmp_path)
        assert found == [(0, b"first")]
        assert path.stat().st_size == place.offset
        append(again, "third")
        again.close()
        assert open_log(tmp_path)[1] == [(0, b"first"), (1, b"third")]


def test_damage_inside_is_kept_aside_and_stepped_over(tmp_path: Path) -> None:
    log, _ = open_log(tmp_path)
    places = append(log, "one", "two", "three")
    log.close()
    data = bytearray(log.path(0).read_bytes())
    data[places[1].offset + 30] ^= 4
    log.path(0).write_bytes(data)
    for _ in range(2):  # a second start makes no second copy
        again, found = open_log(tmp_path)
        assert found == [(0, b"one"), (2, b"three")]
        assert again.next_leaf == 3
        assert again.damaged_bytes == places[1].length
        assert [path.stat().st_size for path in (tmp_path / "quarantine").iterdir()] == [places[1].length]
    with pytest.raises(LogDamage, match="verify"):
        again.read(places[1])
    assert log.path(0).read_bytes() == bytes(data), "the record itself is never rewritten"


def test_reading_only_changes_nothing(tmp_path: Path) -> None:
    log, _ = open_log(tmp_path)
    append(log, "one")
    log.close()
    with log.path(0).open("ab") as file:
        file.write(b"torn")
    before = log.path(0).read_bytes()
    assert open_log(tmp_path, is_writable=False)[1] == [(0, b"one")]
    assert log.path(0).read_bytes() == before
    assert not (tmp_path / "quarantine").exists()


def test_segments_end_at_their_bound_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 100)
    log, _ = open_log(tmp_path)
    append(log, *[f"record {number:03d}" for number in range(10)])
    assert log.segments() == [0, 2, 4, 6, 8]
    log.close()
    again, found = open_log(tmp_path)
    assert [leaf for leaf, _ in found] == list(range(10))
    append(again, "more")
    assert [leaf for leaf, _ in open_log(tmp_path)[1]] == list(range(11))


@pytest.mark.parametrize("content", [b"", bytes(4096), b"\xffMFL" * 100, b"not a log at all"])
def test_a_strange_last_segment_does_not_stop_the_start(tmp_path: Path, content: bytes) -> None:
    log, _ = open_log(tmp_path)
    append(log, "kept")
    log.close()
    (tmp_path / "log" / "000000000001.log").write_bytes(content)
    (tmp_path / "log" / "README.txt").write_bytes(b"somebody's note")
    again, found = open_log(tmp_path)
    assert found == [(0, b"kept")]
    append(again, "next")
    again.close()
    assert open_log(tmp_path)[1] == [(0, b"kept"), (1, b"next")]


def test_a_missing_segment_leaves_a_gap_and_no_other_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 100)
    log, _ = open_log(tmp_path)
    append(log, *[f"record {number:03d}" for number in range(6)])
    log.close()
    log.path(2).unlink()
    again, found = open_log(tmp_path)
    assert [leaf for leaf, _ in found] == [0, 1, 4, 5]
    append(again, "more")
    assert [leaf for leaf, _ in open_log(tmp_path)[1]] == [0, 1, 4, 5, 6]


class Disk:
    """Fails the k-th write or sync; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails_at: int | None = None
        self.code = errno.ENOSPC
        self.calls = 0
        self.partial = 7
        real_write, real_sync = log_module.write_all, log_module.sync_data

        def write(handle: int, data: bytes) -> None:
            if self._is_due():
                os.write(handle, data[: self.partial])
                raise OSError(self.code, os.strerror(self.code))
            real_write(handle, data)

        def sync(handle: int) -> None:
            if self._is_due():
                raise OSError(self.code, os.strerror(self.code))
            real_sync(handle)

        monkeypatch.setattr(log_module, "write_all", write)
        monkeypatch.setattr(log_module, "sync_data", sync)

    def _is_due(self) -> bool:
        self.calls += 1
        return self.fails_at is not None and self.calls >= self.fails_at


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fails_at", range(1, 7))
def test_a_failing_disk_loses_nothing_and_is_forgiven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, code: int
) -> None:
    disk = Disk(monkeypatch)
    disk.code = code
    disk.fails_at = fails_at
    log, _ = open_log(tmp_path)
    stored: list[str] = []
    refused = 0
    for text in ("a", "b", "c", "d"):
        try:
            append(log, text)
            stored.append(text)
        except OSError:
            refused += 1
    assert refused == 4 - (fails_at - 1) // 2
    disk.fails_at = None
    append(log, "after")
    log.close()
    expected = [(leaf, text.encode()) for leaf, text in enumerate([*stored, "after"])]
    assert open_log(tmp_path)[1] == expected


def test_what_could_not_be_taken_back_is_not_taken_for_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed sync the bytes may reach the disk all the same, under a leaf that then went to another frame."""
    log, _ = open_log(tmp_path)
    append(log, "a")
    disk = Disk(monkeypatch)
    disk.fails_at = 2
    disk.code = errno.EIO
    monkeypatch.setattr("os.ftruncate", _fails)
    with pytest.raises(OSError, match="error"):
        append(log, "ghost")
    disk.fails_at = None
    append(log, "b")
    log.close()
    assert open_log(tmp_path)[1] == [(0, b"a"), (1, b"b")]


def test_what_could_not_be_cut_off_makes_room_for_a_segment_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = open_log(tmp_path)
    disk = Disk(monkeypatch)
    disk.fails_at, disk.code = 2, errno.EIO
    with monkeypatch.context() as patch:
        patch.setattr("os.ftruncate", _fails)
        with pytest.raises(OSError, match="error"):
            append(log, "ghost")
    disk.fails_at = None
    append(log, "real")
    log.close()
    assert open_log(tmp_path)[1] == [(0, b"real")]


def test_a_segment_whose_name_could_not_be_synced_is_tried_again_and_none_is_gone_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that would still fit into the segment before must not lie there, beyond the next one's name."""
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 100)
    log, _ = open_log(tmp_path)
    append(log, "a")
    with monkeypatch.context() as patch:
        patch.setattr(log_module, "sync_directory", _fails)
        with pytest.raises(OSError, match="error"):
            append(log, "too long for what is left " * 2)
    append(log, "b")
    log.close()
    assert log.segments() == [0, 1]
    assert open_log(tmp_path)[1] == [(0, b"a"), (1, b"b")]


def give_up_a_segment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> EvidenceLog:
    """Make a log whose first segment was given up behind leaf 1, when a write failed; leaf 2 is in the next one."""
    log, _ = open_log(directory)
    append(log, "a", "b")
    disk = Disk(monkeypatch)
    disk.fails_at = 1
    with pytest.raises(OSError, match="space"):
        append(log, "torn")
    disk.fails_at = None
    append(log, "c")
    log.close()
    assert log.segments() == [0, 2]
    return log


@pytest.mark.parametrize(
    "back",
    [b"\xffMFL to", bytes(600), encode_frame(Frame(2, FrameKind.EVENT, 1, b"ghost")), b"\xff" * 40],
    ids=["torn", "zeros", "whole", "noise"],
)
def test_a_cut_that_did_not_survive_a_power_cut_leaves_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bytes
) -> None:
    """The bytes cut off a given-up segment are back: torn, as zeros, or whole under a leaf that went to another frame."""
    log = give_up_a_segment(tmp_path, monkeypatch)
    with log.path(0).open("ab") as file:
        file.write(back)
    before = log.path(0).read_bytes()
    again, found = open_log(tmp_path)
    assert found == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert again.damaged_bytes == 0
    walked = [item for _, item in again.walk()]
    assert [item.frame.body for item in walked if isinstance(item, Found)] == [b"a", b"b", b"c"]
    assert len(walked) == 3
    assert log.path(0).read_bytes() == before, "a start changes no segment but the last"


def test_the_last_frame_of_a_closed_segment_may_not_rot_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the next segment's name says that a leaf is missing, bytes that are no frame are damage."""
    log = give_up_a_segment(tmp_path, monkeypatch)
    data = bytearray(log.path(0).read_bytes())
    data[-1] ^= 4
    log.path(0).write_bytes(data + b"torn")
    again, found = open_log(tmp_path)
    assert found == [(0, b"a"), (2, b"c")]
    damage = [item for _, item in again.walk() if isinstance(item, Damage)]
    assert [item.length for item in damage] == [again.damaged_bytes] == [HEAD_BYTES + 1 + 4]


def _fails(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_real_full_disk_is_waited_out(tmp_path: Path) -> None:
    """On a tmpfs of 1 MB."""
    import subprocess

    home = tmp_path / "small"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(home)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    try:
        log, _ = open_log(home)
        filler = home / "filler"
        filler.write_bytes(bytes(900_000))
        stored = _append_until_full(log)
        assert 0 < stored < 100
        filler.unlink()
        append(log, "after")
        log.close()
        _, found = open_log(home)
        assert [leaf for leaf, _ in found] == list(range(stored + 1))
        assert found[-1][1] == b"after"
    finally:
        subprocess.run(["umount", str(home)], check=True)


def _append_until_full(log: EvidenceLog) -> int:
    for stored in range(100):
        try:
            append(log, "x" * 20_000)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return stored
    pytest.fail("the disk never got full")
