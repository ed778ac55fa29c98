"""Which subjects have shown enough to be told? By the world's own schedule of outages, never by the census. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.behaviour import works_on
from simulators.usage import active_days
from simulators.world import PERIOD_START_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.world import Device, Enterprise, Gateway, RobotClaim, World

WORKING_DAYS, HEARD_DAYS, USE_DAYS = 7, 11, 7
"""Days by which a claim has shown enough: of work, heard, and of use, in a fortnight."""
FORTNIGHT = 14
DAYS_BEFORE = 6
OFF_HOURS_MAX = 4
RECEIVED_BY_HOURS = 12
"""A batch held back longer than this at the very end has not come in."""
TELLS_AGE = frozenset({"example_arm6"})


def enough(world: World) -> frozenset[str]:
    """Name the robots and the enterprises (by USCC) whose telemetry suffices for their verdict."""
    gateways = {item.gateway: item for item in world.gateways}
    devices = {(item.gateway, item.device): item for item in world.devices}
    found = {
        claim.robot
        for claim in world.robots
        if _robot(claim, devices.get((claim.gateway, claim.device)), gateways[claim.gateway], world)
    }
    return frozenset(found | {item.uscc for item in world.enterprises if _enterprise(item, world, gateways)})


def heard_days(gateway: Gateway, days: int) -> list[int]:
    """List the days whose rows the store has, whole: the box on, its clock good, its batch received and linked."""
    return [
        day
        for day in range(gateway.from_day + 1, days)
        if gateway.off_days.get(day, (0, 0))[1] <= OFF_HOURS_MAX
        and day not in gateway.unsynced_days
        and gateway.late_days.get(day, 0) <= (days - 1 - day) * 24 + RECEIVED_BY_HOURS
        and (gateway.broken_from_day is None or day <= gateway.broken_from_day)
        and (gateway.explained or day < min(gateway.lost_days[1:], default=days))
        and (gateway.revoked_day is None or day < gateway.revoked_day - 1)
    ]


def _robot(claim: RobotClaim, device: Device | None, gateway: Gateway, world: World) -> bool:
    if device is None or not gateway.enrolled:
        return False
    heard = heard_days(gateway, world.spec.days)
    mine = [day for day in heard if day > max(device.from_day, claim.commissioned_day)]
    before = [day for day in heard if day < device.from_day]
    worked = [day for day in mine if works_on(device.behaviour, day)]
    # What an honest claim must show, a lie need not: to be new, and to work.
    is_shown_new = claim.kind != "honest" or len(before) >= DAYS_BEFORE or device.profile in TELLS_AGE
    works = device.behaviour.pattern in {"idle", "show"} or _most(worked) >= WORKING_DAYS
    return is_shown_new and works and _most(mine) >= HEARD_DAYS


def _enterprise(enterprise: Enterprise, world: World, gateways: dict[str, Gateway]) -> bool:
    days = world.spec.days
    if not enterprise.cloud or enterprise.kind == "never_used":
        return False
    if enterprise.kind == "own_gateway":
        own = [item for item in gateways.values() if item.uscc == enterprise.uscc]
        return any(_most(heard_days(item, days)) >= USE_DAYS for item in own)
    reporters = [item for item in gateways.values() if item.kind == "provider"]
    reporter = next(item for item in reporters if item.provider == enterprise.provider)
    late = {day for day, hours in reporter.late_days.items() if hours > (days - 1 - day) * 24}
    used = active_days(enterprise, world.spec.seed, days) - late
    if enterprise.kind == "cancelled":
        return enterprise.since_day + 9 < days
    return _most(day for day in used if day >= PERIOD_START_DAY) >= USE_DAYS


def _most(days: Iterable[int]) -> int:
    """Count the most days in any fortnight."""
    held = sorted(days)
    return max((sum(first <= day < first + FORTNIGHT for day in held) for first in held), default=0)
