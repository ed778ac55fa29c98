"""How does a seed become a city? Draws enterprises, workshops, devices and claims of every kind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from simulators import codes
from simulators.world import Behaviour, Device, Enterprise, Gateway, RobotClaim, World, WorldSpec

MODELS: tuple[tuple[str, str, str, int], ...] = (
    ("universal_robots_e_series", "Universal Robots", "UR5e", 30),
    ("ufactory_xarm6", "UFACTORY", "xArm 6", 22),
    ("jaka_zu", "JAKA", "Zu 7", 28),
    ("kuka_krc4_neuron", "KUKA", "KR 6 R900", 20),
)
"""Profile, manufacturer, model, weight of the robots that stand in workshops."""
READS_SERIAL = frozenset({"jaka_zu", "kuka_krc4_neuron"})
PLC_PROFILE, METER_PROFILE, XARM_PROFILE = "inovance_h5u_cell", "schneider_pm5110", "ufactory_xarm6"
FIRST_COMMISSION_DAY, LAST_COMMISSION_DAY = 8, 16
"""The period's first robots come 8 days after the telemetry begins; the last early enough to show its work."""
PROMPT_WORKSHOPS = 2
"""Workshops whose network never holds a batch back: two, so that a copy's original stands in another one."""
SPECIAL_GATEWAYS = ("unenrolled", "broken_chain")
LIVE_KINDS = ("live_identity", "live_plc", "live_conflict")
_CONTRACTS = "HT2018"


def demo_spec(seed: int) -> WorldSpec:
    """Give the city of the demonstration: over 1,300 claimed robots and 15,000 enterprises."""
    return WorldSpec(
        seed=seed,
        robots={
            "honest": 1_212, "live_identity": 4, "never_installed": 14, "unenrolled": 10, "broken_chain": 10,
            "idle": 16, "one_day_show": 12, "claimed_twice": 12, "clone": 12, "relocated": 10, "worked_before": 10,
            "plc": 8, "live_plc": 2, "live_conflict": 2,
        },
        enterprises={
            "honest": 15_080, "own_gateway": 40, "listed_twice": 60, "never_used": 80, "unregistered": 60,
            "bad_code": 30, "struck_off": 30, "renewed": 60, "cancelled": 40,
        },
    )  # fmt: skip


def small_spec(seed: int) -> WorldSpec:
    """Give a city of the same kinds, small enough for a test."""
    return WorldSpec(
        seed=seed,
        robots={kind: 16 if kind == "honest" else 2 for kind in demo_spec(seed).robots},
        enterprises={kind: 40 if kind == "honest" else 4 for kind in demo_spec(seed).enterprises},
        robots_a_gateway=6,
        providers=3,
        live_gateways=1,
        live_robots=8,
    )


@dataclass(slots=True)
class _Draft:
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


def build_world(spec: WorldSpec) -> World:
    """Draw the city of this specification; the same specification gives the same city."""
    draft = _Draft(spec, random.Random(f"world {spec.seed}"))
    _draw_enterprises(draft)
    _draw_robots(draft)
    _add_cell_devices(draft)
    draft.rng.shuffle(draft.robots)
    draft.rng.shuffle(draft.enterprises)
    draft.gateways.sort(key=lambda gateway: gateway.gateway)
    draft.devices.sort(key=lambda device: (device.gateway, device.device))
    return World(
        spec, tuple(draft.enterprises), tuple(draft.gateways), tuple(draft.devices), tuple(draft.robots)
    )


def _draw_enterprises(draft: _Draft) -> None:
    rng, spec = draft.rng, draft.spec
    providers = [draft.new_id("prov-") for _ in range(spec.providers)]
    for number, name in enumerate(providers):
        gateway = Gateway(
            draft.new_id("gw-"), "provider", codes.uscc(rng), "", provider=f"provider-{number + 1}"
        )
        draft.gateways.append(replace(gateway, provider=name))
    for kind, count in spec.enterprises.items():
        for _ in range(count):
            draft.enterprises.append(_enterprise(draft, kind, providers))


