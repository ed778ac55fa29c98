from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus_plan import Block, identity_points, plan_reads, point_order, polled_points
from drivers.profiles import list_profiles, load_profile
from telemetry.profile import Modbus, Point, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = load_profile("schneider_pm5110").profile
REGISTERS = """
  a: {table: holding, address: 10, type: uint16}
  b: {table: holding, address: 11, type: uint32}
  c: {table: holding, address: 15, type: float32}
  d: {table: input, address: 17, type: int64}
  e: {table: coil, address: 3, type: bool}
"""


def blocks(profile: Profile) -> list[tuple[str, int, int]]:
    return [(block.table, block.address, block.count) for block in plan_reads(profile, profile.points)]


@pytest.mark.parametrize(
    ("modbus", "expected"),
    [
        ("{}", [("coil", 3, 1), ("input", 17, 4), ("holding", 10, 3), ("holding", 15, 2)]),
        ("{gap_max: 2}", [("coil", 3, 1), ("input", 17, 4), ("holding", 10, 7)]),
        ("{gap_max: 1}", [("coil", 3, 1), ("input", 17, 4), ("holding", 10, 3), ("holding", 15, 2)]),
        (
            "{gap_max: 2, max_registers: 6}",
            [("coil", 3, 1), ("input", 17, 4), ("holding", 10, 3), ("holding", 15, 2)],
        ),
        (
            "{gap_max: 5, holes: [[14, 14]]}",
            [("coil", 3, 1), ("input", 17, 4), ("holding", 10, 3), ("holding", 15, 2)],
        ),
    ],
)
def test_reads_keep_the_device_limits(
    make_profile: Callable[..., Profile], modbus: str, expected: list[tuple[str, int, int]]
) -> None:
    assert blocks(make_profile(REGISTERS, modbus)) == expected


def test_a_value_of_several_words_is_never_split(make_profile: Callable[..., Profile]) -> None:
    points = "".join(f"  p{n}: {{table: holding, address: {3 * n}, type: uint32}}\n" for n in range(8))
    profile = make_profile(points, "{max_registers: 7, gap_max: 1}")
    assert blocks(profile) == [("holding", 0, 5), ("holding", 6, 5), ("holding", 12, 5), ("holding", 18, 5)]


def test_bits_of_one_register_are_one_read(make_profile: Callable[..., Profile]) -> None:
    points = "".join(f"  b{n}: {{table: holding, address: 5, type: bool, bit: {n}}}\n" for n in range(3))
    assert plan_reads(make_profile(points), ["b0", "b2"]) == (Block("holding", 5, 1, ("b0", "b2")),)


@pytest.mark.parametrize("modbus", ["{max_registers: 3}", "{holes: [[19, 30]]}"])
def test_a_point_that_no_read_fits_is_named(make_profile: Callable[..., Profile], modbus: str) -> None:
    with pytest.raises(ValueError, match="d at input 17"):
        plan_reads(make_profile(REGISTERS, modbus), ["d"])


def test_identity_is_not_polled_unless_it_also_works(make_profile: Callable[..., Profile]) -> None:
    profile = make_profile(REGISTERS, further="identity: {serial: b, model: a}\nboot_clock: a\n")
    assert polled_points(profile) == ("a", "c", "d", "e")
    assert identity_points(profile) == ("a", "b")


def test_a_point_may_have_its_own_order(make_profile: Callable[..., Profile]) -> None:
    profile = make_profile(
        "  a: {table: holding, address: 1, type: int32, order: DCBA}\n"
        "  b: {table: holding, address: 3, type: int32}\n",
        "{order: CDAB}",
    )
    assert [point_order(point, profile) for point in profile.points.values()] == ["DCBA", "CDAB"]


def brute_force(places: list[tuple[int, int]], limit: int, gap: int) -> int:
    """The fewest reads over every way to cut the sorted points into runs."""
    best = [0] + [len(places) + 1] * len(places)
    for end in range(1, len(places) + 1):
        for start in range(end):
            run = places[start:end]
            within = run[-1][0] + run[-1][1] - run[0][0] <= limit
            near = all(after[0] - before[0] - before[1] <= gap for before, after in pairwise(run))
            if within and near:
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["uint16", "uint32", "int64"])), min_size=1, max_size=10
    ),
    st.integers(4, 12),
    st.integers(0, 5),
)
def test_the_plan_has_the_fewest_reads(steps: list[tuple[int, str]], limit: int, gap: int) -> None:
    points, places, at = {}, [], 0
    for number, (skip, type_name) in enumerate(steps):
        point = Point(table="holding", address=at + skip, type=type_name)  # type: ignore[arg-type]
        points[f"p{number}"] = point
        places.append((at + skip, point.words))
        at += skip + point.words
    modbus = Modbus(max_registers=limit, gap_max=gap)
    profile = BASE.model_copy(update={"points": points, "modbus": modbus})
    plan = plan_reads(profile, points)
    assert [name for block in plan for name in block.points] == list(points)
    assert len(plan) == brute_force(places, limit, gap)
    assert all(block.count <= limit for block in plan)


@pytest.mark.parametrize("name", [name for name in list_profiles() if load_profile(name).profile.modbus])
def test_every_point_of_a_packaged_profile_is_read_once(name: str) -> None:
    profile = load_profile(name).profile
    names = [one for block in plan_reads(profile, profile.points) for one in block.points]
    assert sorted(names) == sorted(profile.points)
