"""Each lie is what it says: its behaviour, its line and its paper hold the tell, and nothing else does."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from simulators.behaviour import Moment, Totals, day_moments, works_on
from simulators.build import build_world
from simulators.kinds import ROBOT_KINDS
from simulators.specs import city_spec
from simulators.world import Behaviour
from telemetry.reading import MachineState

if TYPE_CHECKING:
    from simulators.world import Device, RobotClaim, World

POLL_MS = 1_800_000
DAY = 24 * 3_600_000


@pytest.fixture(scope="module", params=[11, 12])
def city(request: pytest.FixtureRequest) -> World:
    return build_world(city_spec(request.param))


def _of(world: World, kind: str) -> list[tuple[RobotClaim, Device]]:
    devices = {(item.gateway, item.device): item for item in world.devices}
    found = [
        (claim, devices[claim.gateway, claim.device])
        for claim in world.robots
        if claim.kind == kind and (claim.gateway, claim.device) in devices
    ]
    assert found, kind
    return found


def _day(behaviour: Behaviour, day: int, poll_ms: int = POLL_MS) -> list[Moment]:
    return list(day_moments(behaviour, day, day * DAY, poll_ms, Totals()))


def _steps(behaviour: Behaviour, days: range) -> list[int]:
    totals = Totals()
    counts = [
        moment.cycles for day in days for moment in day_moments(behaviour, day, day * DAY, POLL_MS, totals)
    ]
    return [after - before for before, after in pairwise(counts)]


def _repeats(steps: list[int], period: int) -> float:
    """Give the share of active steps that equal the one so many before, where that was active too."""
    both = [(one, two) for one, two in zip(steps, steps[period:], strict=False) if one and two]
    return sum(one == two for one, two in both) / len(both)


def test_a_shifted_clone_tells_what_its_original_did_days_and_hours_before() -> None:
    original = Behaviour(key="a")
    copy = Behaviour(key="a", delay_days=2, delay_hours=5)
    before = [moment.state for day in (10, 11) for moment in _day(original, day)]
    after = [moment.state for day in (12, 13) for moment in _day(copy, day)]
    assert after[10:] == before[:-10]


@pytest.mark.parametrize(("scale", "noise"), [(0.6, 0.0), (1.8, 0.0), (1.0, 0.1)])
def test_a_disturbed_clone_counts_like_its_original_but_not_the_same(scale: float, noise: float) -> None:
    original = _steps(Behaviour(key="a"), range(10, 20))
    copy = _steps(Behaviour(key="a", scale=scale, noise=noise, noise_key="b"), range(10, 20))
    assert original != copy
    both = [(one, two) for one, two in zip(original, copy, strict=True) if one]
    assert all(abs(two - scale * one) <= scale * noise * one + 1 for one, two in both)
    assert all(not two for one, two in zip(original, copy, strict=True) if not one)


def test_a_replay_repeats_its_first_weeks_and_an_honest_robot_never_does() -> None:
    liar = Behaviour(key="a", replay_from_day=9, replay_days=7)
    honest = Behaviour(key="a")
    assert _steps(liar, range(9, 16)) == _steps(liar, range(16, 23)) == _steps(honest, range(9, 16))
    assert _steps(honest, range(9, 16)) != _steps(honest, range(16, 23))


def test_scripts_repeat_and_no_honest_step_does() -> None:
    constant = [step for step in _steps(Behaviour(key="a", pattern="constant"), range(10, 14)) if step]
    assert len(set(constant)) == 1
    periodic = Behaviour(key="a", pattern="periodic", period=5, shift_start_h=0, shift_h=24)
    assert _repeats(_steps(periodic, range(10, 14)), 5) == 1
    jitter = Behaviour(key="a", pattern="jitter", period=1, shift_start_h=0, shift_h=24, cycle_s=10)
    steps = _steps(jitter, range(10, 14))
    assert len(set(steps)) > 4
    assert _repeats(steps, 16) == 1
    assert _repeats(_steps(Behaviour(key="a", duty=0.96), range(10, 14)), 16) < 0.4
    honest = [step for step in _steps(Behaviour(key="a"), range(10, 20)) if step]
    assert max(Counter(honest).values()) < len(honest) / 2


def test_a_motionless_robot_runs_and_counts_without_current_or_energy() -> None:
    moments = [moment for day in range(10, 15) for moment in _day(Behaviour(key="a", moves=False), day)]
    assert any(moment.state is MachineState.RUNNING for moment in moments)
    assert max(moment.cycles for moment in moments) > 0
    assert {(moment.current_ma, moment.energy_wh) for moment in moments} == {(0, 0)}


def test_holidays_are_quiet() -> None:
    crew = [Behaviour(key=str(number), weekend=1.0) for number in range(100)]
    assert sum(works_on(one, 55) for one in crew) < 25
    assert sum(works_on(one, 48) for one in crew) > 85


def test_copies_come_later_than_their_originals_and_from_another_workshop(city: World) -> None:
    honest = {device.behaviour.key: device for _, device in _of(city, "honest")}
    for kind in ("clone", "clone_shifted", "clone_scaled", "clone_noisy"):
        for _, copy in _of(city, kind):
            original = honest[copy.behaviour.key]
            assert original.gateway != copy.gateway
            assert copy.from_day > original.from_day
            assert copy.behaviour.delay_days >= 1


def test_labels_tell_one_story_behind_two_gateways(city: World) -> None:
    stories: dict[str, list[tuple[RobotClaim, Device]]] = {}
    for claim, device in _of(city, "relabelled"):
        stories.setdefault(device.behaviour.key, []).append((claim, device))
    for pair in stories.values():
        assert len(pair) == 2
        assert len({device.gateway for _, device in pair}) == 2
        assert len({claim.serial for claim, _ in pair}) == 2
        assert len({claim.uscc for claim, _ in pair}) == 2


def test_two_enterprises_claim_one_device(city: World) -> None:
    pairs = Counter((claim.gateway, claim.device, claim.serial) for claim, _ in _of(city, "two_enterprises"))
    assert set(pairs.values()) == {2}


def test_paper_alone_tells_no_lie(city: World) -> None:
    """No lie's claim looks other than an honest one's: same manufacturers, categories, days and invoices."""
    honest = {claim.manufacturer for claim in city.robots if claim.kind == "honest"}
    for claim in city.robots:
        assert claim.manufacturer in honest, claim.kind
        assert claim.commissioned_day >= city.spec.commission_days[0]


def test_parameters_vary_with_the_seed() -> None:
    worlds = [build_world(city_spec(seed)) for seed in (21, 22, 23)]
    for kind in ("clone_scaled", "impossible_rate", "preset", "second_hand"):
        told = {
            (
                device.behaviour.scale,
                device.behaviour.cycle_s,
                device.behaviour.first_count,
                device.behaviour.first_on_s,
            )
            for world in worlds
            for _, device in _of(world, kind)
        }
        assert len(told) == sum(len(_of(world, kind)) for world in worlds)


def test_ids_carry_no_class(city: World) -> None:
    ranks = [
        rank
        for rank, claim in enumerate(sorted(city.robots, key=lambda claim: claim.robot))
        if ROBOT_KINDS[claim.kind].expected != "confirmed"
    ]
    middle, spread = len(city.robots) / 2, len(city.robots) / (12 * len(ranks)) ** 0.5
    assert abs(sum(ranks) / len(ranks) - middle) < 5 * spread
