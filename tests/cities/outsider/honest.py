"""Which honest robots stand in the city? Lines, twins, ramps, seasons, exchanged parts, replaced boxes."""

from __future__ import annotations

from tests.cities.outsider.cast import City, fitting, honest_robot, plain_robot
from tests.cities.outsider.devices import PROFILES, Profile
from tests.cities.outsider.machines import JOBS, line_of_robots, twins, work
from tests.cities.outsider.shifts import DAY

BY_NAME = {profile.name: profile for profile in PROFILES}
MOVERS = [BY_NAME[name] for name in ("orbit_r6", "nimbus_c5", "tekko_birth", "vela_d3")]


def some(city: City, profiles: list[Profile]) -> Profile:
    return profiles[int(city.rng.integers(0, len(profiles)))]


def honest_line(city: City) -> int:
    """Two or three robots of one conveyor, behind one gateway or two of one workshop."""
    firm, count = city.new_firm(), int(city.rng.integers(2, 4))
    gateways = [city.new_gateway(firm)]
    if city.rng.random() < 0.4:
        gateways.append(city.new_gateway(firm))
        gateways[1].workshop = gateways[0].workshop
    for number, trace in enumerate(line_of_robots(city.rng, city.dates, count)):
        honest_robot(city, firm, gateways[number % len(gateways)], trace, "honest_line")
    return count


def honest_twins(city: City) -> int:
    firm = city.new_firm()
    gateway, count = city.new_gateway(firm), int(city.rng.integers(2, 5))
    made = twins(city.rng, city.dates, count)
    model = fitting(city.rng, min(made, key=lambda trace: trace.power_w))
    for trace in made:
        honest_robot(city, firm, gateway, trace, "honest_twin", profile=model)
    return count


def honest_fresh(city: City) -> int:
    """Its controller is exchanged in mid-period: counters start afresh, the body stays."""
    at = int(city.rng.integers(20, max(city.days - 12, 21))) * DAY + 600
    model = some(city, [p for p in MOVERS if not p.modulus])
    plain_robot(city, "honest_controller", fresh_at=at, profile=model, resets_when_off=False)
    return 1


def honest_exchanged(city: City) -> int:
    """Its body is exchanged under warranty, with a document; still one robot."""
    model = some(city, [p for p in MOVERS if not p.modulus])
    at = int(city.rng.integers(20, max(city.days - 12, 21))) * DAY + 600
    fresh = city.serial(model)
    device, made = plain_robot(
        city, "honest_exchanged", profile=model, fresh_at=at, serial_from=(at, fresh), resets_when_off=False
    )
    old = device.identity["serial"]
    line = {"robot": made.robot, "on": city.day(at), "old_serial": old, "new_serial": fresh}
    city.replacements.append({**line, "document": f"Z{city.rng.integers(100, 999)}"})
    return 1


def honest_coarse(city: City) -> int:
    """A small robot behind a meter that shows whole kilowatts: its swing hardly shows."""
    firm = city.new_firm()
    trace = work(city.rng, city.dates, job=str(city.rng.choice(["assembly", "gluing", "press"])))
    honest_robot(city, firm, city.new_gateway(firm), trace, "honest_coarse", profile=BY_NAME["massiv_big"])
    return 1


def honest_new_box(city: City) -> int:
    """Its gateway's box is replaced once, or twice with a person's word."""
    firm, twice = city.new_firm(), city.rng.random() < 0.5
    at = [int(city.rng.integers(12, 20)) * DAY + 500] + (
        [int(city.rng.integers(25, 34)) * DAY] if twice else []
    )
    gateway = city.new_gateway(firm, replaced_at=at, replaced_keys=not twice)
    honest_robot(city, firm, gateway, work(city.rng, city.dates), "honest_new_box")
    if twice:
        city.words.append({"gateway": gateway.gateway, "which": 2, "why": "disk replaced after a power cut"})
    return 1


def honest(city: City, turn: int) -> int:
    """Install the next honest robot or robots; give how many."""
    jobs = list(JOBS)
    made = turn % 13
    if made == 12:
        return honest_coarse(city)
    if made == 3:
        return honest_line(city)
    if made == 7:
        return honest_twins(city)
    if made in {5, 9, 11}:
        return {5: honest_fresh, 9: honest_exchanged, 11: honest_new_box}[made](city)
    style = {1: "ramp", 2: "season"}.get(made, "plain")
    plain_robot(city, f"honest_{style}", style, job=jobs[turn % len(jobs)])
    return 1
