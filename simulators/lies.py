"""How is each lie told? A maker a kind: it draws the device (and what else the lie needs) that a claim stands on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators.draft import (
    COUNTING_ARM,
    COUNTS_CYCLES,
    MODELS,
    PLC_PROFILE,
    READS_SERIAL,
    XARM_PROFILE,
    draw_device,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.draft import Draft
    from simulators.world import Behaviour, Device, Gateway

    Maker = Callable[[Draft, Gateway, int], Device]

COPY_FROM_DAYS = 3
"""An original came at most so many days after the first ones: its copies come days later and still show enough."""
HIDDEN_PROFILE = "universal_robots_e_series"
"""A map without serial and lifetime counter: nothing tells its age."""


def idle(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Power a robot that never runs."""
    return _with(draw_device(draft, gateway, draft.profile(), day), pattern="idle")


def one_day_show(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Let a robot run on the day of the visit."""
    device = draw_device(draft, gateway, draft.profile(), day)
    return _with(device, pattern="show", show_day=day + draft.rng.randint(0, 3))


def _with(device: Device, **changes: object) -> Device:
    behaviour: Behaviour = replace(device.behaviour, **changes)  # type: ignore[arg-type]
    return replace(device, behaviour=behaviour)


def originals(draft: Draft, other: Gateway, profiles: frozenset[str] | None = None) -> list[Device]:
    """List honest devices that can be copied: early, and of workshops whose batches came in time.

    Where the network held the original's days back, receive time would not tell it from its copy.
    """
    honest = {claim.device for claim in draft.robots if claim.kind == "honest"}
    unfit = {gateway.gateway for gateway in draft.gateways if gateway.live or gateway.late_days}
    latest = draft.spec.commission_days[0] + COPY_FROM_DAYS
    return [
        device
        for device in draft.devices
        if device.device in honest
        and device.gateway != other.gateway
        and device.gateway not in unfit
        and device.from_day <= latest
        and (profiles is None or device.profile in profiles)
    ]


def _copied(draft: Draft, gateway: Gateway, days: int, **changes: object) -> Device:
    """Copy an original's behaviour, days later; what its own line loses is its own only where the copy is disturbed."""
    original = draft.rng.choice(originals(draft, gateway))
    device = draw_device(draft, gateway, original.profile, original.from_day + days)
    behaviour = replace(original.behaviour, delay_days=days, **changes)  # type: ignore[arg-type]
    return replace(device, behaviour=behaviour, faults=None)


def clone(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Repeat another robot's days some days later."""
    return _copied(draft, gateway, draft.rng.randint(1, 4))


def clone_shifted(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Repeat another robot's polls some days and hours later."""
    return _copied(draft, gateway, draft.rng.randint(1, 9), delay_hours=draft.rng.randint(1, 11))


def clone_scaled(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Repeat another robot's polls later, with all counts and currents scaled."""
    scale = draft.rng.choice([draft.rng.uniform(0.5, 0.85), draft.rng.uniform(1.15, 2.0)])
    return _copied(
        draft, gateway, draft.rng.randint(1, 9), scale=scale, noise_key=f"{draft.rng.getrandbits(64):016x}"
    )


def clone_noisy(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Repeat another robot's polls later, with noise on all counts and currents."""
    noise, key = draft.rng.uniform(0.02, 0.15), f"{draft.rng.getrandbits(64):016x}"
    return _copied(draft, gateway, draft.rng.randint(1, 9), noise=noise, noise_key=key)


def replay(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Work for a week or two, then repeat it for good."""
    day = draft.rng.randint(*_early(draft))
    weeks = draft.rng.randint(1, 2)
    device = draw_device(draft, gateway, draft.profile(), day)
    device = _with(device, replay_from_day=day + 1, replay_days=7 * weeks)
    return replace(device, faults=None)


def _early(draft: Draft) -> tuple[int, int]:
    """Give the days on which a lie begins that needs time to show."""
    first, last = draft.spec.commission_days
    return first, min(first + COPY_FROM_DAYS, last)


def claimed_twice(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Let another device tell the serial of a robot that is claimed elsewhere."""
    original = draft.rng.choice(originals(draft, gateway, READS_SERIAL))
    device = draw_device(draft, gateway, original.profile, original.from_day + draft.rng.randint(2, 5))
    return replace(device, serial=original.serial)


def relocated(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Let the robot stand, unclaimed, in another workshop before it comes to this one as new."""
    profile = draft.rng.choice(sorted(READS_SERIAL))
    device = draw_device(draft, gateway, profile, day)
    elsewhere = draft.rng.choice(
        [
            item
            for item in draft.gateways
            if item.kind == "edge"
            and item.workshop
            and item.from_day < day - 2
            and item != gateway
            and not (item.live or item.unsynced_days)
        ]
    )
    first = max(0, elsewhere.from_day)
    before = replace(
        draw_device(draft, elsewhere, profile, first), serial=device.serial, until_day=max(first + 1, day - 1)
    )
    draft.devices.append(before)
    return replace(device, from_day=max(day, (before.until_day or 0) + 1))


def second_hand(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Claim a robot whose lifetime counter has seen years."""
    device = draw_device(draft, gateway, COUNTING_ARM, day)
    return _with(device, first_on_s=draft.rng.randint(1_500, 30_000) * 3600)


def second_hand_hidden(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Claim an old robot whose map tells no age, behind a gateway that came no earlier than it."""
    return draw_device(draft, gateway, HIDDEN_PROFILE, max(day, gateway.from_day))


def replacement(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Put a new robot in an old one's place, on the old one's line; the claim does not mention the old one."""
    profile = draft.rng.choice(sorted(READS_SERIAL))
    device = draw_device(draft, gateway, profile, max(gateway.from_day, day - draft.rng.randint(4, 7)))
    faults = replace(device.faults, reset_day=None) if device.faults else None
    return replace(device, swap_day=day, swap_serial=draft.serial(profile), faults=faults)


def worked_before(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Claim a robot that has worked since before the period."""
    return draw_device(draft, gateway, draft.profile(), draft.rng.randint(0, 3))


def plc(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Present a PLC as a robot."""
    device = draw_device(draft, gateway, PLC_PROFILE, day)
    _, manufacturer, model, _ = draft.rng.choice(MODELS)
    return replace(device, manufacturer=manufacturer, model=model)


def simulator(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Present a program that answers as a robot does, and says so when asked."""
    device = draw_device(draft, gateway, XARM_PROFILE, day)
    words = ["Modbus Slave Simulator", "ModbusTool simulator", "Soft-PLC", "simulator"]
    return replace(device, source="fc43", product=draft.rng.choice(words))


def single_axis(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Present a linear actuator as a robot."""
    device = draw_device(draft, gateway, draft.rng.choice(sorted(READS_SERIAL)), day)
    return replace(device, axes=draft.rng.randint(1, 2))


def _counting(draft: Draft) -> str:
    return draft.rng.choice(sorted(COUNTS_CYCLES))


def script_constant(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Let a script add the same at every poll."""
    device = draw_device(draft, gateway, _counting(draft), draft.rng.randint(*_early(draft)))
    return _with(device, pattern="constant")


def script_periodic(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Let a script walk through a short table of increments, over and over."""
    device = draw_device(draft, gateway, _counting(draft), draft.rng.randint(*_early(draft)))
    return _with(device, pattern="periodic", period=draft.rng.randint(3, 11))


def script_jitter(draft: Draft, gateway: Gateway, _day: int) -> Device:
    """Let a script add jitter from a small pseudo-random generator."""
    device = draw_device(draft, gateway, _counting(draft), draft.rng.randint(*_early(draft)))
    return _with(device, pattern="jitter", period=1)


def impossible_rate(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Let a counter run thousands of times a minute, past a gateway that was made to believe it."""
    device = draw_device(draft, gateway, _counting(draft), day)
    return replace(_with(device, cycle_s=draft.rng.uniform(0.02, 0.1)), is_doctored=True)


def preset(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Preset a counter, so that the robot seems to have worked hard."""
    device = draw_device(draft, gateway, _counting(draft), day)
    return _with(device, first_count=draft.rng.randint(5_000_000, 90_000_000))


def motionless(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Say running and count, while no joint draws a current or moves."""
    return _with(draw_device(draft, gateway, _counting(draft), day), moves=False)


def silent_identity(device: Device) -> Device:
    """Keep the identity for the live part."""
    return replace(device, source="", live_serial=device.serial)


def live_identity(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Place a robot whose serial is read over a real socket only."""
    return silent_identity(draw_device(draft, gateway, "jaka_zu", day))


def live_plc(draft: Draft, gateway: Gateway, day: int) -> Device:
    """Place a device that says over a real socket that it is a PLC."""
    device = draw_device(draft, gateway, XARM_PROFILE, day)
    return replace(device, source="", live_product="PFC200 PLC")


MAKERS: Mapping[str, Maker] = {
    "idle": idle,
    "one_day_show": one_day_show,
    "clone": clone,
    "clone_shifted": clone_shifted,
    "clone_scaled": clone_scaled,
    "clone_noisy": clone_noisy,
    "replay": replay,
    "claimed_twice": claimed_twice,
    "relocated": relocated,
    "second_hand": second_hand,
    "second_hand_hidden": second_hand_hidden,
    "replacement": replacement,
    "worked_before": worked_before,
    "plc": plc,
    "simulator": simulator,
    "single_axis": single_axis,
    "script_constant": script_constant,
    "script_periodic": script_periodic,
    "script_jitter": script_jitter,
    "impossible_rate": impossible_rate,
    "preset": preset,
    "motionless": motionless,
    "live_identity": live_identity,
    "live_conflict": live_identity,
    "live_plc": live_plc,
}
"""Kinds that need more than an honest device."""
