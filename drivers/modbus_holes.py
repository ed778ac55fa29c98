"""Which registers did a device refuse to be read? What was learnt of each device, kept for its next connection. Pure.

A refused read is cut in two until the refused point stands alone: a *cut* is an address at which a new read must begin
(the device takes no read across it), a *hole* is a range that is refused even alone. Both are of one device under one
profile; under another profile they are forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from telemetry.profile import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one device: cuts (table, address) and holes (table, first, last)."""

    cuts: frozenset[tuple[Table, int]] = frozenset()
    holes: frozenset[tuple[Table, int, int]] = frozenset()


NOTHING = Learned()


class _DeviceRecord(msgspec.Struct, frozen=True):
    profile: str
    cuts: list[tuple[Table, int]] = []
    holes: list[tuple[Table, int, int]] = []


class _BookRecord(msgspec.Struct, frozen=True):
    devices: dict[str, _DeviceRecord]
    version: int = 1


class HoleBook:
    """What was learnt of all devices of a gateway; `on_change` is called with the book after each lesson.

    Its size is bounded by the profiles: a device has at most one cut and one hole a point.
    """

    def __init__(self, on_change: Callable[[HoleBook], None] | None = None) -> None:
        self._devices: dict[str, tuple[str, Learned]] = {}
        self._on_change = on_change

    def of(self, device: str, profile_id: str) -> Learned:
        """Give what is known of a device under this profile."""
        known, learned = self._devices.get(device, ("", NOTHING))
        return learned if known == profile_id else NOTHING

    def note(self, device: str, profile_id: str, learned: Learned) -> None:
        """Keep what is now known of a device; nothing forgets it."""
        if learned == self.of(device, profile_id):
            return
        if learned == NOTHING:
            self._devices.pop(device, None)
        else:
            self._devices[device] = (profile_id, learned)
        if self._on_change is not None:
            self._on_change(self)

    def count(self) -> dict[str, int]:
        """Give device → ranges it refuses."""
        return {device: len(learned.holes) for device, (_, learned) in sorted(self._devices.items())}

    def lines(self, device: str, profile_id: str) -> Iterator[str]:
        """Tell in words what is known of a device."""
        learned = self.of(device, profile_id)
        for table, first, last in sorted(learned.holes):
            yield f"refuses {table} {first}-{last} (learnt; asked again each hour)"
        for table, address in sorted(learned.cuts):
            yield f"takes no read across {table} {address} (learnt)"

    def encode(self) -> bytes:
        """Write the book as JSON, the same bytes for the same knowledge."""
        devices = {
            device: _DeviceRecord(profile_id, sorted(learned.cuts), sorted(learned.holes))
            for device, (profile_id, learned) in sorted(self._devices.items())
        }
        return msgspec.json.format(msgspec.json.encode(_BookRecord(devices)), indent=1) + b"\n"

    def decode(self, data: bytes) -> None:
        """Take a written book over. ValueError: these bytes are none."""
        book = msgspec.json.decode(data, type=_BookRecord)
        if book.version != 1:
            raise ValueError(f"a book of version {book.version}")
        for device, record in book.devices.items():
            learned = Learned(frozenset(record.cuts), frozenset(record.holes))
            if not all(0 <= first <= last <= 0xFFFF for _, first, last in learned.holes):
                raise ValueError(f"{device}: a hole beyond the address space")
            self._devices[device] = (record.profile, learned)
