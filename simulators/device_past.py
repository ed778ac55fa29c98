"""How does one device look to its gateway, day after day? Its polls through the production normalize and window code."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.normalize import identity_row
from gateway.window import WindowFold
from simulators.behaviour import DAY_MS, HOUR_MS, Totals, day_moments
from simulators.voice import voiced
from telemetry.metrics import METRICS, MetricKind
from telemetry.reading import Quality, RawValue, Reading, ReadingKind

if TYPE_CHECKING:
    from simulators.behaviour import Moment
    from simulators.world import Device, WorldSpec
    from telemetry.line import Row
    from telemetry.profile import Profile
    from telemetry.reading import Sample

APPEAR_HOUR = 9
"""Local hour at which a device is connected on its first day."""
RESET_HOUR = 12
LATE_POLLS = 3
"""Polls after which a message that the network held back comes in."""
ANY_RATE = 10**9
"""Steps a minute that a doctored gateway lets pass."""


@dataclass(slots=True)
class DevicePast:
    """A device as its gateway follows it: its own totals, and the fold of the present run."""

    device: Device
    spec: WorldSpec
    totals: Totals = field(default_factory=Totals)
    fold: WindowFold | None = None
    accepted: int = 0
    _is_known: bool = False
    _is_swapped: bool = False
    _is_reset: bool = False
    _held: list[tuple[int, Sample]] = field(default_factory=list)

    def day_rows(self, day: int, start_ms: int, off_ms: tuple[int, int], *, again: bool) -> list[Row]:
        """Give the rows of one day (local midnight = `start_ms`); `again` asks for the identity anew, as a restart does."""
        device = self.device
        if day < device.from_day or (device.until_day is not None and day > device.until_day):
            return []
        begin_ms = start_ms + (APPEAR_HOUR * HOUR_MS if day == device.from_day else 0)
        if self.fold is None:
            self.fold = self._new_fold(begin_ms)
        if again:
            self._is_known = False
        rng = random.Random(f"faults {device.gateway}/{device.device}/{day}") if device.faults else None
        rows: list[Row] = []
        for moment in day_moments(device.behaviour, day, start_ms, self.spec.poll_s * 1000, self.totals):
            if moment.at_ms < begin_ms:
                continue
            if off_ms[0] <= moment.at_ms < off_ms[1]:
                rows += self._power_cut(off_ms)
                continue
            if self._starts_anew(day, moment.at_ms - start_ms):
                continue
            rows += self._heard(moment, rng)
        rows += self._released()
        rows += self._folded().close_until(start_ms + DAY_MS)
        return rows

    def _starts_anew(self, day: int, offset_ms: int) -> bool:
        """Lose the counters, once each, by a reset or a swap, at noon of its day or when power is back; nothing is heard."""
        device = self.device
        reset_day = device.faults.reset_day if device.faults else None
        now = (day, offset_ms)
        if not self._is_swapped and device.swap_day is not None:
            self._is_swapped = now >= (device.swap_day, RESET_HOUR * HOUR_MS)
            self._is_known = self._is_known and not self._is_swapped
            lost = self._is_swapped
        else:
            lost = False
        if not self._is_reset and reset_day is not None:
            self._is_reset = now >= (reset_day, RESET_HOUR * HOUR_MS)
            lost = lost or self._is_reset
        if lost:
            self.totals.cycles = -device.behaviour.first_count
            self.totals.energy_wh = 0
            self.totals.on_s = -device.behaviour.first_on_s
            self.totals.run_s = -(device.behaviour.first_on_s // 2)
        return lost

    def _heard(self, moment: Moment, rng: random.Random | None) -> list[Row]:
        """Poll once: identity first when a run begins, then the reading, as the line lets it through."""
        device = self.device
        _, voice, normalizer = voiced(device.profile)
        at_ms = moment.at_ms + lag_ms(device)
        rows = [] if self._is_known else self._identity(at_ms)
        self._is_known = True
        values = voice.say(moment)
        quality = Quality.GOOD
        if rng is not None and device.faults is not None:
            draw, faults = rng.random(), device.faults
            if draw < faults.bad_share:
                values, quality = {}, Quality.BAD
            elif draw < faults.bad_share + faults.glitch_share:
                values |= self._zeros()
            elif draw > 1 - faults.late_share:
                sample = normalizer.sample(self._reading(at_ms, values))
                self._held.append((at_ms + LATE_POLLS * self.spec.poll_s * 1000, sample))
                return rows
        rows += self._fold(normalizer.sample(self._reading(at_ms, values, quality=quality)))
        return rows + self._released(at_ms)

    def _fold(self, sample: Sample) -> list[Row]:
        self.accepted += 1
        return self._folded().add(sample)

    def _released(self, now_ms: int | None = None) -> list[Row]:
        """Fold the messages that were held back and have come in by now; without a time, all of them."""
        rows: list[Row] = []
        while self._held and (now_ms is None or self._held[0][0] <= now_ms):
            rows += self._fold(self._held.pop(0)[1])
        return rows

    def _zeros(self) -> dict[str, RawValue]:
        points = voiced(self.device.profile)[0].profile.points
        return {
            name: 0
            for name, point in points.items()
            if point.metric is not None and METRICS[point.metric].kind is MetricKind.COUNTER
        }

    def _power_cut(self, off_ms: tuple[int, int]) -> list[Row]:
        """End the run at the cut, once; the next begins when power is back."""
        fold = self._folded()
        self._is_known = False
        rows = self._released(off_ms[0])
        if fold.open_readings:
            rows += fold.finish(off_ms[0])
        self.fold = self._new_fold(off_ms[1])
        return rows

    def _folded(self) -> WindowFold:
        if self.fold is None:
            raise RuntimeError("a device is heard before it appeared")
        return self.fold

    def _new_fold(self, start_ms: int) -> WindowFold:
        loaded, _, _ = voiced(self.device.profile)
        return WindowFold(
            gateway=self.device.gateway,
            device=self.device.device,
            profile=doctored(loaded.profile) if self.device.is_doctored else loaded.profile,
            profile_id=loaded.profile_id,
            poll_interval_ms=self.spec.poll_s * 1000,
            window_ms=self.spec.window_s * 1000,
            run_start_ms=start_ms,
        )

    def _identity(self, at_ms: int) -> list[Row]:
        """Ask (or read from the site file) who the device is; what it cannot say is left out."""
        device = self.device
        if not device.source:
            return []
        profile = voiced(device.profile)[0].profile
        values: dict[str, RawValue] = {
            "manufacturer": device.product or profile.manufacturer,
            "model": device.product or profile.models[0],
            "serial": device.swap_serial if self._is_swapped else device.serial,
            "kind": str(profile.kind),
            "axes": profile.axes if device.axes is None else device.axes,
            "source": device.source,
        }
        self.accepted += 1
        return [identity_row(device.gateway, self._reading(at_ms, values, ReadingKind.IDENTITY))]

    def _reading(
        self,
        at_ms: int,
        values: dict[str, RawValue],
        kind: ReadingKind = ReadingKind.POLL,
        quality: Quality = Quality.GOOD,
    ) -> Reading:
        profile_id = voiced(self.device.profile)[0].profile_id
        reason = "timeout" if quality is Quality.BAD else ""
        return Reading(self.device.device, kind, at_ms, at_ms, quality, values, profile_id, reason=reason)


def lag_ms(device: Device) -> int:
    """Give the phase of a device's polls: some milliseconds of its own, the same for a copy."""
    return int(hashlib.sha256(device.behaviour.key.encode()).hexdigest()[:3], 16) + 1


def doctored(profile: Profile) -> Profile:
    """Give the profile as a lying gateway has it: no step of a counter is too large."""
    points = {
        name: point.model_copy(update={"rate_max": ANY_RATE}) if point.rate_max else point
        for name, point in profile.points.items()
    }
    return profile.model_copy(update={"points": points})
