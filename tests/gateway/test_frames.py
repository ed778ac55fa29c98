from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import frames
from gateway.frames import FrameFile, encode_frame, frame_at, scan_frames, set_aside, write_atomically

PAYLOADS = [b"one", b"", b"three" * 50, b"\xf5MF1 looks like a frame"]


def test_what_is_written_is_read() -> None:
    data = b"".join(encode_frame(payload) for payload in PAYLOADS)
    scan = scan_frames(data)
    assert [frame.payload for frame in scan.frames] == PAYLOADS
    assert scan.rotten == ()
    assert scan.end == len(data)


def test_a_tail_torn_at_any_byte_costs_only_itself() -> None:
    first, last = encode_frame(b"kept"), encode_frame(b"torn" * 20)
    for cut in range(len(last)):
        scan = scan_frames(first + last[:cut])
        assert [frame.payload for frame in scan.frames] == [b"kept"]
        assert scan.end == len(first)


def test_every_flipped_bit_is_found_and_costs_only_its_frame() -> None:
    parts = [encode_frame(b"before"), encode_frame(b"victim" * 4), encode_frame(b"behind")]
    data = b"".join(parts)
    start, end = len(parts[0]), len(parts[0]) + len(parts[1])
    for bit in range(start * 8, end * 8):
        harmed = bytearray(data)
        harmed[bit // 8] ^= 1 << bit % 8
        scan = scan_frames(bytes(harmed))
        assert [frame.payload for frame in scan.frames] == [b"before", b"behind"]
        assert scan.rotten == ((start, end),)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_scanned_to_an_end(data: bytes) -> None:
    scan = scan_frames(data)
    assert 0 <= scan.end <= len(data)
    assert frame_at(data, len(data)) is None


def test_a_refused_append_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = FrameFile(tmp_path / "a.seg")
    file.append(b"good")
    real = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) > 5:
            return real(fd, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            file.append(b"bad" * 5)
    file.append(b"again")
    file.close()
    payloads = [frame.payload for frame in scan_frames((tmp_path / "a.seg").read_bytes()).frames]
    assert payloads == [b"good", b"again"]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "a.seg").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        FrameFile(tmp_path / "a.seg")


def test_an_atomic_write_that_fails_keeps_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cursor.json"
    write_atomically(path, b"old")

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="Input/output"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_rotten_bytes_are_kept_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    data = encode_frame(b"a") + b"rot" + encode_frame(b"b") + b"torn"
    path.write_bytes(data)
    assert set_aside(path, scan_frames(data), data) == 2
    kept = {item.read_bytes() for item in (tmp_path / "quarantine").iterdir()}
    assert kept == {b"rot", b"torn"}


def test_what_is_kept_of_rot_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "QUARANTINE_BYTES_MAX", 1000)
    data = encode_frame(b"good") + bytes(700) + encode_frame(b"good") + bytes(5000)
    assert set_aside(tmp_path / "a.seg", scan_frames(data), data) == 2
    assert sum(path.stat().st_size for path in (tmp_path / "quarantine").iterdir()) == 1000
    assert set_aside(tmp_path / "b.seg", scan_frames(data), data) == 2
    assert sum(path.stat().st_size for path in (tmp_path / "quarantine").iterdir()) == 1000


def test_a_disk_that_takes_no_rot_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_frame(b"good") + b"torn"
    (tmp_path / "quarantine").write_bytes(b"a file of somebody")
    assert set_aside(tmp_path / "a.seg", scan_frames(data), data) == 1

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "quarantine").unlink()
    monkeypatch.setattr(Path, "write_bytes", full)
    assert set_aside(tmp_path / "a.seg", scan_frames(data), data) == 1
    monkeypatch.setattr(Path, "mkdir", full)
    assert set_aside(tmp_path / "other" / "a.seg", scan_frames(data), data) == 1
