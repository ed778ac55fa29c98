"""How large are the usual cities, and how many of each kind claim in them? Specifications, by seed."""

from __future__ import annotations

from simulators.kinds import ENTERPRISE_KINDS, ROBOT_KINDS
from simulators.world import WorldSpec

LIVE_KINDS = ("live_identity", "live_plc", "live_conflict")
"""Kinds whose tell is told over real sockets only, in the demonstration's live part."""
LIE_SHARE, ENTERPRISE_LIE_SHARE = 0.01, 0.008
"""Share of each dishonest kind among a city's claims; at least two robots and three enterprises of each."""
LIES_MIN, ENTERPRISE_LIES_MIN = 2, 3
ROBOTS_A_GATEWAY, ENTERPRISES_A_PROVIDER = 7, 1_100
EVIDENCE_DAYS = 20
"""Days before the end by which a lie's robot comes, and an honest one's copies have an original."""
LATEST_DAYS = 6
DAYS_MIN = 42
"""A shorter city has no room for copies that come days after their originals and still show enough."""
POLLS_A_WINDOW = 2


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


def city_spec(
    seed: int, *, robots: int = 150, enterprises: int = 400, days: int = 45, window_s: int = 3_600
) -> WorldSpec:
    """Give a city with every kind of lie and fault; ValueError where it would be too small or short to hold them."""
    lies = [kind for kind in ROBOT_KINDS if kind != "honest" and kind not in LIVE_KINDS]
    each = max(LIES_MIN, round(robots * LIE_SHARE) // 2 * 2)
    other = [kind for kind in ENTERPRISE_KINDS if kind != "honest"]
    few = max(ENTERPRISE_LIES_MIN, round(enterprises * ENTERPRISE_LIE_SHARE))
    least = (2 * each * len(lies), 2 * few * len(other))
    if robots < least[0] or enterprises < least[1] or days < DAYS_MIN:
        raise ValueError(
            f"a city needs {least[0]} robots, {least[1]} enterprises and {DAYS_MIN} days to hold every kind of lie "
            "among as many honest ones"
        )
    return WorldSpec(
        seed=seed,
        robots={"honest": robots - each * len(lies)} | dict.fromkeys(lies, each),
        enterprises={"honest": enterprises - few * len(other)} | dict.fromkeys(other, few),
        days=days,
        window_s=window_s,
        poll_s=max(1, window_s // POLLS_A_WINDOW),
        robots_a_gateway=ROBOTS_A_GATEWAY,
        providers=max(3, enterprises // ENTERPRISES_A_PROVIDER),
        live_gateways=0,
        live_robots=0,
        commission_days=(8, days - EVIDENCE_DAYS - 5),
        latest_honest_day=days - LATEST_DAYS,
        faults=True,
    )


def expected_rows(spec: WorldSpec) -> int:
    """Estimate a city's rows: those of robots from when they come, of customers from when they sign."""
    first, last = spec.commission_days
    lived = spec.days - (first + last) // 2
    windows = 86_400 // spec.window_s
    robots, customers = sum(spec.robots.values()), sum(spec.enterprises.values())
    return robots * lived * windows + customers * lived
