"""How does a city's past come into the store? Virtual time through the production normalize, window and seal code.

One batch a gateway and day, more where a day is large. Totals that a gateway reports in its heartbeats add up as in a
real one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.packing import PACK_BYTES, pack_rows
from simulators.behaviour import DAY_MS, HOUR_MS
from simulators.device_past import DevicePast
from simulators.usage import ProviderReport
from simulators.world import FIRST_DAY
from telemetry.clock import ClockState
from telemetry.line import FieldValue, Row
from telemetry.seal import GENESIS, Batch, ChainPlace, SealTime, next_place, seal_batch

if TYPE_CHECKING:
    from simulators.world import Device, Enterprise, Gateway, WorldSpec

ZONE = timezone(timedelta(hours=8))
SEAL_DELAY_MS, SEND_DELAY_MS = 120_000, 30_000
ROW_BYTES = 1_000
"""No row of the simulated devices is longer; days of fewer are not measured row by row."""
VERSION = "0.1.0"


def day_start_ms(day: int) -> int:
    """Give local midnight of a world's day as UTC ms."""
    start = datetime.combine(FIRST_DAY + timedelta(days=day), time.min, ZONE)
    return int(start.astimezone(UTC).timestamp()) * 1000


def write_day_time(at_ms: int) -> str:
    """Write a moment (UTC ms) as ISO 8601 at +08:00."""
    return datetime.fromtimestamp(at_ms / 1000, ZONE).isoformat()


def private_key(seed: int, gateway: str) -> Ed25519PrivateKey:
    """Make a gateway's key from the world's seed: a demonstration's key, never a real one."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {seed}/{gateway}".encode()).digest())


def key_on(gateway: Gateway, seed: int, day: int) -> Ed25519PrivateKey:
    """Give the key that a gateway's box of that day has: a box that replaces another has its own."""
    is_second = gateway.replaced_day is not None and day >= gateway.replaced_day
    return private_key(seed, f"{gateway.gateway}/2" if is_second else gateway.gateway)


