"""What does the index keep of a leaf? Its kind, place and hash, with a checksum that tells any flipped bit."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from store.log import Place
from telemetry.errors import FactoryError

LeafValues = tuple[int, int, int, int, int, bytes, int, int]
_CHECKED = struct.Struct("<QBQQQ")


class IndexDamage(FactoryError):
    """The index's file says something that it was not given; `Index.rebuild` mends it."""


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A row of the index: a leaf's kind, place and hash."""

    leaf: int
    kind: int
    place: Place
    leaf_hash: bytes

    def values(self) -> LeafValues:
        """Give the row as it is written, with its checksum and its hash's head."""
        place = (self.place.segment, self.place.offset, self.place.length)
        crc = zlib.crc32(self.leaf_hash, zlib.crc32(_CHECKED.pack(self.leaf, self.kind, *place)))
        return (self.leaf, self.kind, *place, self.leaf_hash, crc, head_of(self.leaf_hash))


def read_leaf_row(values: LeafValues) -> LeafRow:
    """Read a row as it was written; IndexDamage when it is not that."""
    leaf, kind, segment, offset, length, digest, _, _ = values
    row = LeafRow(leaf, kind, Place(segment, offset, length), digest)
    try:
        if row.values() == values:
            return row
    except (struct.error, TypeError):
        pass
    raise IndexDamage(f"the index's row of leaf {leaf} is not as it was written; run 'mfl store rebuild'")


def head_of(leaf_hash: bytes) -> int:
    """Give a hash's first eight bytes as a signed integer, by which it can be found."""
    return int.from_bytes(leaf_hash[:8], signed=True)
