"""What do machines bear witness to? Evidence: facts distilled from rows, each pointing back to its leaves. Pure nouns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from census.calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

DeviceKey = tuple[str, str]
"""(gateway, device): a device's id is its gateway's to give."""

READ_SOURCES = frozenset({"register", "fc43", "birth"})
"""Identity read from the device itself (grade A); anything else was declared at enrolment (grade B)."""


@dataclass(frozen=True, slots=True)
class CounterDay:
    """One counter of one device on one day; `inc` is what the gateway saw grow, `unheard_inc` what grew between rows."""

    inc: int
    first: int
    last: int
    rate_max_milli: int
    resets: int
    rollovers: int
    unexplained: int
    unheard_inc: int


_NO_COUNTERS: dict[str, CounterDay] = {}


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """One device's day (ordinal at +08:00) within one life: times in ms, `pattern` digests its non-zero windows."""

    day: int
    gateway: str
    device: str
    life: int
    rows: int
    readings: int
    bad: int
    polls_due: int
    polls_ok: int
    window_ms: int
    running_ms: int
    ready_ms: int
    paused_ms: int
    fault_ms: int
    off_ms: int
    unknown_ms: int
    starts: int
    changes: int
    boots: int
    first_ms: int
    last_ms: int
    first_running_ms: int | None
    overlap_ms: int
    leaf_min: int
    leaf_max: int
    received_min_ms: int
    received_max_ms: int
    signed: bool
    pattern: str
    pattern_windows: int
    counters: Mapping[str, CounterDay] = field(default_factory=lambda: _NO_COUNTERS)

    @property
    def heard(self) -> bool:
        """Whether the device answered at all."""
        return self.readings > self.bad or self.polls_ok > 0

    @property
    def worked_ms(self) -> int:
        """Time running, less what overlapping windows may have counted twice."""
        return max(0, self.running_ms - self.overlap_ms)

    def heard_well(self, polls_percent: int, cover_percent: int) -> bool:
        """Whether enough polls were answered and enough of the day was watched; a pushing device is due no polls."""
        known_ms = self.window_ms - self.unknown_ms
        answered = (
            self.polls_ok * 100 >= polls_percent * self.polls_due
            if self.polls_due
            else known_ms * 100 >= polls_percent * self.window_ms
        )
        covered_ms = max(0, self.window_ms - self.overlap_ms)
        return self.heard and answered and covered_ms * 100 >= cover_percent * DAY_MS


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device said, or was declared, to be: one distinct answer with the stretch in which it was heard."""

    gateway: str
    device: str
    life: int
    manufacturer: str
    model: str
    serial: str
    kind: str
    axes: int | None
    source: str
    first_ms: int
    last_ms: int
    leaf: int
    received_ms: int
    signed: bool

    @property
    def is_read(self) -> bool:
        """Whether the device itself said so."""
        return self.source in READ_SOURCES


@dataclass(frozen=True, slots=True)
class GatewayDay:
    """One gateway's day: its batches whose links hold, and its heartbeats."""

    day: int
    batches: int
    broken: int
    heartbeats: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What one reporter says of one enterprise's use of one provider: active days (ordinals), last status a service."""

    enterprise: str
    provider: str
    gateway: str
    days: tuple[int, ...]
    heard_days: int
    first_day: int
    last_day: int
    since: str
    statuses: tuple[str, ...]
    leaf_min: int
    leaf_max: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the log bears witness to at one moment and one log size."""

    device_days: Mapping[DeviceKey, tuple[DeviceDay, ...]] = field(default_factory=dict)
    identities: Mapping[DeviceKey, tuple[Identity, ...]] = field(default_factory=dict)
    gateway_days: Mapping[str, tuple[GatewayDay, ...]] = field(default_factory=dict)
    usage: Mapping[str, tuple[Usage, ...]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
