"""How does a city's past come into the store? Virtual time through the production normalize, window and seal code.

One batch a gateway and day. Totals that a gateway reports in its heartbeats add up as in a real one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.profiles import LoadedProfile, load_profile
from gateway.normalize import Normalizer, identity_row
from gateway.window import WindowFold
from simulators.behaviour import DAY_MS, HOUR_MS, Totals, day_moments
from simulators.usage import ProviderReport
from simulators.voice import Voice
from simulators.world import FIRST_DAY
from telemetry.line import FieldValue, Row
from telemetry.reading import Quality, RawValue, Reading, ReadingKind
from telemetry.seal import GENESIS, Batch, ChainPlace, SealTime, next_place, seal_batch

if TYPE_CHECKING:
    from simulators.world import Device, Enterprise, Gateway, WorldSpec

ZONE = timezone(timedelta(hours=8))
SEAL_DELAY_MS, SEND_DELAY_MS = 120_000, 30_000
APPEAR_HOUR = 9
"""Local hour at which a device is connected on its first day."""
VERSION = "0.1.0"


def day_start_ms(day: int) -> int:
    """Give local midnight of a world's day as UTC ms."""
    start = datetime.combine(FIRST_DAY + timedelta(days=day), time.min, ZONE)
    return int(start.astimezone(UTC).timestamp()) * 1000


