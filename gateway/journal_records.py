"""What does a journal frame hold? A header, then groups of readings, as msgpack that reads back to the bit."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gateway.deliveries import Deliveries
from gateway.frames import scan_frames, set_aside
from telemetry.clock import ClockState
from telemetry.reading import Quality, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SEGMENT_BYTES_MAX = 1_000_000_000
"""A segment larger than this was not written by us and is left alone."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """A segment's first frame: under which boot and clock its readings were heard."""

    boot: str
    clock_state: ClockState
    version: int = 1


class WireReading(msgspec.Struct, frozen=True, array_like=True):
    """A `Reading` as stored."""

    device: str
    kind: ReadingKind
    received_ms: int
    mono_ms: int
    quality: Quality
    values: dict[str, int | float | str | bool]
    profile: str
    source_ms: int | None
    reason: str


class FrameRecord(msgspec.Struct, frozen=True, array_like=True):
    """Readings that came together, and how many counted readings the segment held before them.

    `before` lets a reader know exactly how many readings stood in a rotten stretch, and `synced`, how many of the segment
    were durable when the frame was written, which of them had been accepted: after a power cut a later write may stand
    where an earlier one was torn, and neither was. A frame without readings only says that, and in `durable` which deliveries'
    frames are so since the last such note. `message` is the name of the delivery that brought the readings (decision 0015).
    Frames of earlier versions end sooner.
    """

    before: int
    readings: tuple[WireReading, ...]
    message: bytes = b""
    synced: int = -1
    durable: tuple[bytes, ...] = ()

    @property
    def messages(self) -> tuple[bytes, ...]:
        """The deliveries that it names: its own, and those it knows to be durable."""
        return (self.message, *self.durable)

    @property
    def count(self) -> int:
        """Readings that count: what a device said of itself (identity) is kept too, but not counted."""
        return sum(reading.kind is not ReadingKind.IDENTITY for reading in self.readings)

    @classmethod
    def of(
        cls, before: int, readings: Sequence[Reading], message: bytes = b"", *, synced: int = 0
    ) -> FrameRecord:
        """Take readings as they were heard."""
        return cls(before, tuple(_wire(reading) for reading in readings), message, synced)


def _wire(reading: Reading) -> WireReading:
    return WireReading(
        reading.device,
        reading.kind,
        reading.received_ms,
        reading.mono_ms,
        reading.quality,
        dict(reading.values),
        reading.profile,
        reading.source_ms,
        reading.reason,
    )


def _unwire(wire: WireReading) -> Reading:
    return Reading(
        device=wire.device,
        kind=wire.kind,
        received_ms=wire.received_ms,
        mono_ms=wire.mono_ms,
        quality=wire.quality,
        values=wire.values,
        profile=wire.profile,
        source_ms=wire.source_ms,
        reason=wire.reason,
    )


_ENCODER = msgspec.msgpack.Encoder()
_HEADER = msgspec.msgpack.Decoder(Header)
_RECORD = msgspec.msgpack.Decoder(FrameRecord)


def encode_header(header: Header) -> bytes:
    """Write a segment's first frame."""
    return _ENCODER.encode(header)


def encode_frame_record(record: FrameRecord) -> bytes:
    """Write a group of readings; a value that msgpack cannot carry makes its reading a bad one, with the reason."""
    try:
        return _ENCODER.encode(record)
    except (OverflowError, UnicodeEncodeError, TypeError):
        carried = tuple(_carried(wire) for wire in record.readings)
        return _ENCODER.encode(msgspec.structs.replace(record, readings=carried))


def decode_frame_record(payload: bytes) -> FrameRecord | None:
    """Read a group of readings; None when the payload is none."""
    try:
        return _RECORD.decode(payload)
    except msgspec.MsgspecError:
        return None


def _carried(wire: WireReading) -> WireReading:
    try:
        _ENCODER.encode(wire)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return msgspec.structs.replace(wire, quality=Quality.BAD, values={}, reason="value out of range")
    return wire


@dataclass(slots=True)
class Leftover:
    """A segment found at start: its readings in order, its header, its deliveries, and how many readings rotted away."""

    path: Path
    header: Header | None
    readings: int
    lost: int
    deliveries: Deliveries = field(repr=False, default_factory=Deliveries)
    _data: bytes = field(repr=False, default=b"")
    _offsets: list[tuple[int, int]] = field(repr=False, default_factory=list)

    def heard(self) -> Iterator[Reading]:
        """Give the readings in the order they were accepted."""
        for start, end in self._offsets:
            for wire in _RECORD.decode(memoryview(self._data)[start:end]).readings:
                yield _unwire(wire)


def read_leftover(path: Path) -> Leftover:
    """Read a segment of an earlier run; rotten stretches are set aside and counted, a torn tail is no loss."""
    data = path.read_bytes() if path.stat().st_size <= SEGMENT_BYTES_MAX else b""
    scan = scan_frames(data)
    set_aside(path, scan, data)
    header: Header | None = None
    offsets: list[tuple[int, int]] = []
    deliveries = Deliveries()
    total = reached = 0
    synced, gaps = -1, []
    for frame in scan.frames:
        if frame.start == 0:
            with contextlib.suppress(msgspec.MsgspecError):
                header = _HEADER.decode(frame.payload)
            continue
        record = decode_frame_record(frame.payload)
        if record is None:
            continue
        if record.before > reached:
            gaps.append((reached, record.before))
        reached = max(reached, record.before + record.count)
        total, synced = total + record.count, max(synced, record.synced)
        for message in record.messages:
            deliveries.add(message)
        offsets.append((frame.end - len(frame.payload), frame.end))
    return Leftover(path, header, total, _lost(gaps, synced), deliveries, data, offsets)


def _lost(gaps: Sequence[tuple[int, int]], synced: int) -> int:
    """Count the readings missing that had been durable; all of them where no frame says how many were."""
    return sum(max(0, (end if synced < 0 else min(end, synced)) - start) for start, end in gaps)


def read_deliveries(path: Path) -> Deliveries:
    """Name what brought a segment's readings, whatever became of them; rot hides a delivery and stops nothing."""
    found = Deliveries()
    data = path.read_bytes() if path.stat().st_size <= SEGMENT_BYTES_MAX else b""
    for frame in scan_frames(data).frames:
        record = decode_frame_record(frame.payload)
        for message in record.messages if record is not None else ():
            found.add(message)
    return found
