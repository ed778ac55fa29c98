"""Enough evidence is a matter of the world's own schedule: what an outage takes away, it takes away here too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulators.build import build_world
from simulators.enough import enough, heard_days
from simulators.specs import city_spec
from simulators.world import Gateway, World

GATEWAY = Gateway("g", "edge", "x", "w", from_day=3)


@pytest.fixture(scope="module")
def city() -> World:
    return build_world(city_spec(31))


def test_a_day_is_heard_when_the_box_was_on_its_clock_good_and_its_batch_in() -> None:
    assert heard_days(GATEWAY, 8) == [4, 5, 6, 7]
    assert heard_days(replace(GATEWAY, off_days={5: (2, 9)}), 8) == [4, 6, 7]
    assert heard_days(replace(GATEWAY, off_days={5: (2, 3)}), 8) == [4, 5, 6, 7]
    assert heard_days(replace(GATEWAY, unsynced_days={6: 3}), 8) == [4, 5, 7]
    assert heard_days(replace(GATEWAY, late_days={4: 70, 6: 70}), 8) == [4, 5, 7]
    assert heard_days(replace(GATEWAY, broken_from_day=5), 8) == [4, 5]
    assert heard_days(replace(GATEWAY, revoked_day=7), 8) == [4, 5]
    assert heard_days(replace(GATEWAY, lost_days=(5, 6)), 8) == [4, 5]
    assert heard_days(replace(GATEWAY, lost_days=(5, 6), explained=True), 8) == [4, 5, 6, 7]


def test_those_who_show_nothing_have_never_shown_enough(city: World) -> None:
    told = enough(city)
    kinds = {claim.robot: claim.kind for claim in city.robots}
    shown = {kinds[subject] for subject in told if subject in kinds}
    assert not shown & {"never_installed", "unenrolled", "revoked", "broken_chain"}
    assert {"honest", "idle", "clone", "preset", "worked_before"} <= shown
    few = [claim for claim in city.robots if claim.kind == "honest" and claim.robot not in told]
    many = [claim for claim in city.robots if claim.kind == "honest" and claim.robot in told]
    assert few
    assert len(many) >= 60


def test_a_city_whose_gateways_were_off_has_shown_nothing(city: World) -> None:
    off = dict.fromkeys(range(city.spec.days), (0, 24))
    dark = replace(city, gateways=tuple(replace(item, off_days=off) for item in city.gateways))
    robots = {claim.robot for claim in city.robots}
    assert not enough(dark) & robots


def test_an_enterprise_that_came_late_has_not_used_enough(city: World) -> None:
    late = tuple(replace(item, since_day=city.spec.days - 3) for item in city.enterprises)
    honest = {item.uscc for item in city.enterprises if item.kind == "honest" and item.cloud}
    assert honest <= enough(city)
    assert not enough(replace(city, enterprises=late)) & honest