@dataclass(slots=True)
class GatewayPast:
    """One edge gateway over its days; after the last, `place` is where its chain goes on."""

    gateway: Gateway
    spec: WorldSpec
    lives: list[DevicePast]
    place: ChainPlace

    @classmethod
    def begin(cls, gateway: Gateway, devices: tuple[Device, ...], spec: WorldSpec) -> GatewayPast:
        """Set a gateway up before its first day."""
        mine = [DevicePast(device, spec) for device in devices if device.gateway == gateway.gateway]
        return cls(gateway, spec, mine, first_place(gateway, spec))

    @property
    def accepted(self) -> int:
        """Readings accepted so far."""
        return sum(life.accepted for life in self.lives)

    def day_batches(self, day: int) -> list[tuple[Batch, int]]:
        """Give a day's sealed batches and when the store received each; none before the gateway stood there."""
        gateway = self.gateway
        if day < gateway.from_day:
            return []
        start_ms = day_start_ms(day)
        rows = self._day_rows(day, start_ms)
        sealed_ms = day_start_ms(day + 1) + SEAL_DELAY_MS
        received_ms = sealed_ms + SEND_DELAY_MS + gateway.late_days.get(day, 0) * HOUR_MS
        wrong_h = gateway.unsynced_days.get(day)
        if wrong_h is not None:
            rows = [replace(row, time_ms=row.time_ms + wrong_h * HOUR_MS) for row in rows]
        made: list[tuple[Batch, int]] = []
        for part in _packed(rows):
            batch = self._sealed(part, day, sealed_ms, wrong_h)
            made.append((batch, received_ms + len(made)))
        return made

    def _sealed(self, rows: list[Row], day: int, sealed_ms: int, wrong_h: int | None) -> Batch:
        gateway = self.gateway
        is_broken = gateway.broken_from_day is not None and day > gateway.broken_from_day
        prev = hashlib.sha256(f"broken {day}".encode()).hexdigest() if is_broken else self.place.prev
        state = ClockState.SYNCED if wrong_h is None else ClockState.UNSYNCED
        sealed = SealTime(sealed_ms=sealed_ms, mono_ms=sealed_ms, boot="history", clock_state=state)
        batch = seal_batch(rows, replace(self.place, prev=prev), sealed, key_on(gateway, self.spec.seed, day))
        self.place = next_place(batch)
        return batch

    def _day_rows(self, day: int, start_ms: int) -> list[Row]:
        gateway = self.gateway
        rows = [epoch_row(gateway.gateway, start_ms)] if day == gateway.from_day else []
        if day == gateway.replaced_day or day in gateway.lost_days:
            rows.append(self._new_epoch(day, start_ms))
        off = gateway.off_days.get(day)
        off_ms = (start_ms + off[0] * HOUR_MS, start_ms + (off[0] + off[1]) * HOUR_MS) if off else (0, 0)
        again = day == gateway.replaced_day or day in gateway.lost_days or (day - 1) in gateway.unsynced_days
        for life in self.lives:
            rows += life.day_rows(day, start_ms, off_ms, again=again)
        rows += self._heartbeats(start_ms, off_ms, unsynced=day in gateway.unsynced_days)
        return rows

    def _new_epoch(self, day: int, at_ms: int) -> Row:
        """Begin a new epoch, as a box does that replaces another or lost its outbox: it says where the old one ended."""
        old, is_replaced = self.place, day == self.gateway.replaced_day
        self.place = first_place(self.gateway, self.spec, "replaced" if is_replaced else f"lost {day}")
        fields: dict[str, FieldValue] = {
            "reason": "replaced" if is_replaced else "outbox_lost",
            "previous": old.epoch,
            "previous_seq": old.seq - 1,
            "previous_hash": old.prev,
        }
        return Row("epoch", {"gateway": self.gateway.gateway}, fields, at_ms)

    def _heartbeats(self, start_ms: int, off_ms: tuple[int, int], *, unsynced: bool) -> list[Row]:
        step_ms = self.spec.window_s * 1000
        boot_ms = off_ms[1] or day_start_ms(self.gateway.from_day)
        return [
            self._heartbeat(at_ms, max(0, at_ms - boot_ms) // 1000, unsynced=unsynced)
            for at_ms in range(start_ms, start_ms + DAY_MS, step_ms)
            if not off_ms[0] <= at_ms < off_ms[1]
        ]

    def _heartbeat(self, at_ms: int, uptime_s: int, *, unsynced: bool) -> Row:
        return Row(
            "heartbeat",
            {"gateway": self.gateway.gateway},
            {
                "version": VERSION,
                "config": "history",
                "uptime_s": uptime_s,
                "boot": "history",
                "mono_ms": uptime_s * 1000,
                "clock_state": str(ClockState.UNSYNCED if unsynced else ClockState.SYNCED),
                "clock_offset_ms": 0,
                "buffer_bytes": 0,
                "oldest_s": 0,
                "devices_up": len(self.lives),
                "devices_due": len(self.lives),
                "accepted_total": self.accepted,
                "lost_total": 0,
                "quarantined_total": 0,
            },
            at_ms,
        )


def _packed(rows: list[Row]) -> list[list[Row]]:
    """Group a day's rows into batches; only large days and days with late rows need a second one."""
    if len(rows) * ROW_BYTES < PACK_BYTES and not any(row.fields.get("late") for row in rows):
        return [rows] if rows else []
    rows.sort(key=lambda row: (row.measurement != "epoch", row.time_ms))
    return pack_rows(rows)


def epoch_row(gateway: str, at_ms: int) -> Row:
    """Give the row with which a gateway begins its first epoch."""
    fields: dict[str, FieldValue] = {
        "reason": "first",
        "previous": "",
        "previous_seq": 0,
        "previous_hash": GENESIS,
    }
    return Row("epoch", {"gateway": gateway}, fields, at_ms)


@dataclass(slots=True)
class ProviderPast:
    """One cloud provider's reporter over its days."""

    gateway: Gateway
    spec: WorldSpec
    report: ProviderReport
    place: ChainPlace

    @classmethod
    def begin(cls, gateway: Gateway, enterprises: tuple[Enterprise, ...], spec: WorldSpec) -> ProviderPast:
        """Set a reporter up before its first day."""
        report = ProviderReport(gateway, enterprises, spec.seed, spec.days)
        return cls(gateway, spec, report, first_place(gateway, spec))

    def day_batches(self, day: int) -> list[tuple[Batch, int]]:
        """Give a day's sealed batches of usage and when the store received each; none on a day without rows."""
        rows = self.report.rows(day, day_start_ms(day))
        if not rows:
            return []
        if self.place.seq == 1:
            rows.append(epoch_row(self.gateway.gateway, day_start_ms(day)))
        sealed_ms = day_start_ms(day + 1) + SEAL_DELAY_MS
        received_ms = sealed_ms + SEND_DELAY_MS + self.gateway.late_days.get(day, 0) * HOUR_MS
        key = private_key(self.spec.seed, self.gateway.gateway)
        made: list[tuple[Batch, int]] = []
        for part in _packed(rows):
            sealed = SealTime(sealed_ms=sealed_ms, mono_ms=sealed_ms, boot="history")
            batch = seal_batch(part, self.place, sealed, key)
            self.place = next_place(batch)
            made.append((batch, received_ms + len(made)))
        return made


def epoch_after_loss(gateway: Gateway, spec: WorldSpec, day: int) -> str:
    """Name the epoch that began on a day on which a gateway's outbox was lost."""
    return first_place(gateway, spec, f"lost {day}").epoch


def first_place(gateway: Gateway, spec: WorldSpec, box: str = "") -> ChainPlace:
    """Give the place of a box's first batch in its chain."""
    epoch = hashlib.sha256(f"epoch {spec.seed}/{gateway.gateway}{box}".encode()).hexdigest()[:32]
    return ChainPlace(gateway.gateway, epoch, 1, GENESIS)
