"""What does the outbox keep on disk? Records of sealed batches, and the cursor that says what is done with."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gateway.frames import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


class EpochNote(msgspec.Struct, frozen=True):
    """The last epoch, kept outside the outbox, so that an outbox lost is told from a first start."""

    epoch: str
    seq: int
    hash: str


class Again(msgspec.Struct, frozen=True):
    """What a record of dead letters offered again says: their files' names, and where the chain stands behind it."""

    names: tuple[str, ...]
    stands: EpochNote


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One frame: batches that were sealed together, all or none of them.

    `index` numbers the first batch over the outbox's life (epochs included); `readings` are each batch's own;
    `before` is the sum over all earlier batches and `lost` the account of lost readings after this record, so that a
    restart needs the last record only. `consumed` names the journal segments whose readings are in here,
    `replaces` the indices of batches sealed anew here, `settles` the owed loss rows that are in here. `again` is there
    when the batches are old ones, dead letters offered again: then they tell nothing of the chain's place.
    """

    index: int
    before: int
    lost: int
    readings: tuple[int, ...]
    batches: tuple[bytes, ...]
    consumed: tuple[str, ...] = ()
    replaces: tuple[int, ...] = ()
    settles: tuple[str, ...] = ()
    again: Again | None = None


class Owed(msgspec.Struct, frozen=True):
    """A loss that happened to sealed batches and still needs its row; `key` keeps it from being told twice."""

    key: str
    device: str
    reason: str
    from_ms: int
    to_ms: int
    readings: int


class EpochBirth(msgspec.Struct, frozen=True):
    """Why an epoch began and what came before it: the content of its `epoch` row."""

    reason: str
    previous: str = ""
    previous_seq: int = 0
    previous_hash: str = ""


class Cursor(msgspec.Struct):
    """What is done with, and where the chain stands; replaced atomically, always before a segment goes."""

    gateway: str
    public_key: str
    epoch: str
    seq: int
    prev: str
    birth: EpochBirth | None = None
    """The epoch's own row, until its first batch carries it."""
    index: int = 1
    """The next batch's index."""
    rowed: int = 0
    """Readings in all batches ever sealed here."""
    replaced: int = 0
    """Of those, readings whose batch was sealed anew after a conflict: they stand in a later batch too."""
    lost: int = 0
    done: int = 0
    """Every index up to this one is done with."""
    above: list[int] = []
    """Indices above `done` that are done with too; as many as were pushed while a backlog stood."""
    delivered: int = 0
    quarantined: int = 0
    dead_lettered: int = 0
    owed: list[Owed] = []
    again: list[str] = []
    """Dead letters that stand in the outbox again and whose file may still be there."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class OutboxStat:
    """The account in readings, and the size of what waits. rowed = buffered + delivered + quarantined + dead_lettered."""

    batches: int
    size: int
    oldest_ms: int | None
    rowed: int
    buffered: int
    delivered: int
    quarantined: int
    dead_lettered: int
    lost: int


StateT = TypeVar("StateT", bound=msgspec.Struct)
_RECORD = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Write a record."""
    return msgspec.msgpack.encode(record)


def decode_record(payload: bytes) -> Record | None:
    """Read a record; None when the payload is none."""
    try:
        return _RECORD.decode(payload)
    except msgspec.MsgspecError:
        return None


_CRC = b"\ncrc32 "


def read_json(path: Path, kind: type[StateT]) -> StateT | None:
    """Read a small state file; None when it is missing, rotten or not what it should be.

    A file without a checksum was written before there was one, and is believed.
    """
    try:
        text, mark, told = path.read_bytes().partition(_CRC)
        if mark and told != _checksum(text):
            return None
        return msgspec.json.decode(text, type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Replace a small state file durably, its checksum on the last line: one turned bit must not move a cursor."""
    text = msgspec.json.encode(value)
    write_atomically(path, text + _CRC + _checksum(text))


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}\n".encode()
