"""What is a city drawn from? Workshops, devices, behaviours and claims, one at a time, by chance of the seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from simulators import codes
from simulators.world import Behaviour, Device, Enterprise, Faults, Gateway, RobotClaim, WorldSpec

if TYPE_CHECKING:
    import random

MODELS: tuple[tuple[str, str, str, int], ...] = (
    ("universal_robots_e_series", "Universal Robots", "UR5e", 30),
    ("ufactory_xarm6", "UFACTORY", "xArm 6", 22),
    ("jaka_zu", "JAKA", "Zu 7", 28),
    ("kuka_krc4_neuron", "KUKA", "KR 6 R900", 20),
)
"""Profile, manufacturer, model, weight of the robots that stand in workshops."""
COUNTING_ARM = "example_arm6"
CITY_MODELS = (*MODELS, (COUNTING_ARM, "Example Robotics", "E6", 15))
READS_SERIAL = frozenset({"jaka_zu", "kuka_krc4_neuron"})
COUNTS_CYCLES = frozenset({"ufactory_xarm6", "kuka_krc4_neuron"})
"""Robots whose map has a wide counter of cycles."""
PUSHES = frozenset({"kuka_krc4_neuron"})
PLC_PROFILE, METER_PROFILE, XARM_PROFILE = "inovance_h5u_cell", "schneider_pm5110", "ufactory_xarm6"
_OTHER_MODELS = {PLC_PROFILE: ("Inovance", "H5U"), METER_PROFILE: ("Schneider Electric", "PM5110")}
_CONTRACTS = "HT2018"
FACTORY_S_MAX = 100 * 3600
"""Hours on an honest new robot's lifetime counter: burn-in and commissioning."""


@dataclass(slots=True)
class Draft:
    """A city while it is being drawn."""

    spec: WorldSpec
    rng: random.Random
    taken: set[str] = field(default_factory=set)
    enterprises: list[Enterprise] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    robots: list[RobotClaim] = field(default_factory=list)

    def new_id(self, prefix: str) -> str:
        """Draw an id not drawn before."""
        return codes.opaque_id(self.rng, prefix, self.taken)

    def serial(self, profile: str) -> str:
        """Draw a serial not drawn before, in the spelling of a profile."""
        while True:
            digits = str(self.rng.randint(10_000_000, 999_999_999))
            is_number = profile in READS_SERIAL or profile == COUNTING_ARM
            serial = digits if is_number else f"{profile[:2].upper()}{digits}"
            if serial not in self.taken:
                self.taken.add(serial)
                return serial

    def profile(self) -> str:
        """Draw a robot's profile by weight."""
        models = CITY_MODELS if self.spec.faults else MODELS
        return self.rng.choices([item[0] for item in models], [item[3] for item in models])[0]

    def commission_day(self, kind: str) -> int:
        """Draw the day on which a robot comes."""
        first, last = self.spec.commission_days
        return self.rng.randint(first, self.spec.latest_honest_day if kind == "honest" else last)


def draw_enterprise(draft: Draft, kind: str, providers: list[str]) -> Enterprise:
    """Draw an enterprise of a kind, a customer of one of the providers."""
    rng = draft.rng
    first, last = draft.spec.commission_days[0], max(draft.spec.commission_days[1], 18)
    enterprise = Enterprise(
        uscc=codes.uscc(rng, kind="92" if kind == "sole_trader" else "91", valid=kind != "bad_code"),
        kind=kind,
        name=codes.company(rng),
        division=codes.division(rng),
        industry=rng.choice(codes.INDUSTRIES),
        cluster=rng.choice(codes.CLUSTERS),
        size=rng.choice(codes.SIZES),
        provider=rng.choice(providers),
        since_day=-rng.randint(30, 400) if kind == "renewed" else rng.randint(first, last),
    )
    return replace(enterprise, usage_key=enterprise.uscc)


