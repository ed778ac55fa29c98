"""A world is a function of its seed, its truth has tells, and its names tell nothing."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest

from simulators.build import LIVE_KINDS, build_world, demo_spec, small_spec
from simulators.usage import ENOUGH_DAYS, active_days
from simulators.world import ENTERPRISE_KINDS, ROBOT_KINDS, World, WorldSpec


@pytest.fixture(scope="module")
def city() -> World:
    return build_world(demo_spec(1))


def test_the_same_seed_gives_the_same_city_and_another_another() -> None:
    assert build_world(small_spec(5)) == build_world(small_spec(5))
    assert build_world(small_spec(5)) != build_world(small_spec(6))


def test_the_demonstration_is_a_city(city: World) -> None:
    robots = Counter(truth.expected for truth in city.robot_truth().values())
    enterprises = Counter(truth.expected for truth in city.enterprise_truth().values())
    assert sum(robots.values()) >= 1_300
    assert robots["confirmed"] >= 1_200
    assert enterprises["confirmed"] > 15_000
    assert {
        kind for kind in ROBOT_KINDS if kind not in {t.kind for t in city.robot_truth().values()}
    } == set()


@pytest.mark.parametrize("kinds", [ROBOT_KINDS, ENTERPRISE_KINDS])
def test_every_lie_has_a_tell_and_no_truth_has_one_that_refutes(kinds: dict[str, tuple[str, str]]) -> None:
    for kind, (expected, tell) in kinds.items():
        assert expected in {"confirmed", "refuted", "unproven"}
        assert tell or expected == "confirmed", kind


def test_ids_are_unique_and_carry_no_class(city: World) -> None:
    """Sorting by id must not sort by truth: the mean rank of liars lies near the middle."""
    robots = sorted(city.robots, key=lambda claim: claim.robot)
    assert len({claim.robot for claim in robots}) == len(robots)
    ranks = [rank for rank, claim in enumerate(robots) if ROBOT_KINDS[claim.kind][0] != "confirmed"]
    middle, spread = len(robots) / 2, len(robots) / (12 * len(ranks)) ** 0.5
    assert abs(statistics.mean(ranks) - middle) < 5 * spread
    order = [rank for rank, claim in enumerate(city.robots) if ROBOT_KINDS[claim.kind][0] != "confirmed"]
    assert abs(statistics.mean(order) - middle) < 5 * spread
    assert {len(claim.robot) for claim in robots} == {len("r-") + 8}


def test_every_claim_but_the_never_installed_has_its_device(city: World) -> None:
    devices = {(device.gateway, device.device): device for device in city.devices}
    for claim in city.robots:
        device = devices.get((claim.gateway, claim.device))
        assert (device is None) == (claim.kind == "never_installed")
        if device is not None and claim.kind != "live_conflict":
            assert claim.serial in {device.serial, device.live_serial}


def test_verdicts_that_need_the_live_part_have_no_identity_in_their_past(city: World) -> None:
    devices = {device.device: device for device in city.devices}
    live = [claim for claim in city.robots if claim.kind in LIVE_KINDS]
    assert len(live) >= 5
    for claim in live:
        assert devices[claim.device].source == ""
        assert devices[claim.device].live_serial or devices[claim.device].live_product


def test_honest_enterprises_use_their_service_enough_and_no_other_needs_luck(city: World) -> None:
    for item in city.enterprises:
        days = active_days(item, city.spec.seed, city.spec.days)
        if item.kind in {"honest", "listed_twice"} and item.cloud:
            first = item.since_day
            assert len([day for day in days if first <= day < first + 14]) >= min(
                ENOUGH_DAYS, city.spec.days - first
            )
        if item.kind == "never_used":
            assert not days


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kinds: honets"):
        WorldSpec(seed=1, robots={"honets": 1}, enterprises={})
