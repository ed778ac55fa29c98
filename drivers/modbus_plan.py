"""Which reads does a profile need? The fewest that stay within the device's limits and never touch a hole. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.modbus_holes import NOTHING

if TYPE_CHECKING:
    from collections.abc import Collection

    from drivers.modbus_holes import Learned
    from telemetry.profile import Modbus, Point, Profile, Table

BIT_TABLES = frozenset({"coil", "discrete"})
_ORDER: tuple[Table, ...] = ("coil", "discrete", "input", "holding")


@dataclass(frozen=True, slots=True)
class Block:
    """One read: `count` registers (or bits) from `address`, and the names of the points inside it."""

    table: Table
    address: int
    count: int
    points: tuple[str, ...]


def plan_reads(profile: Profile, names: Collection[str], learned: Learned = NOTHING) -> tuple[Block, ...]:
    """Plan the reads that give the named points, in a fixed order; no read goes across what was learnt of the device.

    Points are taken by address; a read is extended as long as it stays within max_registers (max_bits), bridges at
    most gap_max unused addresses and no hole, and a point is always read whole: two requests may tear a value.
    For points on a line this greedy way is also the one with the fewest reads. ValueError: a point that no read fits.
    """
    limits = profile.modbus
    if limits is None:
        raise ValueError(f"{profile.profile} is not heard over Modbus")
    blocks: list[Block] = []
    for table in _ORDER:
        placed = [
            (point.address, point.words, name)
            for name, point in profile.points.items()
            if point.table == table and point.address is not None and name in names
        ]
        holes = (*limits.holes, *((first, last) for where, first, last in learned.holes if where == table))
        cuts = [address for where, address in learned.cuts if where == table]
        blocks += _plan_table(table, sorted(placed), limits, holes, cuts)
    return tuple(blocks)


def _plan_table(
    table: Table,
    placed: list[tuple[int, int, str]],
    limits: Modbus,
    holes: tuple[tuple[int, int], ...],
    cuts: list[int],
) -> list[Block]:
    most = limits.max_bits if table in BIT_TABLES else limits.max_registers
    blocks: list[Block] = []
    names: list[str] = []
    start = end = 0
    for address, words, name in placed:
        if words > most or _in_hole(address, address + words, holes):
            raise ValueError(f"{name} at {table} {address} fits no read: over {most} or in a hole")
        joins = names and address - end <= limits.gap_max and address + words - start <= most
        is_cut = any(start < cut <= address for cut in cuts)
        if joins and not is_cut and not _in_hole(start, address + words, holes):
            end = max(end, address + words)
        else:
            if names:
                blocks.append(Block(table, start, end - start, tuple(names)))
            names, start, end = [], address, address + words
        names.append(name)
    if names:
        blocks.append(Block(table, start, end - start, tuple(names)))
    return blocks


def _in_hole(start: int, end: int, holes: tuple[tuple[int, int], ...]) -> bool:
    return any(first < end and start <= last for first, last in holes)


def polled_points(profile: Profile) -> tuple[str, ...]:
    """Give the points a poll reads: all but those that only tell who the device is."""
    only_identity = set(identity_points(profile)) - _working_points(profile)
    return tuple(name for name in profile.points if name not in only_identity)


def identity_points(profile: Profile) -> tuple[str, ...]:
    """Give the points that tell who the device is, each once."""
    identity = profile.identity
    named = (identity.manufacturer, identity.model, identity.serial, identity.firmware)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _working_points(profile: Profile) -> set[str]:
    used = {rule.point for rule in profile.states}
    used |= {name for name, point in profile.points.items() if point.metric is not None}
    return used | ({profile.boot_clock} if profile.boot_clock else set())


def point_order(point: Point, profile: Profile) -> str:
    """Give the byte order a point is sent in: its own, else its profile's."""
    if point.order is not None:
        return point.order
    return profile.modbus.order if profile.modbus is not None else "ABCD"
