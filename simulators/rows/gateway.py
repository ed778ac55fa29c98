"""What does a gateway say beside its machines' rows? Its devices' identities, epochs and heartbeats, as columns or rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulators.behaviour import DAY_MS, HOUR_MS
from simulators.history import VERSION, day_start_ms, epoch_row
from simulators.rows.device import DeviceRows
from simulators.rows.plan import begins_anew
from simulators.rows.tables import Block, placed
from simulators.voice import voiced
from telemetry.line import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.rows.fold import Columns
    from simulators.rows.plan import DayBatches, Plan
    from simulators.world import Device, Gateway, WorldSpec
    from telemetry.line import FieldValue


@dataclass(slots=True)
class GatewayRows:
    """One edge gateway over its days; each of its devices may be some days ahead of the others."""

    gateway: Gateway
    spec: WorldSpec
    plan: Plan
    devices: int = 0
    identities: list[tuple[Row, DayBatches]] = field(default_factory=list)
    _accepted: dict[int, int] = field(default_factory=dict)
    _told: int = -1

    def until(self, day: int) -> int:
        """Say up to which day rows must be made before the store's day of that number is whole.

        A clock that is hours behind tells a later day's rows as this one's.
        """
        behind = [
            later
            for later, wrong_h in self.gateway.unsynced_days.items()
            if later > day and later + wrong_h // 24 <= day
        ]
        return min(max([day, *behind]), self.spec.days - 1)

    def batches(self, day: int) -> DayBatches | None:
        """Give the day's batches; None before the gateway stood there."""
        return self.plan.batches.get((self.gateway.gateway, day))

    def off_ms(self, day: int) -> tuple[int, int]:
        """Say from when until when it was without power that day; (0, 0) when it was not."""
        off = self.gateway.off_days.get(day)
        start_ms = day_start_ms(day)
        return (start_ms + off[0] * HOUR_MS, start_ms + (off[0] + off[1]) * HOUR_MS) if off else (0, 0)

    def is_again(self, day: int) -> bool:
        """Tell whether devices are asked anew who they are."""
        return begins_anew(self.gateway, day) or (day - 1) in self.gateway.unsynced_days

    def count(self, day: int, accepted: int) -> None:
        """Take in how many readings of a device were accepted up to the end of a day."""
        self._accepted[day] = self._accepted.get(day, 0) + accepted

    def untold(self, day: int) -> Iterator[tuple[int, DayBatches]]:
        """Give the days, up to what this one needs, whose heartbeats and epochs are not yet told."""
        for number in range(self._told + 1, self.until(day) + 1):
            self._told = number
            batches = self.batches(number)
            if batches is not None:
                yield number, batches

    def epochs(self, day: int) -> list[Row]:
        """Give the epochs that begin on a day."""
        name = self.gateway.gateway
        first = [epoch_row(name, day_start_ms(day))] if day == self.gateway.from_day else []
        before = self.batches(day - 1)
        if before is None or not begins_anew(self.gateway, day):
            return first
        last = before.first_seq + before.count - 1
        fields: dict[str, FieldValue] = {
            "reason": "replaced" if day == self.gateway.replaced_day else "outbox_lost",
            "previous": before.epoch,
            "previous_seq": last,
            "previous_hash": before.hash_of(last),
        }
        return [*first, Row("epoch", {"gateway": name}, fields, day_start_ms(day))]

    def heartbeats(self, day: int, batches: DayBatches) -> dict[int, Block]:
        """Give the store's day → a day's heartbeats there; the last one goes into the last batch, so that none is empty."""
        start_ms, off_ms = day_start_ms(day), self.off_ms(day)
        at_ms = np.arange(start_ms, start_ms + DAY_MS, self.spec.window_s * 1000)
        at_ms = at_ms[~((off_ms[0] <= at_ms) & (at_ms < off_ms[1]))]
        boot_ms = off_ms[1] or day_start_ms(self.gateway.from_day)
        uptime_s = np.maximum(0, at_ms - boot_ms) // 1000
        nothing = np.zeros(len(at_ms), np.int64)
        columns: Columns = {
            "time_ms": at_ms,
            "uptime_s": uptime_s,
            "mono_ms": uptime_s * 1000,
            "devices_up": nothing + self.devices,
            "devices_due": nothing + self.devices,
            "accepted_total": nothing + self._accepted.pop(day, 0),
        }
        zeros = ("clock_offset_ms", "buffer_bytes", "oldest_s", "lost_total", "quarantined_total")
        texts = {
            "gateway": self.gateway.gateway,
            "version": VERSION,
            "config": "history",
            "boot": "history",
            "clock_state": str(batches.clock_state),
        }
        behind = (np.arange(len(at_ms)) == len(at_ms) - 1).astype(np.int64)
        return placed(Block(columns | dict.fromkeys(zeros, nothing), texts), batches, behind)


@dataclass(slots=True)
class Watched:
    """One device behind its gateway, with rows made for days that are not yet written."""

    rows: DeviceRows
    home: GatewayRows
    _made: dict[int, list[Block]] = field(default_factory=dict)
    _next: int = 0

    @classmethod
    def of(cls, device: Device, home: GatewayRows) -> Watched:
        """Set a device up before its first day."""
        home.devices += 1
        return cls(DeviceRows(device, home.spec), home)

    def day(self, day: int, store_day: int) -> list[Block]:
        """Give all rows of a store's day, in blocks each of which is in order, making what days it takes."""
        for number in range(self._next, self.home.until(day) + 1):
            self._make(number)
        self._next = max(self._next, self.home.until(day) + 1)
        return [in_order(block) for block in self._made.pop(store_day, ())]

    @property
    def waiting(self) -> set[int]:
        """The store's days for which rows are made and not yet written."""
        return set(self._made)

    def _make(self, day: int) -> None:
        batches = self.home.batches(day)
        if batches is None:
            return
        made = self.rows.day_columns(
            day, day_start_ms(day), self.home.off_ms(day), again=self.home.is_again(day)
        )
        self.home.count(day, self.rows.accepted)
        if made is None:
            return
        device = self.rows.device
        self.home.identities += [(row, batches) for row in made.identities]
        texts = {
            "device": device.device,
            "gateway": device.gateway,
            "profile": voiced(device.profile)[0].profile_id,
        }
        for store_day, block in placed(Block(made.columns, texts), batches, made.columns["late"]).items():
            self._made.setdefault(store_day, []).append(block)


def in_order(block: Block) -> Block:
    """Put rows in the order of their time, then their leaf."""
    times = block.columns["time_ms"]
    if (np.diff(times) > 0).all():
        return block
    return block.chosen(np.lexsort((block.columns["leaf"], times)))
