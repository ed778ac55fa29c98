"""What do machines bear witness to? Evidence: facts distilled from rows, each pointing back to its leaves. Pure nouns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from census.calendar import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from census.compare import Copy
    from census.gaps import Gap
    from census.regularity import Rhythm
    from census.usage_chance import Alike

DeviceKey = tuple[str, str]
"""(gateway, device): a device's id is its gateway's to give."""

READ_SOURCES = frozenset({"register", "fc43", "birth"})
"""Identity read from the device itself (grade A); anything else was declared at enrolment (grade B)."""


@dataclass(frozen=True, slots=True)
class CounterDay:
    """One counter of one device on one day.

    `inc` is what the gateway saw grow, `unheard_inc` what grew between rows, less what rows told a second time. `odd`
    readings were set aside by the gateway as no count at all.
    """

    inc: int
    first: int
    last: int
    rate_max_milli: int
    resets: int
    rollovers: int
    unexplained: int
    unheard_inc: int
    odd: int = 0


@dataclass(frozen=True, slots=True)
class GaugeDay:
    """One gauge of one device on one day, in the metric's unit; `sq` is the sum of squares where the metric has one."""

    n: int
    sum: int
    min: int
    max: int
    sq: int = 0


@dataclass(frozen=True, slots=True)
class Increments:
    """How a day's counters grew, window by window: `active` windows in which any grew, and how alike they are.

    A window's increment vector is what all its counters grew by. `constant` active windows have the vector of the active
    window before, `repeated` that of the one `period` active windows before, for the period (1 to 24) that repeats most.
    """

    active: int = 0
    distinct: int = 0
    constant: int = 0
    repeated: int = 0
    period: int = 0

    @property
    def constant_percent(self) -> int:
        """Share of active windows that have the vector of the one before."""
        return self.constant * 100 // self.active if self.active else 0

    @property
    def repeat_percent(self) -> int:
        """Share of active windows that have the vector of the one `period` before."""
        return self.repeated * 100 // self.active if self.active else 0


_NO_COUNTERS: dict[str, CounterDay] = {}
_NO_GAUGES: dict[str, GaugeDay] = {}
_NO_INCREMENTS = Increments()


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """One device's day (ordinal at +08:00) within one life: times in ms, `pattern` digests its non-zero windows.

    `hours` packs 48 little-endian 32-bit integers: seconds running in each hour of the day, then what the first of its
    counters grew by in each (residuals.py and regularity.py read them).
    """

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
    gauges: Mapping[str, GaugeDay] = field(default_factory=lambda: _NO_GAUGES)
    increments: Increments = _NO_INCREMENTS
    hours: bytes = b""
    worked_ms: int = field(init=False, default=0)
    """Time running, less what overlapping windows may have counted twice."""

    def __post_init__(self) -> None:
        """Take the overlap off once: every rule asks how long the machine worked."""
        object.__setattr__(self, "worked_ms", max(0, self.running_ms - self.overlap_ms))

    @property
    def heard(self) -> bool:
        """Whether the device answered at all."""
        return self.readings > self.bad or self.polls_ok > 0

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
class Epoch:
    """One chain of a gateway's batches: when it began (UTC ms) and why, by the word of its own first batch.

    `reason` is one of first, outbox_lost, replaced, conflict, key_changed, or whatever else was sent; empty when nothing was.
    `leaf` holds the first of it that was received. It `is_silent` when it is one unexplained break too many in its quarter.
    """

    epoch: str
    began_ms: int
    leaf: int
    reason: str = "first"
    previous: str = ""
    previous_seq: int | None = None
    is_break: bool = False
    is_explained: bool = False
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class GatewayDay:
    """One gateway's day: its batches that bear witness, those that do not, its heartbeats, the epochs sealed on it."""

    day: int
    batches: int
    broken: int
    heartbeats: int
    epochs: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True)
class UsageLooks:
    """How a reporter's numbers look, over active days with work measured in hundreds: `told`, distinct, round thousands.

    `twin_days` is the most days on which one other enterprise of the same reporter had the very same numbers; `behind`
    where that one's use began earlier, `tied` where it began the same day; `twins` is how many shared them. Of work in hundreds
    whole weeks are compared, and count with their days. `alike` is the customer whose use goes up and down with this one's.
    """

    told_days: int = 0
    distinct_days: int = 0
    round_days: int = 0
    users_max: int = 0
    requests_a_user_max: int = 0
    twin_days: int = 0
    behind_days: int = 0
    tied_days: int = 0
    twins: int = 0
    alike: Alike | None = None


_NO_LOOKS = UsageLooks()


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
    services: tuple[str, ...] = ()
    looks: UsageLooks = _NO_LOOKS


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the log bears witness to at one moment and one log size; `copies` and `rhythms` come when devices are compared."""

    device_days: Mapping[DeviceKey, tuple[DeviceDay, ...]] = field(default_factory=dict)
    identities: Mapping[DeviceKey, tuple[Identity, ...]] = field(default_factory=dict)
    gateway_days: Mapping[str, tuple[GatewayDay, ...]] = field(default_factory=dict)
    usage: Mapping[str, tuple[Usage, ...]] = field(default_factory=dict)
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    copies: Mapping[DeviceKey, tuple[Copy, ...]] | None = None
    rhythms: Mapping[DeviceKey, Rhythm] | None = None
