"""Where does a gateway's chain of batches go on after a restart? From cursor and records, or with a new epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.dead_letters import letter_name
from gateway.losses import batch_readings
from gateway.outbox_records import Again, Cursor, EpochBirth, EpochNote, Record
from telemetry.errors import ConfigError, Problem, SealError
from telemetry.line import FieldValue, Row
from telemetry.seal import GENESIS, NS_PER_MS, next_place, read_lines, read_seal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.outbox_segments import Segment
    from telemetry.seal import Batch


@dataclass(frozen=True, slots=True)
class Start:
    """What an outbox is opened with: whose it is, whose key signs, the epoch noted outside it, the operator's reason."""

    gateway: str
    public_key: str
    note: EpochNote | None
    reason: str
    new_epoch: Callable[[], str]


def recover(
    cursor: Cursor | None, segments: Sequence[Segment], records: Sequence[Record], start: Start
) -> Cursor:
    """Find the chain's place: the cursor's, moved on by records it does not know yet; else a new epoch's.

    ConfigError when the outbox is another gateway's.
    """
    if cursor is None and records:
        cursor = _rebuilt(segments, records[0], start)
    if cursor is None:
        return _fresh(start)
    if cursor.gateway != start.gateway:
        message = f"the outbox belongs to gateway {cursor.gateway!r}"
        raise ConfigError([Problem("state_dir", 0, 0, "", message, "give every gateway its own state_dir")])
    for record in records:
        if record.index >= cursor.index:
            apply_record(cursor, record)
            _move_on(cursor, record)
    if cursor.public_key and cursor.public_key != start.public_key:
        begin_epoch(cursor, "key_changed", start.new_epoch())
    cursor.public_key = start.public_key
    if cursor.seq == 1 and cursor.birth is None:
        cursor.birth = EpochBirth("first")
    return cursor


def _rebuilt(segments: Sequence[Segment], first: Record, start: Start) -> Cursor:
    """Make a cursor from the records alone; what was acknowledged is not known, so all is sent again."""
    cursor = Cursor(start.gateway, start.public_key, "", 1, GENESIS, EpochBirth("first"))
    known = segments[0] if segments else None
    cursor.index = min(first.index, known.first if known else first.index)
    cursor.done = cursor.index - 1
    cursor.delivered = cursor.rowed = known.before if known else first.before
    return cursor


def _fresh(start: Start) -> Cursor:
    cursor = Cursor(start.gateway, start.public_key, start.new_epoch(), 1, GENESIS)
    note = start.note
    if note is None:
        cursor.birth = EpochBirth(start.reason or "first")
    else:
        cursor.birth = EpochBirth(start.reason or "outbox_lost", note.epoch, note.seq, note.hash)
    return cursor


def begin_epoch(cursor: Cursor, reason: str, epoch: str) -> None:
    """Break the chain on purpose: the next batch is the first of a new epoch and says why."""
    cursor.birth = EpochBirth(reason, cursor.epoch, cursor.seq - 1, cursor.prev)
    cursor.epoch, cursor.seq, cursor.prev = epoch, 1, GENESIS


def apply_record(cursor: Cursor, record: Record) -> None:
    """Bring a cursor's account behind a record, but not the chain's place; the same at run time and at start."""
    readings = sum(record.readings)
    cursor.index = record.index + len(record.batches)
    cursor.rowed = record.before + readings
    cursor.lost = record.lost
    if record.again is None:
        cursor.birth = None
    else:
        cursor.again = sorted({*cursor.again, *record.again.names})
    if record.replaces:
        cursor.replaced += readings
        cursor.above = sorted({*cursor.above, *record.replaces})
    cursor.owed = [owed for owed in cursor.owed if owed.key not in record.settles]


def record_again(cursor: Cursor, batch: Batch) -> Record:
    """Write the record of a dead letter that is offered again: a new index, an old place in the chain."""
    return Record(
        index=cursor.index,
        before=cursor.rowed,
        lost=cursor.lost,
        readings=(batch_readings(batch),),
        batches=(batch.data,),
        again=Again((letter_name(batch),), EpochNote(cursor.epoch, cursor.seq - 1, cursor.prev)),
    )


def rows_anew(batch: Batch) -> list[Row]:
    """Give a batch's rows to be sealed anew under another epoch; its own epoch row stays behind."""
    return [
        Row(line.measurement, line.tags, line.fields, line.time_ns // NS_PER_MS)
        for line in read_lines(batch)
        if line.measurement != "epoch"
    ]


def _move_on(cursor: Cursor, record: Record) -> None:
    """Take the chain's place from a record's last batch, or from its own word when its batches are old ones."""
    if record.again is not None:
        stands = record.again.stands
        cursor.epoch, cursor.seq, cursor.prev = stands.epoch, stands.seq + 1, stands.hash
        return
    if not record.batches:
        return
    try:
        place = next_place(read_seal(record.batches[-1]))
    except SealError:
        return
    cursor.gateway, cursor.epoch, cursor.seq, cursor.prev = place.gateway, place.epoch, place.seq, place.prev


def birth_row(birth: EpochBirth, gateway: str, time_ms: int) -> Row:
    """Write an epoch's own row."""
    fields: dict[str, FieldValue] = {"reason": birth.reason}
    if birth.previous:
        fields |= {
            "previous": birth.previous,
            "previous_seq": birth.previous_seq,
            "previous_hash": birth.previous_hash,
        }
    return Row("epoch", {"gateway": gateway}, fields, time_ms)
