"""Is a message known again whatever happens to its segment? Frames, seals, restarts, refusing disks, old journals."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway import deliveries as deliveries_module
from gateway.deliveries import FILE_NAME, REMEMBERED_MAX, SESSIONS_MAX, Deliveries
from gateway.frames import encode_frame, scan_frames
from gateway.journal import CONSUMED_SUFFIX, Journal, JournalFull
from gateway.journal_records import Header, encode_header, read_leftover
from gateway.replay import find_leftovers
from telemetry.clock import ClockState
from tests.gateway.conftest import NOW_MS, poll

if TYPE_CHECKING:
    from pathlib import Path

WINDOW = NOW_MS - NOW_MS % 60_000
HEADER = Header("boot-1", ClockState.SYNCED)


def _name(number: int, session: bytes = b"s001") -> bytes:
    return session + number.to_bytes(8)


def _journal(directory: Path, run: str = "run1") -> Journal:
    return Journal(directory, run=run, header=HEADER, bytes_max=1_000_000)


def _started(directory: Path, run: str, consumed: tuple[str, ...] = ()) -> Journal:
    """Start as the gateway does: what was consumed is recalled and removed, the rest adopted."""
    journal = _journal(directory, run)
    journal.recall(consumed)
    journal.remove(consumed)
    for found in find_leftovers(directory):
        for item in found:
            journal.adopt(item.path.name, item.readings, 1, item.deliveries)
    return journal


def _hear(journal: Journal, *numbers: int, window_ms: int = WINDOW) -> None:
    for number in numbers:
        journal.append(window_ms, [poll(NOW_MS, number)], message=_name(number))


def _known(journal: Journal, upto: int = 10) -> list[int]:
    return [number for number in range(upto) if _name(number) in journal.deliveries]


def test_a_session_keeps_its_last_messages_and_no_other_pushes_them_out() -> None:
    known = Deliveries()
    known.add(_name(7, b"idle"))
    for number in range(REMEMBERED_MAX + 5):
        known.add(_name(number))
    assert [_name(number) in known for number in (4, 5, REMEMBERED_MAX + 4)] == [False, True, True]
    assert _name(7, b"idle") in known
    for number in range(SESSIONS_MAX):
        known.add(_name(1, number.to_bytes(4)))
    assert _name(7, b"idle") not in known
    assert len(list(known)) == SESSIONS_MAX
    known.add(b"")
    assert b"" not in known


def test_what_is_heard_again_is_the_latest() -> None:
    known = Deliveries()
    for number in range(REMEMBERED_MAX):
        known.add(_name(number))
    known.add(_name(0))
    known.add(_name(REMEMBERED_MAX))
    assert [_name(number) in known for number in (0, 1)] == [True, False]


def test_frames_tell_their_messages_after_a_kill(tmp_path: Path) -> None:
    _hear(_journal(tmp_path), 1, 2)  # and no sync, no close
    assert _known(_started(tmp_path, "run2")) == [1, 2]


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_rot_loses_the_reading_or_the_note_and_never_the_name(tmp_path: Path, frame: int) -> None:
    """Brought back, a reading declared lost would stand behind later ones, and the counter would seem to fall."""

    async def body() -> None:
        journal = _journal(tmp_path)
        _hear(journal, 1, 2)
        await journal.sync()
        _hear(journal, 3)  # not durable: a power cut may take it

    asyncio.run(body())
    [path] = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[scan_frames(bytes(data)).frames[frame].end - 5] ^= 0x40
    path.write_bytes(data)
    found = read_leftover(path)
    is_note = frame == 3
    assert (found.readings, found.lost) == ((3, 0) if is_note else (2, 1))
    assert _known(_started(tmp_path, "run2")) == [1, 2, 3]
    assert _known(_started(tmp_path, "run3", (path.name,))) == [1, 2, 3]


def test_a_note_names_only_what_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could leave the name of a message whose frame it took: acknowledged, and nowhere."""
    journal = _journal(tmp_path)

    def sync(_fd: int) -> None:
        monkeypatch.undo()
        _hear(journal, 2)  # written while the first is being synced

    _hear(journal, 1)
    monkeypatch.setattr(os, "fdatasync", sync)
    asyncio.run(journal.sync())
    [path] = tmp_path.glob("*.seg")
    _, _, second, note = scan_frames(path.read_bytes()).frames
    data = bytearray(path.read_bytes())
    data[second.start : second.end] = bytes(second.end - second.start)
    path.write_bytes(data)
    found = read_leftover(path)
    assert (list(found.deliveries), found.readings, found.lost) == ([_name(1)], 1, 0)
    assert note.end == len(data)


