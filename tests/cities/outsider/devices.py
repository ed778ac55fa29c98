"""What does a device show of its machine? Profiles, lifetime counters, gauges, identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.cities.outsider.machines import Trace
    from tests.cities.outsider.shifts import Mask

    Counts = NDArray[np.int64]
    Rng = np.random.Generator

STILL_MA = 90


@dataclass(frozen=True)
class Profile:
    """What one model's map offers: counters, gauges with their resolution, where its identity comes from."""

    name: str
    maker: str
    model: str
    category: str
    axes: int
    source: str
    counters: tuple[str, ...]
    gauges: tuple[tuple[str, int], ...]
    listens_to: str  # cabinet: no answer when it is off; cell: a controller that tells of it day and night
    modulus: int = 0

    def text(self) -> str:
        points = "".join(f"  {name}: {{metric: {name}}}\n" for name in self.counters)
        points += "".join(f"  {name}: {{metric: {name}, resolution: {step}}}\n" for name, step in self.gauges)
        points += "  program_number: {unit: '1'}\n  mode: {words: [auto, manual, teach]}\n"
        return (
            f"# {self.maker} {self.model}, read by {self.source}\nprofile: {self.name}\nkind: robot\n"
            f"manufacturer: {self.maker}\nmodels: [{self.model}]\naxes: {self.axes}\n"
            f"category: {self.category}\npoints:\n{points}"
        )

    @property
    def told(self) -> str:
        return f"{self.name}@{hashlib.sha256(self.text().encode()).hexdigest()[:12]}"


W, KW = 10, 1_000
PROFILES = [
    Profile("orbit_r6", "Orbit", "R6-900", "articulated", 6, "register", ("cycles", "power_on_s", "run_s"),
            (("joint_current_ma", 1), ("joint_speed_mdeg_s", 1), ("temperature_mc", 500)), "cabinet"),
    Profile("nimbus_c5", "Nimbus", "C5", "articulated", 6, "register", ("cycles",),
            (("joint_current_ma", 10), ("tcp_speed_mm_s", 1), ("power_w", W)), "cabinet"),
    Profile("hualin_cell", "Hualin", "HL20", "articulated", 6, "declared", ("energy_wh", "parts"),
            (("power_w", 100),), "cell"),
    Profile("hualin_metered", "Hualin", "HL6S", "scara", 4, "declared", ("cycles", "energy_wh"), (), "cell", 65_536),
    Profile("tekko_birth", "Tekko", "TS-4", "scara", 4, "birth", ("cycles", "run_s"),
            (("cycle_time_ms", 1), ("speed_percent", 1), ("tcp_speed_mm_s", 5)), "cell"),
    Profile("vela_d3", "Vela", "D3", "delta", 4, "fc43", ("cycles", "power_on_s"),
            (("joint_speed_mdeg_s", 100),), "cabinet", 65_536),
    Profile("massiv_big", "Massiv", "M210", "articulated", 6, "register", ("cycles", "power_on_s", "rejects"),
            (("power_w", KW), ("temperature_mc", 1_000)), "cabinet"),
]  # fmt: skip


@dataclass
class Device:
    """One device behind a gateway from minute `first` to `last`: its machine, its map, its quirks."""

    device: str
    profile: Profile
    trace: Trace
    identity: dict[str, str | int]
    first: int
    last: int
    begins: dict[str, int] = field(default_factory=dict)
    parts_per_cycle: int = 1
    resets_when_off: bool = False
    fresh_at: int | None = None
    motion: str = "real"
    serial_from: tuple[int, str] | None = None
    odd: float = 0.0

    def heard(self, silent: Mask) -> Mask:
        at = np.arange(len(self.trace.on))
        heard = (at >= self.first) & (at < self.last) & ~silent
        return heard & self.trace.on if self.profile.listens_to == "cabinet" else heard

    def watts(self, rng: Rng) -> Counts:
        """Mean power of each minute, W."""
        standby = self.trace.power_w * 0.12 + 60
        share = self.trace.run_ms / 60_000
        if self.motion == "still":
            share = share * 0
        level = standby + share * self.trace.power_w
        level *= 1 + 0.02 * np.resize(rng.standard_normal(997), len(level))
        return np.where(self.trace.on, level, 3).astype(np.int64)

    def totals(self, watts: Counts) -> dict[str, tuple[Counts, Counts]]:
        """Give each counter's true sum from zero and its raw value, minute by minute."""
        trace, made = self.trace, {}
        steps = {
            "cycles": trace.cycles,
            "parts": trace.cycles * self.parts_per_cycle,
            "rejects": (np.arange(len(trace.cycles)) % 53 == 0) * (trace.cycles > 0),
            "run_s": trace.run_ms // 1_000,
            "power_on_s": trace.on.astype(np.int64) * 60,
            "energy_wh": watts,
        }
        for name in self.profile.counters:
            total = np.cumsum(steps[name]).astype(np.int64)
            if name == "energy_wh":
                total = total // 60 // 100 * 100
            if name in {"run_s", "power_on_s"} and self.profile.name == "massiv_big":
                total = total // 3_600 * 3_600
            total = total + self.begins.get(name, 0)
            made[name] = (total, self.raw_of(name, total))
        return made

    def raw_of(self, name: str, total: Counts) -> Counts:
        raw = total
        if name in {"cycles", "parts"} and self.resets_when_off:
            since = np.zeros(len(total), dtype=np.int64)
            boots = self.trace.boots()
            since[boots] = total[boots - 1]
            raw = total - np.maximum.accumulate(since)
        if self.fresh_at is not None and name != "energy_wh":
            raw = np.where(np.arange(len(total)) >= self.fresh_at, total - total[self.fresh_at - 1], raw)
        if self.profile.modulus and name in {"cycles", "parts"}:
            raw = raw % self.profile.modulus
        return raw

    def gauge(
        self, name: str, step: int, share: NDArray[np.float64], rng: Rng
    ) -> tuple[Counts, Counts, Counts]:
        """Give (mean, min, max) of each window, in steps of the map's resolution."""
        count, real = len(share), self.motion == "real"
        moved = (share > 0) & real
        still, top = {
            "joint_current_ma": (STILL_MA, 900 + self.trace.power_w // 3),
            "joint_speed_mdeg_s": (120, 95_000),
            "tcp_speed_mm_s": (2, 700),
            "temperature_mc": (31_000, 46_000),
            "speed_percent": (80, 80),
            "cycle_time_ms": (self.trace.cycle_ms, self.trace.cycle_ms),
            "power_w": (int(self.trace.power_w * 0.12) + 60, int(self.trace.power_w * 1.12) + 60),
        }[name]
        wave = 1 + 0.06 * rng.standard_normal((3, count))
        spread = 0.5 if name in {"joint_speed_mdeg_s", "tcp_speed_mm_s"} else 0.8
        mean = still + np.where(moved, share, 0) * (top * spread - still) * wave[0]
        low = np.where(moved & (share > 0.98), still + (top - still) * 0.2, still * 0.96)
        if name in {"joint_speed_mdeg_s", "tcp_speed_mm_s"}:
            low = np.zeros(count)
        high = np.where(moved, top * wave[1], still * (1 + 0.03 * np.abs(wave[2] - 1) / 0.06))
        if name == "cycle_time_ms":
            low, high = mean * 0.93, mean * 1.1
        low, high = np.minimum(low, mean), np.maximum(high, mean)
        rounded = [np.rint(value / step).astype(np.int64) * step for value in (mean, low, high)]
        return rounded[0], rounded[1], rounded[2]
