"""How does a seed become a city? Enterprises first, then workshops, then every claim in its place."""

from __future__ import annotations

import random
from dataclasses import replace

from simulators.customers import draw_customers
from simulators.draft import (
    METER_PROFILE,
    PLC_PROFILE,
    READS_SERIAL,
    Draft,
    draw_claim,
    draw_device,
    open_workshop,
)
from simulators.lies import MAKERS
from simulators.specs import LIVE_KINDS
from simulators.world import Device, Gateway, World, WorldSpec

PROMPT_WORKSHOPS = 2
"""Workshops whose network never holds a batch back: two, so that a copy's original stands in another one."""
ORIGINALS = 3
"""Early robots of each prompt workshop of a city with faults."""
SPECIAL_GATEWAYS = ("unenrolled", "revoked", "broken_chain", "second_hand_hidden")
PAIRED = ("relabelled", "two_enterprises")
"""Kinds of which two claims stand on one robot."""
SWAPPED_SHARE, DOCUMENTED_SHARE = 0.1, 0.5
UNTOLD_SERIAL = ("universal_robots_e_series", "ufactory_xarm6")
"""Robots whose label is all there is to their serial."""
LATE_WORKSHOPS = 0.15
"""Share of workshops, in a city with faults, whose gateway came after the telemetry began."""
DAYS_BEFORE = 7
"""Days by which such a gateway still comes before its first robot."""


def build_world(spec: WorldSpec) -> World:
    """Draw the city of this specification; the same specification gives the same city."""
    draft = Draft(spec, random.Random(f"world {spec.seed}"))
    draw_customers(draft)
    _draw_robots(draft)
    _add_cell_devices(draft)
    draft.rng.shuffle(draft.robots)
    draft.rng.shuffle(draft.enterprises)
    draft.gateways.sort(key=lambda gateway: gateway.gateway)
    draft.devices.sort(key=lambda device: (device.gateway, device.device))
    return World(
        spec, tuple(draft.enterprises), tuple(draft.gateways), tuple(draft.devices), tuple(draft.robots)
    )


def _new_workshop(draft: Draft, *, live: bool = False, prompt: bool = False) -> Gateway:
    gateway = open_workshop(draft, live=live, prompt=prompt)
    if draft.spec.faults and not prompt and draft.rng.random() < LATE_WORKSHOPS:
        first = draft.spec.commission_days[0]
        gateway = replace(gateway, from_day=draft.rng.randint(1, first - DAYS_BEFORE + 1))
    draft.gateways.append(gateway)
    return gateway


