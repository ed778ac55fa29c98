"""In which batches would a city's rows be sealed, and as which leaves would the store log them? Known before any row is made.

Small days are one batch, as the gateway packs them; what it packs by bytes is packed here by time, and late readings go
into the batch after their window's. The store would refuse some: their rows are written nowhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.behaviour import DAY_MS, HOUR_MS
from simulators.history import SEAL_DELAY_MS, SEND_DELAY_MS, day_start_ms, first_place
from simulators.past import enrolments
from simulators.usage import ProviderReport
from store.columns import day_number
from store.settings import OFFSET_MINUTES
from telemetry.clock import ClockState
from telemetry.seal import GENESIS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.rows.draws import Whole
    from simulators.world import Device, Gateway, World

ROWS_A_BATCH = 1_200
"""Rows of machines in a batch under 1 MB."""
REFUSED = -1
"""The leaf of a batch that the store would refuse, or that was never received."""


@dataclass(frozen=True, slots=True)
class DayBatches:
    """One gateway's batches of one day. Rows go into the first `parts` by their time, late ones into the next."""

    gateway: str
    day: int
    epoch: str
    first_seq: int
    parts: int
    count: int
    received_ms: int
    wrong_h: int | None
    is_broken: bool
    leaves: Whole
    rows: Whole
    """Rows made so far of each batch."""

    def part_of(self, time_ms: Whole, behind: Whole) -> Whole:
        """Give each row's batch, counted from 0, by its (right) time; where `behind` is 1, the next one, if there is one."""
        since = time_ms - day_start_ms(self.day)
        part: Whole = np.minimum(
            np.clip(since, 0, DAY_MS - 1) * self.parts // DAY_MS + behind, self.count - 1
        )
        return part

    @property
    def clock_state(self) -> ClockState:
        """What the gateway says of its clock."""
        return ClockState.SYNCED if self.wrong_h is None else ClockState.UNSYNCED

    @property
    def sealed_ms(self) -> int:
        """When the day is sealed (UTC ms)."""
        return day_start_ms(self.day + 1) + SEAL_DELAY_MS

    @property
    def store_days(self) -> set[int]:
        """The store's days in which its rows may lie."""
        wrong_ms = (self.wrong_h or 0) * HOUR_MS
        times = [day_start_ms(self.day) + wrong_ms, day_start_ms(self.day + 1) - 1 + wrong_ms]
        if wrong_ms > 0:
            times.append(self.received_ms + self.count)
        return {day_number(time_ms, OFFSET_MINUTES * 60_000) for time_ms in times}

    def lines(self) -> list[dict[str, object]]:
        """Give its batches as the store tells them beside their rows; a hash stands in for one."""
        return [
            {
                "gateway": self.gateway,
                "count": int(self.rows[number]),
                "prev": self.prev_of(self.first_seq + number),
                "hash": self.hash_of(self.first_seq + number),
                "sealed_ms": self.sealed_ms,
                "clock_state": str(self.clock_state),
                "boot": "history",
                "mono_ms": self.sealed_ms,
                "time_ms": self.sealed_ms,
                "epoch": self.epoch,
                "seq": self.first_seq + number,
                "leaf": int(self.leaves[number]),
                "received_ms": self.received_ms + number,
                "grade": "signed",
                "quarantined": False,
            }
            for number in range(self.count)
            if self.leaves[number] >= 0
        ]

    def hash_of(self, seq: int) -> str:
        """Stand in for the hash of a batch that was never sealed: unlike any other's, and the same each time."""
        return hashlib.sha256(f"unsealed {self.gateway}/{self.epoch}/{seq}".encode()).hexdigest()

    def prev_of(self, seq: int) -> str:
        """Give what a batch names as its predecessor."""
        if self.is_broken:
            return hashlib.sha256(f"broken {self.day}".encode()).hexdigest()
        return GENESIS if seq == 1 else self.hash_of(seq - 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A city's batches by (gateway, day), and how long the log of their store would be."""

    batches: dict[tuple[str, int], DayBatches]
    events: int
    log_size: int
    last_received_ms: int
    refused: dict[str, int]

    def on(self, day: int) -> list[DayBatches]:
        """Give the batches of a day."""
        return [item for (_, number), item in self.batches.items() if number == day]

    def store_days(self) -> dict[int, tuple[int, int]]:
        """Give the store's days → the first and last leaf that may have rows there."""
        found: dict[int, tuple[int, int]] = {}
        for item in self.batches.values():
            leaves = item.leaves[item.leaves >= 0].tolist()
            for day in item.store_days if leaves else ():
                first, last = found.get(day, (leaves[0], leaves[0]))
                found[day] = (min(first, *leaves), max(last, *leaves))
        return found


def plan_batches(world: World) -> Plan:
    """Plan every batch of a world in the order in which a store would log them, behind its enrolments."""
    end_ms = day_start_ms(world.spec.days + 1)
    found = {(item.gateway, item.day): item for gateway in world.gateways for item in _days(gateway, world)}
    gateways = {gateway.gateway: gateway for gateway in world.gateways}
    refused: dict[str, int] = {}
    logged = []
    for item in found.values():
        for number in range(item.count):
            received_ms = item.received_ms + number
            if received_ms >= end_ms:
                continue
            if not _is_taken(gateways[item.gateway], received_ms):
                refused[item.gateway] = refused.get(item.gateway, 0) + 1
                continue
            logged.append((received_ms, item.gateway, item.epoch, item.first_seq + number, item, number))
    logged.sort(key=lambda one: one[:4])
    events = sum(1 + (line.revoked_ms is not None) for line in enrolments(world))
    for leaf, (_, _, _, _, item, number) in enumerate(logged, start=events):
        item.leaves[number] = leaf
    last_ms = logged[-1][0] if logged else 0
    return Plan(found, events, events + len(logged), last_ms, refused)


def begins_anew(gateway: Gateway, day: int) -> bool:
    """Tell whether a new epoch begins with a day, because the box was replaced or its outbox lost."""
    return day == gateway.replaced_day or day in gateway.lost_days


def _is_taken(gateway: Gateway, received_ms: int) -> bool:
    revoked = gateway.revoked_day is not None and received_ms >= day_start_ms(gateway.revoked_day)
    return gateway.enrolled and not revoked


def _days(gateway: Gateway, world: World) -> Iterator[DayBatches]:
    spec = world.spec
    place, seq = first_place(gateway, spec), 1
    devices = [device for device in world.devices if device.gateway == gateway.gateway]
    first = _first_usage(gateway, world) if gateway.kind == "provider" else gateway.from_day
    for day in range(first, spec.days):
        if begins_anew(gateway, day):
            box = "replaced" if day == gateway.replaced_day else f"lost {day}"
            place, seq = first_place(gateway, spec, box), 1
        parts, count = _parts(devices, day, 86_400 // spec.window_s) if gateway.kind == "edge" else (1, 1)
        item = DayBatches(
            gateway=gateway.gateway,
            day=day,
            epoch=place.epoch,
            first_seq=seq,
            parts=parts,
            count=count,
            received_ms=day_start_ms(day + 1)
            + SEAL_DELAY_MS
            + SEND_DELAY_MS
            + gateway.late_days.get(day, 0) * HOUR_MS,
            wrong_h=gateway.unsynced_days.get(day),
            is_broken=gateway.broken_from_day is not None and day > gateway.broken_from_day,
            leaves=np.full(count, REFUSED),
            rows=np.zeros(count, np.int64),
        )
        seq += count
        yield item


def _parts(devices: list[Device], day: int, windows: int) -> tuple[int, int]:
    """Give into how many batches a day's rows go by time, and how many there are with one for what comes late."""
    heard = [
        device
        for device in devices
        if device.from_day <= day and (device.until_day is None or day <= device.until_day)
    ]
    parts = -(-(len(heard) + 1) * windows // ROWS_A_BATCH)
    is_late = any(device.faults is not None and device.faults.late_share > 0 for device in heard)
    return parts, parts + is_late


def _first_usage(gateway: Gateway, world: World) -> int:
    """Find the first day on which a provider has customers; from then on it reports daily."""
    report = ProviderReport(gateway, world.enterprises, world.spec.seed, world.spec.days)
    for day in range(world.spec.days):
        if report.rows(day, day_start_ms(day)):
            return day
    return world.spec.days