def open_workshop(draft: Draft, *, prompt: bool = False, live: bool = False) -> Gateway:
    """Open a workshop: an enterprise that does not claim to be newly on cloud, with an edge gateway.

    A prompt one's network never holds a batch back for long, so that receive time tells its robots from their copies.
    """
    rng, spec = draft.rng, draft.spec
    owner = replace(draw_enterprise(draft, "honest", ["none"]), provider="", cloud=False)
    draft.enterprises.append(owner)
    days = range(3, spec.days - 1)
    late_days = (
        {day: rng.randint(2, 20) for day in days if rng.random() < 0.03} if not (live or prompt) else {}
    )
    off_days = {day: (rng.randint(0, 18), rng.randint(1, 4)) for day in days if rng.random() < 0.03}
    gateway = Gateway(
        gateway=draft.new_id("gw-"),
        kind="edge",
        uscc=owner.uscc,
        workshop=rng.choice(["一车间", "二车间", "装配车间", "冲压车间"]),
        live=live,
        off_days=off_days,
        late_days=late_days,
    )
    return _with_faults(gateway, spec, rng, prompt=prompt) if spec.faults else gateway


def _with_faults(gateway: Gateway, spec: WorldSpec, rng: random.Random, *, prompt: bool) -> Gateway:
    """Let a network fail for days, a clock go wrong, a box be replaced, as happens to some gateways of a real city."""
    days = range(3, spec.days - 3)
    if rng.random() < 0.25:
        gateway = replace(gateway, unsynced_days={rng.choice(days): rng.choice([-40, -9, -3, 5])})
    if prompt:
        return gateway
    if rng.random() < 0.25:
        gateway = replace(gateway, late_days={**gateway.late_days, rng.choice(days): rng.randint(30, 80)})
    if rng.random() < 0.25:
        day = rng.choice(days)
        gateway = replace(gateway, replaced_day=day, off_days={**gateway.off_days, day: (0, 1)})
    return gateway


def draw_behaviour(draft: Draft) -> Behaviour:
    """Draw how a machine works: shifts, load, pace, weekends."""
    rng = draft.rng
    return Behaviour(
        key=f"{draft.spec.seed}/{rng.getrandbits(64):016x}",
        shift_start_h=rng.randint(6, 9),
        shift_h=rng.choice([9, 10, 12, 14, 16]),
        duty=rng.uniform(0.75, 0.95),
        cycle_s=rng.randint(18, 95),
        current_ma=rng.randint(1_200, 3_800),
        weekend=rng.choice([0.3, 0.6, 1.0]),
        first_count=rng.randint(0, 150),
        first_on_s=rng.randint(0, FACTORY_S_MAX),
    )


def draw_device(draft: Draft, gateway: Gateway, profile: str, from_day: int) -> Device:
    """Draw a device of a profile that appears in a workshop on a day."""
    rng = draft.rng
    manufacturer, model = next(
        ((item[1], item[2]) for item in CITY_MODELS if item[0] == profile),
        _OTHER_MODELS.get(profile, ("", "")),
    )
    reads = profile in READS_SERIAL or profile in {METER_PROFILE, COUNTING_ARM}
    device = Device(
        device=draft.new_id("dev-"),
        gateway=gateway.gateway,
        profile=profile,
        manufacturer=manufacturer,
        model=model,
        serial=draft.serial(profile) if profile != METER_PROFILE else str(rng.randint(10**8, 10**9)),
        source="register" if reads else "declared",
        behaviour=draw_behaviour(draft),
        from_day=from_day,
    )
    return replace(device, faults=_faults(draft, device)) if draft.spec.faults else device


def _faults(draft: Draft, device: Device) -> Faults:
    """Draw what goes wrong on a device's line; carries no class."""
    rng, last = draft.rng, draft.spec.days - 2
    resets = rng.random() < 0.2 and device.from_day + 1 < last
    return Faults(
        bad_share=rng.choice([0.0, 0.005, 0.02]),
        glitch_share=rng.choice([0.0, 0.004]),
        late_share=rng.choice([0.0, 0.01]) if device.profile in PUSHES else 0.0,
        reset_day=rng.randint(device.from_day + 1, last) if resets else None,
    )


def draw_claim(draft: Draft, kind: str, gateway: Gateway, device: Device, day: int) -> RobotClaim:
    """Draw the claim on a device."""
    return RobotClaim(
        robot=draft.new_id("r-"),
        kind=kind,
        uscc=gateway.uscc,
        workshop=gateway.workshop,
        manufacturer=device.manufacturer,
        model=device.model,
        serial=device.serial,
        commissioned_day=day,
        contract=f"{_CONTRACTS}-{draft.rng.randint(1000, 9999)}",
        gateway=gateway.gateway,
        device=device.device,
    )
