"""Which reads does a device's next poll make? By scan rate, and by what the device has refused so far. Pure.

A refused read of several points is cut in two for the next poll, until the refused one stands alone; refused alone twice,
while others are answered, it is a hole: left out, told in each reading, and asked again each hour. Values never move: each
read has a decoder of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.modbus_decode import compile_block
from drivers.modbus_holes import NOTHING, Learned
from drivers.modbus_pdu import TABLE_FUNCTIONS, ReadRequest
from drivers.modbus_plan import plan_reads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from drivers.modbus_decode import Decoder
    from drivers.modbus_plan import Block
    from telemetry.errors import Refused
    from telemetry.profile import Profile, Table

HOLE_RETRY_MS = 3_600_000
"""How long a hole is left alone: new firmware, or a controller set to run, may fill it."""
HOPELESS_MS = 60_000
"""How long a device that refuses everything is not asked in pieces again."""
REFUSALS_OF_A_HOLE = 2
"""Once may be a late answer to something else."""
_TEACHING = frozenset({2, 3})
"""Illegal address and illegal value (too many, for some): those that may be about a part of the read."""


@dataclass(slots=True)
class Read:
    """One read of a device: its request and decoder, and how it fares."""

    block: Block
    request: ReadRequest
    decode: Decoder
    every: int = 1
    waited: int | None = None
    """Polls since it was last made; None before the first."""
    refusals: int = 0
    is_probe: bool = False
    """Whether it asks a known hole whether it still is one."""


def compile_reads(
    profile: Profile, unit: int, names: Collection[str], learned: Learned = NOTHING
) -> tuple[Read, ...]:
    """Plan and compile the reads of the named points."""
    return tuple(
        Read(
            block,
            ReadRequest(unit, TABLE_FUNCTIONS[block.table], block.address, block.count),
            compile_block(block, profile),
        )
        for block in plan_reads(profile, names, learned)
    )


class Reads:
    """The reads of one device's polls, and what they teach."""

    def __init__(
        self, profile: Profile, unit: int, names: Sequence[str], learned: Learned, now_ms: int
    ) -> None:
        self._profile = profile
        self._unit = unit
        self._names = tuple(names)
        self._retry_ms = now_ms + HOLE_RETRY_MS
        self._hopeless_until_ms = now_ms
        self.learned = learned
        self.reads: tuple[Read, ...] = ()
        self._probes: tuple[Read, ...] = ()
        self._plan()

    @property
    def left_out(self) -> str:
        """The holes in words; empty when nothing is left out."""
        return ", ".join(f"{table} {first}-{last}" for table, first, last in sorted(self.learned.holes))

    def due(self, now_ms: int) -> list[Read]:
        """Give the reads of this poll; each call is one."""
        for read in self.reads:
            read.waited = None if read.waited is None else read.waited + 1
        due = [read for read in self.reads if read.waited is None or read.waited >= read.every]
        if self._probes and now_ms >= self._retry_ms:
            self._retry_ms = now_ms + HOLE_RETRY_MS
            due += self._probes
        return due

    def take(self, results: Iterable[tuple[Read, Refused | None]], now_ms: int) -> bool:
        """Learn from the answers to a poll; say whether there is something worth keeping."""
        results = list(results)
        for read, refusal in results:
            read.waited = 0
            read.refusals = 0 if refusal is None else read.refusals + 1
        before = self.learned
        is_heard = any(refusal is None for _, refusal in results)
        for read, refusal in results:
            if refusal is None and read.is_probe:
                self._fill(read)
            elif refusal is not None and refusal.code in _TEACHING and not read.is_probe:
                self._teach(read, is_heard=is_heard, now_ms=now_ms)
        if not is_heard and before != NOTHING and self.learned == before and self._is_in_pieces(results):
            self.forget()
            self._hopeless_until_ms = now_ms + HOPELESS_MS
            return True
        if self.learned != before:
            self._plan()
        return is_heard and self.learned != before

    def forget(self) -> None:
        """Begin anew: this is another device, or one that refuses everything just now."""
        self.learned = NOTHING
        self._plan()

    def _is_in_pieces(self, results: list[tuple[Read, Refused | None]]) -> bool:
        """Whether nothing is left to cut, and all of it was refused for good."""
        return all(
            len(self._addresses(read)) == 1 and refusal is not None and refusal.code in _TEACHING
            for read, refusal in results
        )

    def _addresses(self, read: Read) -> list[int]:
        return sorted({self._profile.points[name].address or 0 for name in read.block.points})

    def _teach(self, read: Read, *, is_heard: bool, now_ms: int) -> None:
        table, addresses = read.block.table, self._addresses(read)
        cuts, holes = self.learned.cuts, self.learned.holes
        if len(addresses) > 1:
            if is_heard or now_ms >= self._hopeless_until_ms:
                self.learned = Learned(cuts | {(table, addresses[len(addresses) // 2])}, holes)
        elif is_heard and read.refusals >= REFUSALS_OF_A_HOLE:
            hole = (table, read.block.address, read.block.address + read.block.count - 1)
            # The cuts of this table led here and have done their work: without them fewer reads may do.
            self.learned = Learned(frozenset(cut for cut in cuts if cut[0] != table), holes | {hole})

    def _fill(self, read: Read) -> None:
        first, last = read.block.address, read.block.address + read.block.count - 1
        self.learned = Learned(self.learned.cuts, self.learned.holes - {(read.block.table, first, last)})

    def _in_hole(self, name: str) -> bool:
        point = self._profile.points[name]
        start = point.address or 0
        return any(
            table == point.table and first < start + point.words and start <= last
            for table, first, last in self.learned.holes
        )

    def _plan(self) -> None:
        """Plan anew; a read that stays the same keeps its turn."""
        known = {(read.block, read.every): read for read in self.reads}
        rates = sorted({self._profile.points[name].every for name in self._names})
        reads: list[Read] = []
        for every in rates:
            names = [name for name in self._names if self._profile.points[name].every == every]
            wanted = [name for name in names if not self._in_hole(name)]
            for read in compile_reads(self._profile, self._unit, wanted, self.learned):
                read.every = every
                reads.append(known.get((read.block, every), read))
        self.reads = tuple(reads)
        refused = [name for name in self._names if self._in_hole(name)]
        self._probes = compile_reads(
            self._profile, self._unit, refused, Learned(_edges(self.learned), frozenset())
        )
        for probe in self._probes:
            probe.is_probe = True


def _edges(learned: Learned) -> frozenset[tuple[Table, int]]:
    """Cut before and after each hole, so that each is asked by itself."""
    return frozenset(
        (table, address) for table, first, last in learned.holes for address in (first, last + 1)
    )
