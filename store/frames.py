"""How does one record lie in the evidence log? A CRC-framed record, and how to find the next whole one after damage.

A frame is a 29-byte head (magic, body length, leaf, received_ms, kind, CRC32 of all but magic and CRC) and its body.
The magic begins with 0xFF, which never occurs in UTF-8, and every body is UTF-8: nothing a client sends can look
like a frame, so the search for the next whole frame after damage cannot be led astray.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\xffMFL"
_HEAD = struct.Struct("<4sIQqBI")
HEAD_BYTES = _HEAD.size
BODY_BYTES_MAX = 6_000_000
"""The largest body there is: an unsigned write of 5 MB with its envelope; a longer length is damage."""


class FrameKind(IntEnum):
    """What a frame holds."""

    BATCH = 1
    """A sealed batch, byte for byte as it came."""
    EVENT = 2
    """An enrolment, revocation or conflict, as canonical JSON."""
    UNSIGNED = 3
    """A write of an unsigned writer: a head line of JSON, then its line protocol."""


_KINDS = frozenset(int(kind) for kind in FrameKind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One record: its leaf (its number in the log, from 0), kind, receive time (UTC ms) and body."""

    leaf: int
    kind: FrameKind
    received_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A whole frame at an offset; `length` counts head and body."""

    frame: Frame
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame; `is_tail` when no whole frame follows them."""

    offset: int
    length: int
    is_tail: bool


def encode_frame(frame: Frame) -> bytes:
    """Give a frame's bytes; ValueError for a body beyond BODY_BYTES_MAX."""
    if len(frame.body) > BODY_BYTES_MAX:
        raise ValueError(f"a record of {len(frame.body)} bytes; at most {BODY_BYTES_MAX}")
    fields = (MAGIC, len(frame.body), frame.leaf, frame.received_ms, frame.kind)
    checked = _HEAD.pack(*fields, 0)[4:-4]
    return _HEAD.pack(*fields, zlib.crc32(frame.body, zlib.crc32(checked))) + frame.body


def parse_frame(data: bytes, offset: int) -> Found | None:
    """Read the frame at an offset; None when there is no whole and undamaged one."""
    end = offset + HEAD_BYTES
    if end > len(data):
        return None
    magic, length, leaf, received_ms, kind, crc = _HEAD.unpack_from(data, offset)
    if magic != MAGIC or length > BODY_BYTES_MAX or end + length > len(data):
        return None
    body = data[end : end + length]
    if zlib.crc32(body, zlib.crc32(data[offset + 4 : end - 4])) != crc or kind not in _KINDS:
        return None
    return Found(Frame(leaf, FrameKind(kind), received_ms, body), offset, HEAD_BYTES + length)


def scan_frames(data: bytes, offset: int = 0) -> Iterator[Found | Damage]:
    """Walk all frames from an offset on, with the damage between them."""
    while offset < len(data):
        found = parse_frame(data, offset)
        if found is None:
            following = _next_whole(data, offset + 1)
            yield Damage(offset, (len(data) if following is None else following) - offset, following is None)
            if following is None:
                return
            offset = following
        else:
            yield found
            offset += found.length


def _next_whole(data: bytes, start: int) -> int | None:
    at = data.find(MAGIC, start)
    while at >= 0:
        if parse_frame(data, at) is not None:
            return at
        at = data.find(MAGIC, at + 1)
    return None
