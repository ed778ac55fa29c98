"""A world is a function of its seed, its truth has tells, and its names tell nothing."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest

from census.rules import RULES
from simulators.build import build_world
from simulators.kinds import ENTERPRISE_KINDS, ROBOT_KINDS, Kind
from simulators.specs import LIVE_KINDS, city_spec, demo_spec, expected_rows, small_spec
from simulators.usage import ENOUGH_DAYS, active_days
from simulators.world import World, WorldSpec


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
    assert {t.kind for t in city.robot_truth().values()} == set(demo_spec(1).robots)


def test_a_city_with_faults_has_every_kind_and_as_many_honest_ones() -> None:
    world = build_world(city_spec(3))
    robots = Counter(truth.kind for truth in world.robot_truth().values())
    enterprises = Counter(truth.kind for truth in world.enterprise_truth().values())
    assert set(robots) == set(ROBOT_KINDS) - set(LIVE_KINDS)
    assert set(enterprises) == set(ENTERPRISE_KINDS)
    assert (sum(robots.values()), sum(enterprises.values())) == (150, 400)
    assert 2 * robots["honest"] >= 150
    with pytest.raises(ValueError, match="a city needs"):
        city_spec(3, robots=40)


@pytest.mark.parametrize("kinds", [ROBOT_KINDS, ENTERPRISE_KINDS])
def test_every_lie_has_a_tell_and_a_rule_meant_for_it(kinds: dict[str, Kind]) -> None:
    for name, kind in kinds.items():
        assert kind.expected in {"confirmed", "refuted", "unproven"}
        assert kind.expected == "confirmed" or (kind.tell and kind.rules), name


def test_the_rules_meant_exist() -> None:
    meant = {rule for kind in (*ROBOT_KINDS.values(), *ENTERPRISE_KINDS.values()) for rule in kind.rules}
    assert meant <= set(RULES)


def test_ids_are_unique_and_carry_no_class(city: World) -> None:
    """Sorting by id must not sort by truth: the mean rank of liars lies near the middle."""
    robots = sorted(city.robots, key=lambda claim: claim.robot)
    assert len({claim.robot for claim in robots}) == len(robots)
    ranks = [rank for rank, claim in enumerate(robots) if ROBOT_KINDS[claim.kind].expected != "confirmed"]
    middle, spread = len(robots) / 2, len(robots) / (12 * len(ranks)) ** 0.5
    assert abs(statistics.mean(ranks) - middle) < 5 * spread
    order = [
        rank for rank, claim in enumerate(city.robots) if ROBOT_KINDS[claim.kind].expected != "confirmed"
    ]
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


def test_a_citys_rows_are_estimated_well_enough_to_warn() -> None:
    """The city of 150 robots and 45 days writes some 140,000 rows."""
    assert 100_000 < expected_rows(city_spec(1)) < 200_000
    assert expected_rows(city_spec(1, robots=1_300, enterprises=15_000, days=365)) > 5_000_000
