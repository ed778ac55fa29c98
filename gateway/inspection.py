"""What is in a gateway's buffer, and is it sound? Read only: nothing is locked, cut, moved or written."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateway.dead_letters import DeadLetters
from gateway.frames import scan_frames
from gateway.keys import load_private_key
from gateway.outbox_holes import buffered_readings
from gateway.outbox_records import Cursor, Record, decode_record, read_json
from gateway.outbox_segments import Segment, Segments, read_segment
from telemetry.errors import SealError
from telemetry.seal import read_lines, read_seal, signature_holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def buffer_stat(state_dir: Path) -> dict[str, int | str]:
    """Tell what waits: batches, bytes, readings, and where the chain stands."""
    outbox = state_dir / "outbox"
    cursor = read_json(outbox / "cursor.json", Cursor)
    journal = list(_sizes(state_dir / "journal"))
    stat: dict[str, int | str] = {"journal_segments": len(journal), "journal_bytes": sum(journal)}
    if cursor is None:
        waiting = sum(1 for _ in waiting_batches(state_dir))
        word = "its cursor is missing or rotten; the next start sends all batches here again"
        return (
            {**stat, "outbox": word, "batches_waiting": waiting}
            if waiting
            else {**stat, "outbox": "none yet"}
        )
    return {
        **stat,
        "gateway": cursor.gateway,
        "epoch": cursor.epoch,
        "next_seq": cursor.seq,
        "outbox_bytes": sum(_sizes(outbox)),
        "batches_waiting": cursor.index - 1 - cursor.done - len(cursor.above),
        "readings_buffered": buffered_readings(cursor),
        "readings_delivered": cursor.delivered,
        "readings_dead_lettered": cursor.dead_lettered,
        "dead_letters": len(DeadLetters(outbox / "dead").paths()),
        "readings_quarantined": cursor.quarantined,
        "readings_lost": cursor.lost,
    }


def _sizes(directory: Path) -> Iterator[int]:
    """Give the sizes of a directory's segments; those that go meanwhile are gone."""
    for path in directory.glob("*.seg"):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat().st_size


def _content(segment: Segment) -> bytes | None:
    """Read a segment; None when a running gateway has removed it meanwhile, for the store has all that was in it."""
    try:
        return read_segment(segment.path)
    except FileNotFoundError:
        return None


def buffer_problems(state_dir: Path, key_file: Path) -> tuple[int, list[str]]:
    """Check every batch still on disk; gives how many were checked and what does not hold."""
    key = load_private_key(key_file).public_key()
    outbox = state_dir / "outbox"
    if not outbox.is_dir():
        return 0, []
    problems: list[str] = []
    checked = waiting = 0
    is_still = True
    links: dict[tuple[str, int], str] = {}
    cursor = read_json(outbox / "cursor.json", Cursor)
    if cursor is None:
        problems.append("cursor.json: missing or unreadable; the next start makes it anew from the batches")
    for segment in Segments(outbox).items:
        data = _content(segment)
        if data is None:
            is_still = False
            continue
        scan = scan_frames(data)
        if cursor is not None and segment.first > cursor.index and not scan.frames:
            problems.append(
                f"{segment.path.name}: begins beyond the outbox's end ({cursor.index}); not of this buffer"
            )
        problems += [f"{segment.path.name}: bytes {start}-{end} are rotten" for start, end in scan.rotten]
        if scan.end < segment.size:
            problems.append(f"{segment.path.name}: bytes {scan.end}-{segment.size} are a torn tail")
        for frame in scan.frames:
            record = decode_record(frame.payload)
            if record is None:
                problems.append(f"{segment.path.name}: the frame at {frame.start} is no record")
                continue
            checked += len(record.batches)
            waiting += sum(readings for index, readings, _ in _waiting(record, cursor))
            problems += [f"{segment.path.name}: {text}" for text in _batch_problems(record, key, links)]
    is_still = is_still and read_json(outbox / "cursor.json", Cursor) == cursor
    if cursor is not None and is_still and not problems and waiting != buffered_readings(cursor):
        problems.append(f"{waiting} readings wait on disk, the account says {buffered_readings(cursor)}")
    return checked, problems


def waiting_batches(state_dir: Path, *, everything: bool = False) -> Iterator[tuple[int, bytes]]:
    """Give index and bytes of every batch that waits, oldest first; `everything`: also those done with and still here."""
    outbox = state_dir / "outbox"
    if not outbox.is_dir():
        return
    cursor = read_json(outbox / "cursor.json", Cursor)
    for segment in Segments(outbox).items:
        for frame in scan_frames(_content(segment) or b"").frames:
            record = decode_record(frame.payload)
            if record is not None:
                wanted = None if everything else cursor
                yield from ((index, data) for index, _, data in _waiting(record, wanted))


def _waiting(record: Record, cursor: Cursor | None) -> Iterator[tuple[int, int, bytes]]:
    """Give index, readings and bytes of a record's batches that the cursor is not done with; all without a cursor."""
    parts = zip(record.readings, record.batches, strict=True)
    for index, (readings, data) in enumerate(parts, start=record.index):
        if cursor is None or (cursor.done < index < cursor.index and index not in cursor.above):
            yield index, readings, data


def _batch_problems(
    record: Record, key: Ed25519PublicKey, links: dict[tuple[str, int], str]
) -> Iterator[str]:
    for number, data in enumerate(record.batches, start=record.index):
        try:
            batch = read_seal(data)
            read_lines(batch)
        except SealError as error:
            yield f"batch {number}: {error}"
            continue
        seal = batch.seal
        before = links.get((seal.epoch, seal.seq - 1))
        if before is not None and seal.prev != before:
            yield f"batch {number} (seq {seal.seq}): its prev is not the hash of seq {seal.seq - 1}"
        if not signature_holds(seal, key):
            yield f"batch {number} (seq {seal.seq}): not signed by this gateway's key"
        links[seal.epoch, seal.seq] = batch.hash