def _enterprise(draft: _Draft, kind: str, providers: list[str]) -> Enterprise:
    rng = draft.rng
    enterprise = Enterprise(
        uscc=codes.uscc(rng, valid=kind != "bad_code"),
        kind=kind,
        name=codes.company(rng),
        division=codes.division(rng),
        industry=rng.choice(codes.INDUSTRIES),
        cluster=rng.choice(codes.CLUSTERS),
        size=rng.choice(codes.SIZES),
        provider=rng.choice(providers),
        since_day=-rng.randint(30, 400) if kind == "renewed" else rng.randint(8, 18),
    )
    if kind == "cancelled":
        return replace(enterprise, since_day=rng.randint(8, 14))
    if kind == "listed_twice":
        other = rng.choice([name for name in providers if name != enterprise.provider])
        return replace(enterprise, second_name=codes.company(rng), second_provider=other)
    if kind == "own_gateway":
        gateway = Gateway(draft.new_id("gw-"), "edge", enterprise.uscc, "一车间", from_day=rng.randint(9, 13))
        draft.gateways.append(gateway)
        draft.devices.append(_device(draft, gateway, METER_PROFILE, gateway.from_day))
        return replace(enterprise, provider="", since_day=gateway.from_day)
    return enterprise


def _workshop(
    draft: _Draft, *, enrolled: bool = True, broken: bool = False, live: bool = False, prompt: bool = False
) -> Gateway:
    """Open a workshop: an enterprise that does not claim to be newly on cloud, with an edge gateway."""
    rng = draft.rng
    owner = replace(_enterprise(draft, "honest", ["none"]), provider="", cloud=False)
    draft.enterprises.append(owner)
    days = range(3, draft.spec.days - 1)
    late_days = (
        {day: rng.randint(2, 20) for day in days if rng.random() < 0.03} if not (live or prompt) else {}
    )
    off_days = {day: (rng.randint(0, 18), rng.randint(1, 4)) for day in days if rng.random() < 0.03}
    gateway = Gateway(
        gateway=draft.new_id("gw-"),
        kind="edge",
        uscc=owner.uscc,
        workshop=rng.choice(["一车间", "二车间", "装配车间", "冲压车间"]),
        enrolled=enrolled,
        broken_from_day=0 if broken else None,
        live=live,
        off_days=off_days,
        late_days=late_days,
    )
    draft.gateways.append(gateway)
    return gateway


def _serial(draft: _Draft, profile: str) -> str:
    while True:
        digits = str(draft.rng.randint(10_000_000, 999_999_999))
        serial = digits if profile in READS_SERIAL else f"{profile[:2].upper()}{digits}"
        if serial not in draft.taken:
            draft.taken.add(serial)
            return serial


def _behaviour(draft: _Draft, pattern: str = "work") -> Behaviour:
    rng = draft.rng
    return Behaviour(
        key=f"{draft.spec.seed}/{rng.getrandbits(64):016x}",
        pattern=pattern,
        shift_start_h=rng.randint(6, 9),
        shift_h=rng.choice([9, 10, 12, 14, 16]),
        duty=rng.uniform(0.75, 0.95),
        cycle_s=rng.randint(18, 95),
        current_ma=rng.randint(1_200, 3_800),
        weekend=rng.choice([0.3, 0.6, 1.0]),
        first_count=rng.randint(0, 150),
    )


def _device(draft: _Draft, gateway: Gateway, profile: str, from_day: int) -> Device:
    manufacturer, model = next(
        ((item[1], item[2]) for item in MODELS if item[0] == profile),
        ("Inovance", "H5U") if profile == PLC_PROFILE else ("Schneider Electric", "PM5110"),
    )
    reads = profile in READS_SERIAL or profile == METER_PROFILE
    return Device(
        device=draft.new_id("dev-"),
        gateway=gateway.gateway,
        profile=profile,
        manufacturer=manufacturer,
        model=model,
        serial=_serial(draft, profile) if profile != METER_PROFILE else str(draft.rng.randint(10**8, 10**9)),
        source="register" if reads else "declared",
        behaviour=_behaviour(draft),
        from_day=from_day,
    )