def private_key(seed: int, gateway: str) -> Ed25519PrivateKey:
    """Make a gateway's key from the world's seed: a demonstration's key, never a real one."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {seed}/{gateway}".encode()).digest())


@cache
def _voiced(profile: str) -> tuple[LoadedProfile, Voice, Normalizer]:
    loaded = load_profile(profile)
    return loaded, Voice(loaded.profile), Normalizer(loaded.profile)


@dataclass(slots=True)
class Life:
    """A device as its gateway follows it: its own totals, and the fold of the present run."""

    device: Device
    totals: Totals = field(default_factory=Totals)
    fold: WindowFold | None = None


@dataclass(slots=True)
class GatewayPast:
    """One edge gateway over its days; after the last, `place` is where its chain goes on."""

    gateway: Gateway
    spec: WorldSpec
    lives: list[Life]
    place: ChainPlace
    accepted: int = 0

    @classmethod
    def begin(cls, gateway: Gateway, devices: tuple[Device, ...], spec: WorldSpec) -> GatewayPast:
        """Set a gateway up before its first day."""
        mine = [Life(device) for device in devices if device.gateway == gateway.gateway]
        return cls(gateway, spec, mine, _first_place(gateway, spec))

    def day_batch(self, day: int) -> tuple[Batch, int] | None:
        """Give a day's sealed batch and when the store received it; None before the gateway stood there."""
        if day < self.gateway.from_day:
            return None
        sealed_ms = day_start_ms(day + 1) + SEAL_DELAY_MS
        key = private_key(self.spec.seed, self.gateway.gateway)
        batch = seal_batch(self._day_rows(day), self._place(day), _seal_time(sealed_ms), key)
        self.place = next_place(batch)
        return batch, sealed_ms + SEND_DELAY_MS + self.gateway.late_days.get(day, 0) * HOUR_MS

    def _place(self, day: int) -> ChainPlace:
        broken = self.gateway.broken_from_day
        if broken is None or day <= broken:
            return self.place
        return replace(self.place, prev=hashlib.sha256(f"broken {day}".encode()).hexdigest())

    def _day_rows(self, day: int) -> list[Row]:
        start_ms = day_start_ms(day)
        rows = [_epoch_row(self.gateway.gateway, start_ms)] if day == self.gateway.from_day else []
        off = self.gateway.off_days.get(day)
        off_ms = (start_ms + off[0] * HOUR_MS, start_ms + (off[0] + off[1]) * HOUR_MS) if off else (0, 0)
        for life in self.lives:
            rows += self._device_rows(life, day, start_ms, off_ms)
        rows += self._heartbeats(start_ms, off_ms)
        return rows

    def _device_rows(self, life: Life, day: int, start_ms: int, off_ms: tuple[int, int]) -> list[Row]:
        device = life.device
        if day < device.from_day or (device.until_day is not None and day > device.until_day):
            return []
        rows = []
        begin_ms = start_ms
        if day == device.from_day:
            begin_ms += APPEAR_HOUR * HOUR_MS
            rows += self._identity(device, begin_ms)
            life.fold = self._fold(device, begin_ms)
        _, voice, normalizer = _voiced(device.profile)
        lag_ms = int(hashlib.sha256(device.behaviour.key.encode()).hexdigest()[:3], 16) + 1
        poll_ms = self.spec.poll_s * 1000
        for moment in day_moments(device.behaviour, day, start_ms, poll_ms, life.totals):
            if moment.at_ms < begin_ms:
                continue
            if off_ms[0] <= moment.at_ms < off_ms[1]:
                rows += self._power_cut(life, off_ms)
                continue
            reading = self._reading(device, moment.at_ms + lag_ms, voice.say(moment))
            rows += self._folded(life).add(normalizer.sample(reading))
            self.accepted += 1
        rows += self._folded(life).close_until(start_ms + DAY_MS)
        return rows

    def _power_cut(self, life: Life, off_ms: tuple[int, int]) -> list[Row]:
        """End the run at the cut, once; the next begins when power is back."""
        fold = self._folded(life)
        if not fold.open_readings:
            life.fold = self._fold(life.device, off_ms[1])
            return []
        rows = fold.finish(off_ms[0])
        life.fold = self._fold(life.device, off_ms[1])
        return rows

    @staticmethod
    def _folded(life: Life) -> WindowFold:
        if life.fold is None:
            raise RuntimeError("a device is heard before it appeared")
        return life.fold

    def _fold(self, device: Device, start_ms: int) -> WindowFold:
        loaded, _, _ = _voiced(device.profile)
        return WindowFold(
            gateway=self.gateway.gateway,
            device=device.device,
            profile=loaded.profile,
            profile_id=loaded.profile_id,
            poll_interval_ms=self.spec.poll_s * 1000,
            window_ms=self.spec.window_s * 1000,
            run_start_ms=start_ms,
        )

    def _identity(self, device: Device, at_ms: int) -> list[Row]:
        if not device.source:
            return []
        profile = _voiced(device.profile)[0].profile
        values: dict[str, RawValue] = {
            "manufacturer": profile.manufacturer,
            "model": profile.models[0],
            "serial": device.serial,
            "kind": str(profile.kind),
            "axes": profile.axes,
            "source": device.source,
        }
        self.accepted += 1
        return [
            identity_row(self.gateway.gateway, self._reading(device, at_ms, values, ReadingKind.IDENTITY))
        ]

    @staticmethod
    def _reading(
        device: Device, at_ms: int, values: dict[str, RawValue], kind: ReadingKind = ReadingKind.POLL
    ) -> Reading:
        return Reading(
            device.device, kind, at_ms, at_ms, Quality.GOOD, values, _voiced(device.profile)[0].profile_id
        )

    def _heartbeats(self, start_ms: int, off_ms: tuple[int, int]) -> list[Row]:
        step_ms = self.spec.window_s * 1000
        boot_ms = off_ms[1] or day_start_ms(self.gateway.from_day)
        return [
            self._heartbeat(at_ms, max(0, at_ms - boot_ms) // 1000)
            for at_ms in range(start_ms, start_ms + DAY_MS, step_ms)
            if not off_ms[0] <= at_ms < off_ms[1]
        ]

    def _heartbeat(self, at_ms: int, uptime_s: int) -> Row:
        return Row(
            "heartbeat",
            {"gateway": self.gateway.gateway},
            {
                "version": VERSION,
                "config": "history",
                "uptime_s": uptime_s,
                "boot": "history",
                "mono_ms": uptime_s * 1000,
                "clock_state": "synced",
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


def _seal_time(sealed_ms: int) -> SealTime:
    return SealTime(sealed_ms=sealed_ms, mono_ms=sealed_ms, boot="history")


def _epoch_row(gateway: str, at_ms: int) -> Row:
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
        return cls(gateway, spec, report, _first_place(gateway, spec))

    def day_batch(self, day: int) -> tuple[Batch, int] | None:
        """Give a day's sealed batch of usage and when the store received it; None on a day without rows."""
        rows = self.report.rows(day, day_start_ms(day))
        if not rows:
            return None
        if self.place.seq == 1:
            rows.append(_epoch_row(self.gateway.gateway, day_start_ms(day)))
        sealed_ms = day_start_ms(day + 1) + SEAL_DELAY_MS
        key = private_key(self.spec.seed, self.gateway.gateway)
        batch = seal_batch(rows, self.place, _seal_time(sealed_ms), key)
        self.place = next_place(batch)
        return batch, sealed_ms + SEND_DELAY_MS


def _first_place(gateway: Gateway, spec: WorldSpec) -> ChainPlace:
    epoch = hashlib.sha256(f"epoch {spec.seed}/{gateway.gateway}".encode()).hexdigest()[:32]
    return ChainPlace(gateway.gateway, epoch, 1, GENESIS)