def test_a_consumed_segment_leaves_its_names_and_no_others(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _hear(journal, 1, 2)
    _hear(journal, 3, window_ms=WINDOW + 60_000)
    journal.remove(journal.names_before(WINDOW + 60_000))
    # A frame that is not yet synced may be gone after a power cut; then its message must be a new one.
    assert list(Deliveries.load(tmp_path)) == [_name(1), _name(2)]
    assert _known(_started(tmp_path, "run2")) == [1, 2, 3]
    for path in tmp_path.glob("*.seg"):
        path.unlink()
    assert _known(_started(tmp_path, "run3")) == [1, 2]


def test_a_kill_between_the_record_and_the_removal_forgets_nothing(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    _hear(journal, 1)
    consumed = tuple(journal.names_before(None))
    for run in ("run2", "run3"):
        assert _known(_started(tmp_path, run, consumed if run == "run2" else ())) == [1]
    assert not list(tmp_path.glob("*.seg"))


def test_a_disk_that_takes_no_names_keeps_the_segment_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = _journal(tmp_path)
    _hear(journal, 1)
    with monkeypatch.context() as patch:
        patch.setattr(deliveries_module, "write_atomically", full)
        journal.remove(journal.names_before(None))
    assert (journal.readings, find_leftovers(tmp_path)) == (
        0,
        [],
    )  # its readings are sealed, whatever its names
    assert len(list(tmp_path.glob(f"*{CONSUMED_SUFFIX}"))) == 1
    again = _started(tmp_path, "run2")
    assert _known(again) == [1]
    _hear(again, 2)
    again.remove(again.names_before(None))
    assert not list(tmp_path.glob(f"*{CONSUMED_SUFFIX}"))
    assert _known(_started(tmp_path, "run3")) == [1, 2]


def test_a_refused_message_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = _journal(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(JournalFull):
            _hear(journal, 1)
    assert not journal.deliveries


def test_a_frame_written_elsewhere_keeps_its_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError(errno.EIO, "Input/output error")]

    def sync(_fd: int) -> None:
        if failures:
            raise failures.pop()

    async def body() -> None:
        journal = _journal(tmp_path)
        monkeypatch.setattr(os, "fdatasync", sync)
        _hear(journal, 1)
        await journal.close()

    asyncio.run(body())
    [found] = find_leftovers(tmp_path)
    assert [list(item.deliveries) for item in found] == [[], [_name(1)]]


def test_an_ack_without_a_frame_waits_for_the_frames_before_it(tmp_path: Path) -> None:
    async def body() -> None:
        journal = _journal(tmp_path)
        acked = asyncio.Event()
        _hear(journal, 1)
        journal.ack_synced(acked.set)
        assert not acked.is_set()
        flusher = asyncio.create_task(journal.run())
        async with asyncio.timeout(20):
            await acked.wait()
        flusher.cancel()
        assert not any(segment.unsynced for segment in journal._segments.values())

    asyncio.run(body())


def test_a_journal_of_the_time_before_names_is_read(tmp_path: Path) -> None:
    path = tmp_path / f"{WINDOW:015d}-old-000001.seg"
    wire = ["r1", "poll", NOW_MS, 7, "good", {"cycles": 5}, "p@0123456789ab", None, ""]
    path.write_bytes(encode_frame(encode_header(HEADER)) + encode_frame(msgspec.msgpack.encode([0, [wire]])))
    leftover = read_leftover(path)
    assert [reading.values for reading in leftover.heard()] == [{"cycles": 5}]
    assert not leftover.deliveries


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 90, encode_frame(b"\xc1"), encode_frame(b"\x93\x01\x02\x03")]
)
def test_a_rotten_file_of_names_never_stops_a_start(tmp_path: Path, content: bytes) -> None:
    journal = _journal(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(content)
    journal.recall(())
    assert not journal.deliveries
