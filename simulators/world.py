"""What is true in a made-up city? Its enterprises, workshops and devices, who lies, and what gives each lie away. Pure.

A world is a function of its specification and seed. Expected verdicts and tells are set here, before any census runs.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the dataclasses' annotations are read at run time by tests
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

FIRST_DAY = date(2017, 12, 24)
PERIOD_START = date(2018, 1, 1)

ROBOT_KINDS: dict[str, tuple[str, str]] = {
    "honest": ("confirmed", ""),
    "live_identity": ("confirmed", ""),
    "never_installed": ("unproven", "no device was ever heard"),
    "unenrolled": ("unproven", "its gateway was never enrolled"),
    "broken_chain": ("unproven", "its gateway's batches do not link"),
    "idle": ("refuted", "heard well and never ran"),
    "one_day_show": ("refuted", "ran on a single day"),
    "claimed_twice": ("refuted", "its serial was read elsewhere earlier and is claimed there"),
    "clone": ("refuted", "its days repeat another robot's days, later"),
    "relocated": ("refuted", "its serial was read at another gateway before"),
    "worked_before": ("refuted", "ran before the period began"),
    "plc": ("refuted", "identifies itself as a PLC"),
    "live_plc": ("refuted", "answers Read Device Identification as a PLC"),
    "live_conflict": ("refuted", "the serial read from it is not the claimed one"),
}
"""Kind of robot claim → (expected verdict, tell)."""

ENTERPRISE_KINDS: dict[str, tuple[str, str]] = {
    "honest": ("confirmed", ""),
    "own_gateway": ("confirmed", ""),
    "listed_twice": ("confirmed", "two providers list it under two names; it counts once"),
    "never_used": ("unproven", "no usage was ever reported"),
    "unregistered": ("refuted", "its code is well-formed but not in the register"),
    "bad_code": ("refuted", "its code's check character is wrong"),
    "struck_off": ("refuted", "the register struck it off"),
    "renewed": ("refuted", "it was on cloud before the period"),
    "cancelled": ("refuted", "its service was cancelled after a week"),
}
"""Kind of enterprise claim → (expected verdict, tell)."""


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

    def __post_init__(self) -> None:
        """Refuse kinds that do not exist."""
        unknown = (set(self.robots) - set(ROBOT_KINDS)) | (set(self.enterprises) - set(ENTERPRISE_KINDS))
        if unknown:
            raise ValueError(f"unknown kinds: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a machine spends its days. `key` seeds its chance, so that a clone repeats its original exactly."""

    key: str
    pattern: str = "work"
    """`work`, `idle` (powered, never running), or `show` (runs on `show_day` alone)."""
    shift_start_h: int = 8
    shift_h: int = 10
    duty: float = 0.85
    cycle_s: int = 45
    current_ma: int = 2_000
    weekend: float = 0.5
    first_count: int = 0
    show_day: int = 0
    delay_days: int = 0


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


@dataclass(frozen=True, slots=True)
class Truth:
    """What a subject's verdict must be, and its tell."""

    kind: str
    expected: str
    tell: str


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
        return {claim.robot: Truth(claim.kind, *ROBOT_KINDS[claim.kind]) for claim in self.robots}

    def enterprise_truth(self) -> dict[str, Truth]:
        """Give USCC → truth, of those that are claimed to be on cloud."""
        return {
            item.uscc: Truth(item.kind, *ENTERPRISE_KINDS[item.kind])
            for item in self.enterprises
            if item.cloud
        }