def _claim(draft: _Draft, kind: str, gateway: Gateway, device: Device, day: int) -> RobotClaim:
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


def _draw_profile(draft: _Draft) -> str:
    names = [item[0] for item in MODELS]
    return draft.rng.choices(names, [item[3] for item in MODELS])[0]


def _commission_day(draft: _Draft) -> int:
    return draft.rng.randint(FIRST_COMMISSION_DAY, LAST_COMMISSION_DAY)


def _draw_robots(draft: _Draft) -> None:
    """Place every robot claim in a workshop; the honest ones first, so that copies have originals."""
    spec, rng = draft.spec, draft.rng
    live = [_workshop(draft, live=True) for _ in range(spec.live_gateways)]
    ordinary = [
        kind for kind, count in spec.robots.items() if kind not in SPECIAL_GATEWAYS for _ in range(count)
    ]
    live_kinds = [kind for kind in ordinary if kind in LIVE_KINDS]
    ordinary = [kind for kind in ordinary if kind not in LIVE_KINDS]
    extra = max(0, spec.live_robots - len(live_kinds))
    live_kinds += ["honest"] * extra
    for _ in range(extra):
        ordinary.remove("honest")
    honest_first = sorted(ordinary, key=lambda kind: kind != "honest")
    count = max(PROMPT_WORKSHOPS, len(ordinary) // spec.robots_a_gateway)
    workshops = [_workshop(draft, prompt=number < PROMPT_WORKSHOPS) for number in range(count)]
    places = {workshop.gateway: 0 for workshop in workshops}
    for number, kind in enumerate(live_kinds):
        _place(draft, kind, live[number % len(live)])
    for workshop in workshops[:PROMPT_WORKSHOPS]:
        _place_original(draft, workshop)
        honest_first.remove("honest")
    for kind in honest_first:
        least = min(places.values())
        workshop = rng.choice([item for item in workshops if places[item.gateway] == least])
        places[workshop.gateway] += 1
        _place(draft, kind, workshop)
    for kind in SPECIAL_GATEWAYS:
        for number in range(spec.robots.get(kind, 0)):
            if number % spec.robots_a_gateway == 0:
                workshop = _workshop(draft, enrolled=kind != "unenrolled", broken=kind == "broken_chain")
            _place(draft, kind, workshop)


def _place_original(draft: _Draft, gateway: Gateway) -> None:
    """Add an honest robot that tells its serial, on the first day: so that every city has something to copy."""
    device = _device(draft, gateway, min(READS_SERIAL), FIRST_COMMISSION_DAY)
    draft.devices.append(device)
    draft.robots.append(_claim(draft, "honest", gateway, device, FIRST_COMMISSION_DAY))


def _place(draft: _Draft, kind: str, gateway: Gateway) -> None:
    """Add one robot of a kind to a workshop: its device and its claim."""
    day = _commission_day(draft)
    if kind == "never_installed":
        ghost = _device(draft, gateway, _draw_profile(draft), day)
        draft.robots.append(_claim(draft, kind, gateway, ghost, day))
        return
    maker = _MAKERS.get(kind)
    device = maker(draft, gateway, day) if maker else _device(draft, gateway, _draw_profile(draft), day)
    draft.devices.append(device)
    commissioned = day if kind == "worked_before" else device.from_day
    claim = _claim(draft, kind, gateway, device, commissioned)
    if kind == "live_conflict":
        claim = replace(claim, serial=_serial(draft, device.profile))
    draft.robots.append(claim)


def _idle(draft: _Draft, gateway: Gateway, day: int) -> Device:
    device = _device(draft, gateway, _draw_profile(draft), day)
    return replace(device, behaviour=_behaviour(draft, "idle"))


def _one_day_show(draft: _Draft, gateway: Gateway, day: int) -> Device:
    device = _device(draft, gateway, _draw_profile(draft), day)
    return replace(
        device, behaviour=replace(_behaviour(draft, "show"), show_day=day + draft.rng.randint(0, 3))
    )


def _originals(draft: _Draft, other: Gateway, profiles: frozenset[str] | None = None) -> list[Device]:
    """List honest devices that can be copied: early, and of workshops whose batches came in time.

    Where the network held the original's days back, receive time would not tell it from its copy.
    """
    honest = {claim.device for claim in draft.robots if claim.kind == "honest"}
    unfit = {gateway.gateway for gateway in draft.gateways if gateway.live or gateway.late_days}
    return [
        device
        for device in draft.devices
        if device.device in honest
        and device.gateway != other.gateway
        and device.gateway not in unfit
        and device.from_day <= FIRST_COMMISSION_DAY + 3
        and (profiles is None or device.profile in profiles)
    ]


def _clone(draft: _Draft, gateway: Gateway, _day: int) -> Device:
    original = draft.rng.choice(_originals(draft, gateway))
    delay = draft.rng.randint(1, 4)
    device = _device(draft, gateway, original.profile, original.from_day + delay)
    return replace(device, behaviour=replace(original.behaviour, delay_days=delay))


def _claimed_twice(draft: _Draft, gateway: Gateway, _day: int) -> Device:
    original = draft.rng.choice(_originals(draft, gateway, READS_SERIAL))
    device = _device(draft, gateway, original.profile, original.from_day + draft.rng.randint(2, 5))
    return replace(device, serial=original.serial)


def _relocated(draft: _Draft, gateway: Gateway, day: int) -> Device:
    """Let the robot stand, unclaimed, in another workshop before it comes to this one as new."""
    profile = draft.rng.choice(sorted(READS_SERIAL))
    device = _device(draft, gateway, profile, day)
    elsewhere = draft.rng.choice(
        [
            item
            for item in draft.gateways
            if item.kind == "edge" and item.workshop and item != gateway and not item.live
        ]
    )
    first = max(0, elsewhere.from_day)
    before = replace(
        _device(draft, elsewhere, profile, first), serial=device.serial, until_day=max(first + 1, day - 1)
    )
    draft.devices.append(before)
    return replace(device, from_day=max(day, (before.until_day or 0) + 1))


def _worked_before(draft: _Draft, gateway: Gateway, _day: int) -> Device:
    return _device(draft, gateway, _draw_profile(draft), draft.rng.randint(0, 3))


def _plc(draft: _Draft, gateway: Gateway, day: int) -> Device:
    device = _device(draft, gateway, PLC_PROFILE, day)
    _, manufacturer, model, _ = draft.rng.choice(MODELS)
    return replace(device, manufacturer=manufacturer, model=model)


def _silent_identity(device: Device) -> Device:
    return replace(device, source="", live_serial=device.serial)


def _live_identity(draft: _Draft, gateway: Gateway, day: int) -> Device:
    return _silent_identity(_device(draft, gateway, "jaka_zu", day))


def _live_plc(draft: _Draft, gateway: Gateway, day: int) -> Device:
    device = _device(draft, gateway, XARM_PROFILE, day)
    return replace(device, source="", live_product="PFC200 PLC")


_MAKERS = {
    "idle": _idle,
    "one_day_show": _one_day_show,
    "clone": _clone,
    "claimed_twice": _claimed_twice,
    "relocated": _relocated,
    "worked_before": _worked_before,
    "plc": _plc,
    "live_identity": _live_identity,
    "live_conflict": _live_identity,
    "live_plc": _live_plc,
}


def _add_cell_devices(draft: _Draft) -> None:
    """Give some workshops a PLC that counts parts and an energy meter, as cells have them."""
    workshops = [item for item in draft.gateways if item.kind == "edge" and item.from_day == 0]
    for number, gateway in enumerate(workshops):
        if gateway.live or number % 6 == 0:
            draft.devices.append(_device(draft, gateway, PLC_PROFILE, 0))
            draft.devices.append(_device(draft, gateway, METER_PROFILE, 0))
