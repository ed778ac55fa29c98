"""What is true in a made-up city? Its enterprises, workshops and devices, who lies, and what gives each lie away. Pure.

A world is a function of its specification and seed. Expected verdicts and tells are set here, before any census runs.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the dataclasses' annotations are read at run time by tests
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from simulators.kinds import ENTERPRISE_KINDS, ROBOT_KINDS, Kind

FIRST_DAY = date(2017, 12, 24)
PERIOD_START = date(2018, 1, 1)
PERIOD_START_DAY = (PERIOD_START - FIRST_DAY).days


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """How large a city, and how many of each kind; days count from FIRST_DAY."""

    seed: int
    robots: Mapping[str, int]
    enterprises: Mapping[str, int]
    days: int = 30
    window_s: int = 7_200
    poll_s: int = 3_600
    robots_a_gateway: int = 10
    providers: int = 14
    live_gateways: int = 3
    live_robots: int = 40
    commission_days: tuple[int, int] = (8, 16)
    """Days on which robots come: the first ones 8 days after the telemetry begins, the last early enough to show work."""
    latest_honest_day: int = 16
    """Last day on which an honest robot comes; later than the others' where some may have too little evidence."""
    faults: bool = False
    """Whether networks, clocks, gateways, controllers and counters fail as they do in a real city."""
    windows_a_batch: int = 0
    """Windows sealed together; 0 for a whole day."""

    def __post_init__(self) -> None:
        """Refuse kinds that do not exist."""
        unknown = (set(self.robots) - set(ROBOT_KINDS)) | (set(self.enterprises) - set(ENTERPRISE_KINDS))
        if unknown:
            raise ValueError(f"unknown kinds: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a machine spends its days. `key` seeds its chance, so that a clone repeats its original exactly."""

    key: str
    pattern: Literal["work", "idle", "show", "constant", "periodic", "jitter"] = "work"
    """`idle` is powered and never running, `show` runs on `show_day` alone, the last three are scripts."""
    shift_start_h: int = 8
    shift_h: int = 10
    duty: float = 0.85
    cycle_s: float = 45
    current_ma: int = 2_000
    weekend: float = 0.5
    first_count: int = 0
    show_day: int = 0
    delay_days: int = 0
    delay_hours: int = 0
    scale: float = 1.0
    """Factor on counts and currents; a clone's may differ from its original's."""
    noise: float = 0.0
    """Share by which a copy's counts and currents are disturbed, by chance of `noise_key`."""
    noise_key: str = ""
    replay_from_day: int = 0
    replay_days: int = 0
    """When not 0, the days from `replay_from_day` on repeat the first so many of them."""
    period: int = 0
    """Polls after which a script begins anew."""
    first_on_s: int = 0
    """What the lifetime counters (power on, running) show at first."""
    moves: bool = True
    """Whether current, speed and energy go with running."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong between a device and its gateway; shares are of polls."""

    bad_share: float = 0.0
    glitch_share: float = 0.0
    """Polls answered with all counters at zero."""
    late_share: float = 0.0
    """Messages that arrive some polls later than the next ones."""
    reset_day: int | None = None
    """Day at whose noon all counters start at zero again."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device in a workshop: what it is, when it stands there, and what it says of itself.

    `serial` is what an identity row of its history carries, read or declared; with `source` empty there is none.
    """

    device: str
    gateway: str
    profile: str
    manufacturer: str
    model: str
    serial: str
    source: str
    behaviour: Behaviour
    from_day: int
    until_day: int | None = None
    live_serial: str = ""
    live_product: str = ""
    product: str = ""
    """What it calls itself when asked, where that is not what its profile expects."""
    axes: int | None = None
    """Axes it says it has, where they are not its profile's."""
    swap_day: int | None = None
    """Day on which its controller (or the whole machine) is swapped, and counters start anew."""
    swap_serial: str = ""
    """Serial told from `swap_day` on."""
    is_doctored: bool = False
    """Whether its gateway was made to believe any step of its counters."""
    faults: Faults | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """An edge gateway (or a provider's reporter) and how its chain behaves."""

    gateway: str
    kind: Literal["edge", "provider"]
    uscc: str
    workshop: str
    from_day: int = 0
    enrolled: bool = True
    broken_from_day: int | None = None
    live: bool = False
    provider: str = ""
    off_days: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Day → (first hour, hours) during which the box was without power."""
    late_days: Mapping[int, int] = field(default_factory=dict)
    """Day → hours by which the network held its batch back."""
    unsynced_days: Mapping[int, int] = field(default_factory=dict)
    """Day → hours by which a clock that was never synchronised went wrong."""
    replaced_day: int | None = None
    """Day on which the box was replaced: another key, a new epoch."""
    lost_days: tuple[int, ...] = ()
    """Days from whose start a new epoch runs, because the outbox was lost."""
    explained: bool = False
    """Whether somebody has answered for those days."""
    revoked_day: int | None = None
    """Day from whose start the store takes nothing more from it."""


@dataclass(frozen=True, slots=True)
class RobotClaim:
    """A line of robots.csv, with the truth beside it."""

    robot: str
    kind: str
    uscc: str
    workshop: str
    manufacturer: str
    model: str
    serial: str
    commissioned_day: int
    contract: str
    gateway: str = ""
    device: str = ""
    replaces: str = ""
    """Serial that a document says this robot replaced (its own controller's, or another robot's)."""


@dataclass(frozen=True, slots=True)
class Enterprise:
    """A line (or two) of enterprises.csv and what its cloud use really is."""

    uscc: str
    kind: str
    name: str
    division: str
    industry: str
    cluster: str
    size: str
    provider: str = ""
    since_day: int = 0
    cloud: bool = True
    second_name: str = ""
    second_provider: str = ""
    usage_key: str = ""
    """Seeds its usage; those whose usage is copied share one."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a subject's verdict must be, and its tell."""

    kind: str
    expected: str
    tell: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """A whole city with its truth."""

    spec: WorldSpec
    enterprises: tuple[Enterprise, ...]
    gateways: tuple[Gateway, ...]
    devices: tuple[Device, ...]
    robots: tuple[RobotClaim, ...]

    def robot_truth(self) -> dict[str, Truth]:
        """Give robot → truth."""
        return {claim.robot: _truth(claim.kind, ROBOT_KINDS) for claim in self.robots}

    def enterprise_truth(self) -> dict[str, Truth]:
        """Give USCC → truth, of those that are claimed to be on cloud."""
        return {item.uscc: _truth(item.kind, ENTERPRISE_KINDS) for item in self.enterprises if item.cloud}


def _truth(name: str, kinds: Mapping[str, Kind]) -> Truth:
    kind = kinds[name]
    return Truth(name, kind.expected, kind.tell, kind.rules)