def _draw_robots(draft: Draft) -> None:
    """Place every robot claim in a workshop; the honest ones first, so that copies have originals."""
    spec = draft.spec
    live = [_new_workshop(draft, live=True) for _ in range(spec.live_gateways)]
    kinds = [
        kind
        for kind, count in spec.robots.items()
        if kind not in SPECIAL_GATEWAYS + PAIRED
        for _ in range(count)
    ]
    live_kinds = [kind for kind in kinds if kind in LIVE_KINDS]
    ordinary = [kind for kind in kinds if kind not in LIVE_KINDS]
    extra = max(0, spec.live_robots - len(live_kinds))
    live_kinds += ["honest"] * extra
    for _ in range(extra):
        ordinary.remove("honest")
    count = max(PROMPT_WORKSHOPS, len(ordinary) // spec.robots_a_gateway)
    workshops = [_new_workshop(draft, prompt=number < PROMPT_WORKSHOPS) for number in range(count)]
    for number, kind in enumerate(live_kinds):
        _place(draft, kind, live[number % len(live)])
    for workshop in workshops[:PROMPT_WORKSHOPS]:
        for _ in range(ORIGINALS if spec.faults else 1):
            _place_original(draft, workshop)
            ordinary.remove("honest")
    _fill(draft, workshops, sorted(ordinary, key=lambda kind: kind != "honest"))
    _place_special(draft)
    for kind in PAIRED:
        for _ in range(spec.robots.get(kind, 0) // 2):
            _place_pair(draft, kind, workshops)


def _fill(draft: Draft, workshops: list[Gateway], kinds: list[str]) -> None:
    """Spread claims evenly over workshops, by chance among those with the fewest."""
    places = {workshop.gateway: 0 for workshop in workshops}
    for kind in kinds:
        least = min(places.values())
        workshop = draft.rng.choice([item for item in workshops if places[item.gateway] == least])
        places[workshop.gateway] += 1
        _place(draft, kind, workshop)


def _place_pair(draft: Draft, kind: str, workshops: list[Gateway]) -> None:
    """Claim one robot twice: on one line for two enterprises, or under two labels behind two gateways."""
    here, there = draft.rng.sample([item for item in workshops if item.from_day == 0], 2)
    day = draft.commission_day(kind)
    if kind == "two_enterprises":
        device = draw_device(draft, here, draft.profile(), day)
        draft.devices.append(device)
        first = draw_claim(draft, kind, here, device, day)
        second = draw_claim(draft, kind, here, device, day)
        draft.robots += [first, replace(second, uscc=there.uscc, workshop=there.workshop)]
        return
    device = replace(draw_device(draft, here, draft.rng.choice(UNTOLD_SERIAL), day), faults=None)
    label = replace(
        device,
        device=draft.new_id("dev-"),
        gateway=there.gateway,
        serial=draft.serial(device.profile),
    )
    draft.devices += [device, label]
    draft.robots += [
        draw_claim(draft, kind, here, device, day),
        draw_claim(draft, kind, there, label, day),
    ]


def _swapped_controller(draft: Draft, device: Device) -> Device:
    """Let an honest robot's controller be replaced: another serial, counters anew, and a document."""
    first, last = device.from_day + 2, draft.spec.days - 3
    if device.source == "declared" or first > last:
        return device
    day, serial = draft.rng.randint(first, last), draft.serial(device.profile)
    return replace(device, swap_day=day, swap_serial=serial)


def _place_special(draft: Draft) -> None:
    """Open the workshops whose gateway itself is the tell, or hides one."""
    spec = draft.spec
    workshop: Gateway
    for kind in SPECIAL_GATEWAYS:
        for number in range(spec.robots.get(kind, 0)):
            if number % spec.robots_a_gateway == 0:
                workshop = _special_workshop(draft, kind)
            _place(draft, kind, workshop)


def _special_workshop(draft: Draft, kind: str) -> Gateway:
    first = draft.spec.commission_days[0]
    workshop = open_workshop(draft)
    if kind == "unenrolled":
        workshop = replace(workshop, enrolled=False)
    elif kind == "broken_chain":
        last = draft.rng.randint(0, first + 1) if draft.spec.faults else 0
        workshop = replace(workshop, broken_from_day=last, replaced_day=None)
    elif kind == "revoked":
        workshop = replace(workshop, revoked_day=first + draft.rng.randint(2, 4), replaced_day=None)
    else:
        workshop = replace(workshop, from_day=draft.spec.commission_days[1], replaced_day=None)
    draft.gateways.append(workshop)
    return workshop


def _place_original(draft: Draft, gateway: Gateway) -> None:
    """Add an honest robot that tells its serial, on the first day: so that every city has something to copy."""
    day = draft.spec.commission_days[0]
    device = draw_device(draft, gateway, min(READS_SERIAL), day)
    draft.devices.append(device)
    draft.robots.append(draw_claim(draft, "honest", gateway, device, day))


def _place(draft: Draft, kind: str, gateway: Gateway) -> None:
    """Add one robot of a kind to a workshop: its device and its claim."""
    day = draft.commission_day(kind)
    if kind == "revoked":
        day = draft.spec.commission_days[0]
    if kind == "never_installed":
        ghost = draw_device(draft, gateway, draft.profile(), day)
        draft.robots.append(draw_claim(draft, kind, gateway, ghost, day))
        return
    maker = MAKERS.get(kind)
    device = maker(draft, gateway, day) if maker else draw_device(draft, gateway, draft.profile(), day)
    if kind == "honest" and draft.spec.faults and draft.rng.random() < SWAPPED_SHARE:
        device = _swapped_controller(draft, device)
    draft.devices.append(device)
    commissioned = day if kind in {"worked_before", "replacement"} else device.from_day
    claim = draw_claim(draft, kind, gateway, device, commissioned)
    if kind == "live_conflict":
        claim = replace(claim, serial=draft.serial(device.profile))
    elif kind == "replacement":
        document = draft.rng.random() < DOCUMENTED_SHARE
        claim = replace(claim, serial=device.swap_serial, replaces=device.serial if document else "")
    draft.robots.append(claim)


def _add_cell_devices(draft: Draft) -> None:
    """Give some workshops a PLC that counts parts and an energy meter, as cells have them."""
    workshops = [item for item in draft.gateways if item.kind == "edge" and item.from_day == 0]
    for number, gateway in enumerate(workshops):
        if gateway.live or number % 6 == 0:
            draft.devices.append(draw_device(draft, gateway, PLC_PROFILE, 0))
            draft.devices.append(draw_device(draft, gateway, METER_PROFILE, 0))
